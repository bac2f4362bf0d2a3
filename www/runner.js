// Workers on behalf of the page: one a chapter and build, kept while it is well.

// How long a Worker may take to load. It answers in well under a second, and
// when its threads do not start it takes eight to go on without.
const LOAD_PATIENCE_MS = 20000;

export class Runner {
  #workers = new Map();
  #current = null;

  // Runs an experiment; `listener` has ready(info), batch(names, words, now), end(died)
  // and lost(cause, isBug). A run that is still going is given up.
  start({ chapter, build, world, name, pairs }, listener) {
    this.stop();
    const worker = this.#workers.get(`${chapter}/${build}`) ?? this.#load(chapter, build);
    const run = { worker, listener };
    this.#current = run;
    worker.loaded.then((info) => {
      if (this.#current !== run) return;
      listener.ready(info);
      worker.thread.postMessage({ run: { world, name, pairs } });
    });
  }

  // Gives up the current run. A Worker in the midst of one cannot be told to
  // stop, so it is ended, and the next run gets a new one.
  stop() {
    if (!this.#current) return;
    const { worker } = this.#current;
    this.#current = null;
    this.#end(worker);
  }

  #load(chapter, build) {
    const key = `${chapter}/${build}`;
    const thread = new Worker(new URL("worker.js", import.meta.url), { type: "module", name: key });
    const worker = { key, build, thread, isLoaded: false };
    worker.loaded = new Promise((resolve) => (worker.resolve = resolve));
    worker.timer = setTimeout(() => this.#lose(worker, "its Worker does not answer", false), LOAD_PATIENCE_MS);
    thread.onmessage = ({ data }) => this.#message(worker, data);
    thread.onerror = (event) => {
      // Shown on the page; the console need not say it a second time.
      event.preventDefault();
      this.#lose(worker, event.message || "its Worker could not be loaded", worker.isLoaded);
    };
    thread.postMessage({ load: { chapter, build } });
    this.#workers.set(key, worker);
    return worker;
  }

  #message(worker, data) {
    if (data.ready) return this.#ready(worker, data.ready);
    if (data.unloadable) return this.#lose(worker, data.unloadable, false);
    if (data.bug) return this.#lose(worker, data.bug, true);
    const run = this.#current;
    if (run?.worker !== worker) return;
    if (data.words) run.listener.batch(data.names, data.words, data.now);
    if (data.end) {
      this.#current = null;
      if (worker.isMakeshift) this.#end(worker);
      run.listener.end(data.end.died);
    }
  }

  #ready(worker, info) {
    clearTimeout(worker.timer);
    worker.isLoaded = true;
    // Without the threads it was to have it serves this run only: they may be
    // there for the next.
    worker.isMakeshift = worker.build === "threads" && !info.threads;
    worker.resolve(info);
  }

  #lose(worker, cause, isBug) {
    const run = this.#current?.worker === worker ? this.#current : null;
    this.#end(worker);
    if (run) {
      this.#current = null;
      run.listener.lost(cause, isBug);
    }
  }

  #end(worker) {
    clearTimeout(worker.timer);
    worker.thread.terminate();
    if (this.#workers.get(worker.key) === worker) this.#workers.delete(worker.key);
  }
}
