// The last runs side by side, in a table and a plot, and to be taken as files. What is
// shown is made by a WebAssembly of its own, which comes after the first run.

import { element } from "../knobs.js";
import { byId } from "../readout.js";
import { judge, start } from "./challenge.js";

// How long a browser has to begin a download.
const DOWNLOAD_MS = 10000;

const prefersDark = matchMedia("(prefers-color-scheme: dark)");
const section = byId("compare");

let loading = null;
let runs;
let svg = "";

// Keeps a run, in place of the last one of the same experiment. The page goes on
// without this: then it says why, and the next run tries again.
export async function keep(run) {
  try {
    await (loading ??= load());
    add(run);
    show();
  } catch (error) {
    loading = null;
    section.textContent = `Runs cannot be compared: ${error.message}`;
  }
}

async function load() {
  const analysis = await import("../pkg/analysis/highwater_analysis.js");
  await analysis.default();
  runs = new analysis.Runs();
  start(analysis.Runs);
  section.innerHTML = runs.section();
  section.onclick = act;
  byId("metric").onchange = prefersDark.onchange = onafterprint = () => plot();
  onbeforeprint = () => plot(true);
}

function add({ fragment, name, world, pairs, died, batches }) {
  const index = runs.keep(fragment, name, world, pairs, died);
  for (const { names, words } of batches) runs.push(index, names, words);
  judge(runs, index, name);
}

// What a button is called is done to the run that is its value.
function act({ target: { name, value, dataset } }) {
  if (!name) return;
  const file = name === "svg" ? svg : runs[name](value);
  if (file) return download(dataset.file, file);
  show();
}

function download(name, file) {
  const href = URL.createObjectURL(new Blob([file]));
  element("a", { href, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(href), DOWNLOAD_MS);
}

// What had the focus may be gone.
function show() {
  const hadFocus = byId("runs").contains(document.activeElement);
  byId("runs").innerHTML = runs.html();
  byId("metric").innerHTML = runs.options(byId("metric").value);
  plot();
  if (hadFocus) byId("metric").focus({ preventScroll: true });
}

function plot(isOnPaper = false) {
  svg = runs.plot(byId("metric").value, byId("plot").clientWidth, prefersDark.matches && !isOnPaper);
  byId("plot").innerHTML = svg;
}
