// Takes one file through the stages, apart from the page. One Worker, one run:
// its memory is that run's alone.
//
// In:  {run: {file, name}}, then perhaps {cancel: true}
// Out: {status}…, then {end: {how: "done" | "cancelled" | "failed", stage?, cause?,
//      status?}, kept?, output?}, the output a file if it is done

import { openOutput } from "./output.js";

// How often the page is told where it is.
const INTERVAL_MS = 200;

let job = null;
let output = null;
let isCancelled = false;

// A trap comes this way: no promise that anybody waits for is settled by it.
addEventListener("unhandledrejection", ({ reason }) => fail(reason));

onmessage = ({ data }) => {
  if (data.run) run(data.run).catch(fail);
  if (data.cancel) {
    isCancelled = true;
    job?.cancel();
  }
};

async function run({ file, name }) {
  const wasm = await load();
  output = await openOutput(name);
  job = new wasm.Job(file, output.stream);
  if (isCancelled) job.cancel();
  const tick = setInterval(() => postMessage({ status: JSON.parse(job.status()) }), INTERVAL_MS);
  const end = JSON.parse(await job.run());
  clearInterval(tick);
  if (end.how !== "done") await output.discard();
  postMessage({ end, kept: output.kept, output: end.how === "done" ? await output.file() : undefined });
}

async function load() {
  let wasm;
  try {
    wasm = await import("../pkg/file/highwater_file.js");
  } catch {
    throw new Error("its WebAssembly is not there, or not yet; this builds it: cargo run -p bundle");
  }
  await wasm.default();
  return wasm;
}

async function fail(error) {
  await output?.discard().catch(() => {});
  postMessage({ end: { how: "failed", cause: String(error?.message ?? error) } });
}
