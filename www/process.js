// A scenario's process: one program, in a Worker and with a WebAssembly instance
// of its own. A trap ends both, and nobody else. The instance is that of the
// single-threaded build, whichever the scenario runs in.
//
// In:  {load: {chapter, program}}, then lines
// Out: lines; the last one says how it ended

import { moduleOf } from "./contents.js";

const early = [];
let deliver = (line) => early.push(line);

onmessage = ({ data }) => (data.load ? load(data.load) : deliver(data));

// A panic has told of itself by then; anything else is told here.
addEventListener("error", (event) => {
  event.preventDefault();
  lose(event.message);
});

async function load({ chapter, program }) {
  try {
    const wasm = await import(moduleOf(chapter, "single"));
    await wasm.default();
    const inbox = wasm.run_process(program);
    deliver = (line) => inbox.deliver(line);
    early.forEach(deliver);
  } catch (error) {
    lose(error?.message ?? error);
  }
}

function lose(reason) {
  postMessage(`lost ${reason}`);
}
