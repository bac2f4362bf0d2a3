// A visitor's own file: chosen or dropped, processed by a Worker, and offered for
// download.

import { element } from "../knobs.js";
import { byId, fill, setText } from "../readout.js";
import { folderOf, lockOf } from "./storage.js";

// The name of this page's output, unique to this load.
const name = `${Date.now()}-${crypto.getRandomValues(new Uint32Array(1))[0]}`;

// The section's HTML.
const PARTS = `
  <h2 id="own-title">Your own file</h2>
  <p>Process a file of any size in this tab: count its lines, compute its SHA-256 and compress it. It never leaves your computer, and memory use does not depend on its size.</p>
  <div class="drop" id="own-drop">
    <label for="own-input">Choose a file, or drop one here:</label>
    <input type="file" id="own-input">
  </div>
  <p id="own-status" role="status"></p>
  <div id="own-run" hidden>
    <progress id="own-progress" aria-label="Progress" max="1" value="0"></progress>
    <p class="command"><a id="own-download" hidden></a> <button id="own-cancel">Cancel</button></p>
    <div class="scroll" role="region" aria-label="Tables of your file, scrollable" tabindex="0">
      <table id="own-result">
        <caption>Measured in this tab. WebAssembly memory never shrinks, so its size is its peak.</caption>
        <tbody></tbody>
      </table>
      <table id="own-stages">
        <caption>Stage by stage, from the file to the output.</caption>
        <thead>
          <tr>
            <th scope="col">Stage</th>
            <th scope="col">Output</th>
            <th scope="col">Peak</th>
            <th scope="col">Stalled</th>
          </tr>
        </thead>
        <tbody></tbody>
      </table>
    </div>
  </div>`;

let run = null; // the current {file, worker, ended (a promise), spoken}
let link = ""; // to the output
let latest = 0; // the number of the last choice

// Creates the section and its controls.
export function start() {
  if (byId("own").firstChild) return;
  document.head.append(element("link", { rel: "stylesheet", href: new URL("file.css", import.meta.url) }));
  byId("own").innerHTML = PARTS;
  const input = byId("own-input");
  // Allows the same file to be chosen again.
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

// Processes the first of the files, after cancelling a running one.
async function choose(files) {
  const [file] = files;
  if (!file) return;
  const choice = (latest += 1);
  if (run) {
    run.worker.postMessage({ cancel: true });
    await run.ended;
  }
  await discard();
  await hold();
  // Superseded by a newer choice.
  if (choice !== latest) return;
  begin(file, files.length > 1 ? ` Only the first of ${files.length} files is used.` : "");
}

// Holds the lock that protects this page's output.
let held;
function hold() {
  held ??= new Promise((resolve) => {
    if (!navigator.locks) resolve();
    // Locks are denied together with storage; the output is then in memory.
    else navigator.locks.request(lockOf(name), () => (resolve(), new Promise(() => {}))).catch(resolve);
  });
  return held;
}

function begin(file, note) {
  const worker = new Worker(new URL("worker.js", import.meta.url), { type: "module", name: "file" });
  run = { file, worker, spoken: 0 };
  run.ended = new Promise((resolve) => (run.resolve = resolve));
  worker.onmessage = ({ data }) => {
    if (!data.end) return show(data.status);
    if (data.end.how === "failed") return fail(data.end);
    end(data);
  };
  worker.onerror = (event) => {
    event.preventDefault();
    fail({ cause: event.message || "its Worker could not be loaded" });
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

// Browsers report a folder or a file that has vanished as a network error.
async function fail({ stage, cause, status }) {
  const { file, worker } = run;
  worker.terminate();
  // A slice of a file that has vanished is empty, but reads.
  const reader = file.stream().getReader();
  const isReadable = await reader.read().then(() => true, () => false);
  reader.cancel().catch(() => {});
  end({ end: isReadable ? { how: "failed", stage, cause, status } : { how: "unreadable", status } });
}

function end({ end, kept, output }) {
  const { file, worker, resolve } = run;
  worker.terminate();
  run = null;
  if (end.status) show(end.status, file, kept);
  const texts = {
    done: () => `Done: ${file.name}. The output is ${PLACES[kept]}.`,
    cancelled: () => `Cancelled: ${file.name}. The partial output is deleted.`,
    failed: () => `Failed${end.stage ? ` at the stage ${end.stage}` : ""}: ${end.cause}. No output is left.`,
    unreadable: () => `Failed: ${file.name} cannot be read. It is a folder, or it was changed, moved or deleted after it was chosen. Choose a file again.`,
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

// Moves the focus to the input if the button has it.
function hideCancel() {
  if (document.activeElement === byId("own-cancel")) byId("own-input").focus();
  byId("own-cancel").hidden = true;
}

const PLACES = {
  disk: "in a file that the browser stores for this page; it is deleted when you discard it, choose another file or return later",
  memory: "in the browser's memory, because this page has no file storage",
};

// Deletes the output.
async function discard() {
  if (!link) return;
  URL.revokeObjectURL(link);
  link = "";
  byId("own-download").hidden = true;
  hideCancel();
  setText(byId("own-status"), "Output discarded.");
  await folderOf(false)
    .then((folder) => folder.removeEntry(name))
    .catch(() => {}); // it was in memory
}

// Shows the progress or the result.
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
  // Screen readers announce this, so at most four times and once a second.
  const quarter = Math.floor(part * 4);
  if (run && quarter > run.spoken && quarter < 4 && elapsed_ms > 1000 * quarter) {
    run.spoken = quarter;
    setText(byId("own-status"), `Read ${quarter * 25} % of ${file.name}.`);
  }
}

const bytes = (value) => `${size(value)}${value < 1024 ? "" : ` (${value.toLocaleString("en")} B)`}`;

function size(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const unit = Math.min(Math.floor(Math.log2(Math.max(value, 1)) / 10), units.length - 1);
  return `${(value / 1024 ** unit).toLocaleString("en", { maximumFractionDigits: 1 })} ${units[unit]}`;
}
