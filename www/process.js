// A scenario's process: one program in a Worker with its own WebAssembly instance. A
// trap stops only this Worker. It always uses the single-threaded build.
//
// In:  {load: {chapter, program}}, then lines
// Out: lines; the last one is the exit

import { moduleOf } from "./contents.js";

const early = [];
let deliver = (line) => early.push(line);

onmessage = ({ data }) => (data.load ? load(data.load) : deliver(data));

// Reports errors other than a panic, which has reported itself.
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
