// Workers on behalf of the page: one a build, kept while it is well.

export class Runner {
  #workers = new Map();
  #current = null;

  // Runs an experiment; `listener` has ready(info), batch(json, now),
  // end(died) and bug(message). A run that is still going is given up.
  start({ build, world, name, pairs }, listener) {
    this.stop();
    const worker = this.#workers.get(build) ?? this.#load(build);
    const run = { worker, listener };
    this.#current = run;
    worker.loaded.then(
      (info) => {
        if (this.#current !== run) return;
        listener.ready(info);
        worker.thread.postMessage({ run: { world, name, pairs } });
      },
      (cause) => this.#lost(build, worker, cause.message),
    );
  }

  // Gives up the current run. A Worker in the midst of one cannot be told to
  // stop, so it is ended, and the next run gets a new one.
  stop() {
    if (!this.#current) return;
    const { worker } = this.#current;
    this.#current = null;
    this.#end(worker);
  }

  #load(build) {
    const thread = new Worker(new URL("worker.js", import.meta.url), { type: "module", name: build });
    const worker = { build, thread };
    worker.loaded = new Promise((resolve, reject) => {
      worker.resolve = resolve;
      worker.reject = reject;
    });
    thread.onmessage = ({ data }) => this.#message(worker, data);
    thread.onerror = (event) => {
      // Shown on the page; the console need not say it a second time.
      event.preventDefault();
      this.#lost(build, worker, event.message || "the Worker could not be loaded");
    };
    thread.postMessage({ load: build });
    this.#workers.set(build, worker);
    return worker;
  }

  #message(worker, data) {
    if (data.ready) {
      // Without the threads it was to have it serves this run only: they may
      // be there for the next.
      worker.isMakeshift = worker.build === "threads" && !data.ready.threads;
      return worker.resolve(data.ready);
    }
    if (data.bug) return this.#lost(worker.build, worker, data.bug);
    const run = this.#current;
    if (run?.worker !== worker) return;
    if (data.batch) run.listener.batch(data.batch, data.now);
    if (data.end) {
      this.#current = null;
      if (worker.isMakeshift) this.#end(worker);
      run.listener.end(data.end.died);
    }
  }

  #lost(build, worker, cause) {
    const run = this.#current?.worker === worker ? this.#current : null;
    worker.reject(new Error(cause));
    worker.loaded.catch(() => {});
    this.#end(worker);
    if (run) {
      this.#current = null;
      run.listener.bug(cause);
    }
  }

  #end(worker) {
    worker.thread.terminate();
    if (this.#workers.get(worker.build) === worker) this.#workers.delete(worker.build);
  }
}
