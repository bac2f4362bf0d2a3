// Runs experiments in Workers, one per chapter and build, or on the server through the
// API of `highwater serve`.

// Loading takes under a second, or eight if the threads do not start.
const LOAD_TIMEOUT_MS = 20000;

// A response header of the page announces the API.
export const isServed = performance.getEntriesByType("navigation")[0]?.serverTiming?.some(({ name }) => name === "native");

export class Runner {
  #workers = new Map();
  #current = null;
  #disconnect = () => {};

  // Runs an experiment. `listener` has ready(info), batch(names, words, now), end(died)
  // and lost(cause, isBug). Stops the current run.
  start(experiment, listener) {
    const { chapter, build, world, name, pairs } = experiment;
    this.stop();
    if (world === "native") return void (this.#disconnect = runNatively(experiment, listener));
    let worker;
    try {
      worker = this.#workers.get(`${chapter}/${build}`) ?? this.#load(chapter, build);
    } catch ({ message }) {
      return listener.lost(message, false); // sandboxed frames have no Workers
    }
    const run = { worker, listener };
    this.#current = run;
    worker.loaded.then((info) => {
      if (this.#current !== run) return;
      listener.ready(info);
      worker.thread.postMessage({ run: { world, name, pairs } });
    });
  }

  // Stops the current run by terminating its Worker, which would not read a message. A
  // Worker that is still loading is kept.
  stop() {
    this.#disconnect();
    const worker = this.#current?.worker;
    this.#current = null;
    if (worker?.isLoaded) this.#end(worker);
  }

  #load(chapter, build) {
    const key = `${chapter}/${build}`;
    const thread = new Worker(new URL("worker.js", import.meta.url), { type: "module", name: key });
    const worker = { key, build, thread, isLoaded: false };
    worker.loaded = new Promise((resolve) => (worker.resolve = resolve));
    worker.timer = setTimeout(() => this.#lose(worker, "its Worker did not respond", false), LOAD_TIMEOUT_MS);
    thread.onmessage = ({ data }) => this.#message(worker, data);
    thread.onerror = (event) => {
      // The page shows it, so keep it off the console.
      event.preventDefault();
      this.#lose(worker, event.message || "its Worker could not be loaded", worker.isLoaded);
    };
    thread.postMessage({ load: { chapter, build } });
    this.#workers.set(key, worker);
    return worker;
  }

  #message(worker, data) {
    if (data.lock) return navigator.locks.request(data.lock, () => this.#lose(worker, "its Worker exited", false));
    if (data.ready) return this.#ready(worker, data.ready);
    if (data.bug) return this.#lose(worker, data.bug, worker.isLoaded);
    const run = this.#current;
    if (run?.worker !== worker) return;
    if (data.words) run.listener.batch(data.names, data.words, data.now);
    if (data.end) {
      this.#current = null;
      if (worker.isSingleUse) this.#end(worker);
      run.listener.end(data.end.died);
    }
  }

  #ready(worker, info) {
    clearTimeout(worker.timer);
    worker.isLoaded = true;
    // A Worker without threads is used once: the next one may get them.
    worker.isSingleUse = worker.build === "threads" && !info.threads;
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

// Returns a function that closes the connection, which ends the run.
function runNatively({ name, values }, listener) {
  const call = new AbortController();
  const notify = (what, ...message) => call.signal.aborted || listener[what](...message);
  follow({ scenario: name, params: values, records: "packed" }, call.signal, notify).catch(({ message }) => notify("lost", message));
  return () => call.abort();
}

async function follow(wanted, signal, notify) {
  const request = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(wanted), signal };
  const response = await fetch("api/runs", request).catch(() => fail("the server cannot be reached"));
  if (!response.ok) {
    // A proxy in front of the server answers with HTML.
    const { detail } = await response.json().catch(() => ({}));
    fail(detail ? `the server rejected the request: ${detail.slice(0, -1)}` : `the server answered with status ${response.status}`);
  }
  notify("ready", { process: response.headers.get("X-Worker") });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  // Events are small, so the buffer is too.
  for (let text = ""; ; ) {
    const { value } = await reader.read().catch(() => ({}));
    if (!value) fail("the connection closed during the run");
    const events = (text + value).split("\n\n");
    text = events.pop();
    for (const event of events) {
      const data = event.split("\ndata: ")[1];
      if (!data) continue;
      const { names, words, now_ms, died } = JSON.parse(data);
      if (!words) return notify(died ? "lost" : "end", died, true);
      notify("batch", names, new BigUint64Array(Uint8Array.from(atob(words), (byte) => byte.charCodeAt()).buffer), now_ms);
    }
  }
}

function fail(cause) {
  throw new Error(cause);
}
