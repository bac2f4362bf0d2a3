// A visitor's own file: chosen or dropped, taken through the stages by a Worker,
// shown while it goes on, and offered for download.

import { element } from "../knobs.js";
import { byId, fill, setText } from "../readout.js";
import { folderOf, lockOf } from "./storage.js";

// This page's output. Another page, or the next load of this one, has another.
const name = `${Date.now()}-${crypto.getRandomValues(new Uint32Array(1))[0]}`;

// What is read and filled in.
const PARTS = `
  <h2 id="own-title">Your own file</h2>
  <p>Take a file of any size through the same stages, in this tab: its lines are counted, its SHA-256 is made, and it is compressed. It never leaves your computer, and the memory it takes does not depend on its size.</p>
  <div class="drop" id="own-drop">
    <label for="own-input">Choose a file, or drop one here:</label>
    <input type="file" id="own-input">
  </div>
  <p id="own-status" role="status"></p>
  <div id="own-run" hidden>
    <progress id="own-progress" aria-label="Read of the file" max="1" value="0"></progress>
    <p class="command"><a id="own-download" hidden></a> <button id="own-cancel">Cancel</button></p>
    <div class="scroll" role="region" aria-label="Tables of your file, scroll sideways" tabindex="0">
      <table id="own-result">
        <caption>Measured in this tab. WebAssembly memory never shrinks, so what there is is its peak.</caption>
        <tbody></tbody>
      </table>
      <table id="own-stages">
        <caption>Stage by stage, from the file to the output.</caption>
        <thead>
          <tr>
            <th scope="col">Stage</th>
            <th scope="col">Passed on</th>
            <th scope="col">Peak</th>
            <th scope="col">Waited for room</th>
          </tr>
        </thead>
        <tbody></tbody>
      </table>
    </div>
  </div>`;

let run = null; // {file, worker, ended (a promise), spoken}, until it has ended
let link = ""; // to the output
let turn = 0;

// Takes the controls into service. What is dropped anywhere else on the page has
// no effect.
export function start() {
  if (byId("own").firstChild) return;
  document.head.append(element("link", { rel: "stylesheet", href: new URL("file.css", import.meta.url) }));
  byId("own").innerHTML = PARTS;
  const input = byId("own-input");
  // What is chosen a second time is read a second time.
  input.onclick = () => (input.value = "");
  input.onchange = () => choose([...input.files]);
  byId("own-cancel").onclick = () => (run ? run.worker.postMessage({ cancel: true }) : discard());
  const drop = byId("own-drop");
  const mark = (isOver) => () => drop.classList.toggle("over", isOver);
  drop.ondragover = mark(true);
  drop.ondragleave = mark(false);
  drop.ondrop = (event) => {
    mark(false)();
    choose([...event.dataTransfer.files]);
  };
}

// The first of the files takes the place of the one there is, which is cancelled
// if it is still being read.
async function choose(files) {
  const [file] = files;
  if (!file) return;
  const own = (turn += 1);
  if (run) {
    run.worker.postMessage({ cancel: true });
    await run.ended;
  }
  await discard();
  await hold();
  // Something else may have been chosen meanwhile.
  if (own !== turn) return;
  begin(file, files.length > 1 ? ` Of ${files.length} files, the first is taken.` : "");
}

// Keeps other pages from removing this one's output.
let held;
function hold() {
  held ??= new Promise((resolve) => {
    if (!navigator.locks) resolve();
    else navigator.locks.request(lockOf(name), () => (resolve(), new Promise(() => {})));
  });
  return held;
}

function begin(file, note) {
  const worker = new Worker(new URL("worker.js", import.meta.url), { type: "module", name: "file" });
  run = { file, worker, spoken: 0 };
  run.ended = new Promise((resolve) => (run.resolve = resolve));
  worker.onmessage = ({ data }) => (data.end ? end(data) : show(data.status));
  worker.onerror = (event) => {
    event.preventDefault();
    end({ end: { how: "failed", cause: event.message || "its Worker could not be loaded" } });
  };
  worker.postMessage({ run: { file, name } });
  byId("own-run").hidden = false;
  byId("own-download").hidden = true;
  byId("own-cancel").hidden = false;
  setText(byId("own-cancel"), "Cancel");
  byId("own-progress").value = 0;
  fill(byId("own-result").tBodies[0], []);
  fill(byId("own-stages").tBodies[0], []);
  setText(byId("own-status"), `Reading ${file.name}, ${size(file.size)}.${note}`);
}

function end({ end, kept, output }) {
  const { file, worker, resolve } = run;
  worker.terminate();
  run = null;
  if (end.status) show(end.status, file, kept);
  const texts = {
    done: () => `Done: ${file.name} has gone through. The output is ${PLACES[kept]}.`,
    cancelled: () => `Cancelled: ${file.name} was not read to its end, and what had been written is gone.`,
    failed: () => `Failed${end.stage ? ` at the stage ${end.stage}` : ""}: ${end.cause}. No output is left.`,
  };
  setText(byId("own-status"), texts[end.how]());
  if (output) {
    link = URL.createObjectURL(output);
    Object.assign(byId("own-download"), { href: link, download: `${file.name}.gz`, hidden: false });
    setText(byId("own-download"), `Download ${file.name}.gz`);
    setText(byId("own-cancel"), "Discard the output");
  } else {
    hideCancel();
  }
  resolve();
}

// Its place in the order of the keyboard should not be lost with it.
function hideCancel() {
  if (document.activeElement === byId("own-cancel")) byId("own-input").focus();
  byId("own-cancel").hidden = true;
}

const PLACES = {
  disk: "in a file that the browser keeps for this page, out of its memory; it is removed when you discard it, choose another file or come back later",
  memory: "in the browser's memory: it gives this page no file of its own",
};

// Removes the output there is.
async function discard() {
  if (!link) return;
  URL.revokeObjectURL(link);
  link = "";
  byId("own-download").hidden = true;
  hideCancel();
  setText(byId("own-status"), "The output is discarded.");
  await folderOf(false)
    .then((folder) => folder.removeEntry(name))
    .catch(() => {}); // it was in memory
}

// While it goes on, and in the end.
function show(status, file = run?.file) {
  if (!file) return;
  const { read, elapsed_ms, memory, memory_at_start } = status;
  const part = file.size ? read / file.size : 1;
  byId("own-progress").value = part;
  fill(byId("own-result").tBodies[0], [
    ["Lines", status.lines.toLocaleString("en")],
    ["SHA-256", status.sha256 ?? "at the end"],
    ["Read", bytes(read)],
    ["Written", bytes(status.written)],
    ["Throughput", `${(read / 2 ** 20 / (elapsed_ms / 1000) || 0).toFixed(1)} MiB/s, in ${(elapsed_ms / 1000).toFixed(1)} s`],
    ["Peak WebAssembly memory", `${bytes(memory)}; ${size(memory_at_start)} before the first byte`],
    ["Peak in flight, at most", bytes(status.in_flight)],
  ]);
  fill(byId("own-stages").tBodies[0], status.stages.map(({ name, passed, peak, stalled_ms }) => [
    name, size(passed), size(peak), `${((stalled_ms ?? 0) / 1000).toFixed(1)} s`,
  ]));
  // Spoken, so at every quarter only, and once a second at most.
  const quarter = Math.floor(part * 4);
  if (run && quarter > run.spoken && quarter < 4 && elapsed_ms > 1000 * quarter) {
    run.spoken = quarter;
    setText(byId("own-status"), `${quarter * 25} % of ${file.name} is read.`);
  }
}

const bytes = (value) => `${size(value)}${value < 1024 ? "" : ` (${value.toLocaleString("en")} B)`}`;

function size(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const unit = Math.min(Math.floor(Math.log2(Math.max(value, 1)) / 10), units.length - 1);
  return `${(value / 1024 ** unit).toLocaleString("en", { maximumFractionDigits: 1 })} ${units[unit]}`;
}
