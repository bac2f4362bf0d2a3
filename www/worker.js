// Runs experiments, so that the page never blocks and survives a trap. A Worker has one
// WebAssembly instance; a trap loses both, and the page starts another.
//
// In:  {load: {chapter, build: "single" | "threads"}}, then {run: {world, name, pairs}}
// Out: {lock}, {ready: {threads?, without?}}, {names, words, now}…, {end: {died}} or
//      {bug: message}

import { moduleOf } from "./contents.js";

// Time limit for the pool to start. After that, the run uses one thread.
const POOL_TIMEOUT_MS = 8000;

let wasm;

// Held while this Worker runs, so that the page notices when it exits.
const lock = `${name} ${Math.random()}`;
navigator.locks
  ?.request(lock, () => {
    postMessage({ lock });
    return new Promise(() => {});
  })
  .catch(() => {}); // denied together with storage

onmessage = async ({ data }) => {
  try {
    if (data.load) postMessage({ ready: await load(data.load) });
    if (data.run) {
      const { world, name, pairs } = data.run;
      const report = (names, words, now) => postMessage({ names, words, now }, [words.buffer]);
      const died = await wasm.run(world, name, pairs, report);
      postMessage({ end: { died } });
    }
  } catch (error) {
    postMessage({ bug: describe(error) });
  }
};

async function load({ chapter, build }) {
  let without;
  if (build === "threads") {
    try {
      return { threads: await loadThreads(chapter) };
    } catch (error) {
      without = describe(error);
    }
  }
  await use(await import(moduleOf(chapter, "single")), chapter);
  return { without };
}

// Starts and checks the pool. Fails if the build is missing or the browser refuses
// shared memory.
async function loadThreads(chapter) {
  const missing = () => {
    throw new Error("the threaded build is missing");
  };
  await use(await import(moduleOf(chapter, "threads")).catch(missing), chapter);
  // At least two, to have something to show; at most eight, because each takes memory.
  const count = Math.min(Math.max(navigator.hardwareConcurrency ?? 2, 2), 8);
  const timeout = new Promise((_, reject) => {
    setTimeout(() => reject(new Error("its threads did not start in time")), POOL_TIMEOUT_MS);
  });
  await Promise.race([wasm.initThreadPool(count), timeout]);
  return JSON.parse(wasm.check_threads());
}

async function use(module, chapter) {
  await module.default();
  wasm = module;
  wasm.on_panic((bug) => postMessage({ bug }));
  wasm.set_process_starter((program) => {
    const name = `${chapter}: ${program}`;
    const process = new Worker(new URL("process.js", import.meta.url), { type: "module", name });
    process.postMessage({ load: { chapter, program } });
    return process;
  });
}

function describe(error) {
  return String(error?.message ?? error);
}
