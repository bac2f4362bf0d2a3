// Runs experiments apart from the page, so that the page never blocks and
// outlives a trap. One Worker has one WebAssembly instance: after a trap both
// are lost, and the page starts another.
//
// In:  {load: "single" | "threads"}, then {run: {world, name, pairs}}
// Out: {ready: {threads?}}, {batch, now}…, {end: {died}} or {bug: message}

let wasm;

onmessage = async ({ data }) => {
  try {
    if (data.load) postMessage({ ready: await load(data.load) });
    if (data.run) {
      const { world, name, pairs } = data.run;
      const report = (batch, now) => postMessage({ batch, now });
      const died = await wasm.run(world, name, pairs, report);
      postMessage({ end: { died } });
    }
  } catch (error) {
    postMessage({ bug: String(error?.message ?? error) });
  }
};

async function load(build) {
  const proof = build === "threads" ? await loadThreads() : undefined;
  if (!proof) {
    wasm = await import("./pkg/highwater_web.js");
    await wasm.default();
  }
  wasm.on_panic((bug) => postMessage({ bug }));
  return { threads: proof };
}

// Starts the pool and has it prove itself; nothing if there is no such build.
async function loadThreads() {
  try {
    wasm = await import("./pkg/threads/highwater_web.js");
  } catch {
    return undefined;
  }
  await wasm.default();
  // At least two, or there is nothing to show; at most eight, since each takes
  // memory whether it works or not.
  await wasm.initThreadPool(Math.min(Math.max(navigator.hardwareConcurrency ?? 2, 2), 8));
  return JSON.parse(wasm.prove_threads());
}
