// Compares the last runs in a table and a plot, and exports them. Uses its own
// WebAssembly, loaded after the first picture.

import { element } from "../knobs.js";
import { byId, setText } from "../readout.js";
import { judge, start } from "./challenge.js";

// Time for the browser to start a download.
const DOWNLOAD_MS = 10000;

// The metric that shows a scenario's lesson. Without data, the first one is shown.
const LESSONS = {
  backpressure: "bytes", pipeline: "bytes", taxonomy: "failures", handler: "failures",
  blocking: "lag", threads: "throughput", cluster: "failures",
};

const prefersDark = matchMedia("(prefers-color-scheme: dark)");
const section = byId("compare");

let loading = null;
let runs;
let svg = "";
let plotted = ""; // the scenario

// Adds a run, replacing the last one of the same experiment. An error is shown, and
// the next run tries again.
export async function keep(run) {
  try {
    const { Runs } = await (loading ??= load());
    if (!runs) begin(Runs);
    add(run);
    show(run.name);
  } catch (error) {
    loading = null;
    section.textContent = `Runs cannot be compared: ${error.message}`;
  }
}

// Returns a sentence if an experiment's requests arrive faster than they can be handled.
export async function overload(name, pairs) {
  return (await (loading ??= load())).Runs.overload(name, pairs);
}

async function load() {
  const analysis = await import("../pkg/analysis/highwater_analysis.js");
  await analysis.default();
  return analysis;
}

function begin(Runs) {
  runs = new Runs();
  start(Runs);
  section.innerHTML = runs.section();
  section.onclick = act;
  addEventListener("drawer", () => plot());
  byId("metric").onchange = prefersDark.onchange = onafterprint = () => plot();
  onbeforeprint = () => plot(true);
}

function add({ fragment, name, world, pairs, died, batches }) {
  const index = runs.keep(fragment, name, world, pairs, died);
  for (const { names, words } of batches) runs.push(index, names, words);
  judge(runs, index, name);
}

// A button's name is the method, its value the run.
function act({ target }) {
  const { name, value, dataset } = target.closest("button") ?? {};
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

// The focused button may be removed.
function show(name = plotted) {
  const hadFocus = byId("runs").contains(document.activeElement);
  byId("runs").innerHTML = runs.html();
  setText(byId("run-count"), String(byId("runs").querySelectorAll("code").length || ""));
  byId("metric").innerHTML = runs.options(name === plotted ? byId("metric").value : (LESSONS[name] ?? "latency"));
  plotted = name;
  plot();
  if (hadFocus) byId("metric").focus({ preventScroll: true });
}

function plot(isOnPaper = false) {
  svg = runs.plot(byId("metric").value, byId("plot").clientWidth, prefersDark.matches && !isOnPaper);
  byId("plot").innerHTML = svg;
}
