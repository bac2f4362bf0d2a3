// Processes one file. Each run has its own Worker, and so its own memory.
//
// In:  {run: {file, name}}, then perhaps {cancel: true}
// Out: {status}…, then {end: {how: "done" | "cancelled" | "failed", stage?, cause?,
//      status?}, kept?, output?}, with output a file if done
import { openOutput } from "./output.js";

// Interval between status messages.
const INTERVAL_MS = 200;

let job = null;
let output = null;
let isCancelled = false;

// A trap leaves promises pending, but is reported here.
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
    throw new Error("its WebAssembly is missing; to build it: cargo run -p bundle");
  }
  await wasm.default();
  return wasm;
}

async function fail(error) {
  await output?.discard().catch(() => {});
  postMessage({ end: { how: "failed", cause: String(error?.message ?? error) } });
}
