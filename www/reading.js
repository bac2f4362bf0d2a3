// Loads the texts of a scenario: its guide, and its source with the line that wrote the
// latest record.

import { refreshStep, showStep } from "./guide.js";
import { element } from "./knobs.js";
import { byId, setText } from "./readout.js";

const REFRESH_MS = 200; // for numbers in sentences to be readable
const FAILED = 3; // phase of a failed end

const chapters = new Map();
let shown = null; // values of the current experiment
let sources = []; // excerpts that can run: {node, lines, marks}
let latest = null;
let timer = 0;

addEventListener("numbers", ({ detail }) => {
  latest = detail;
  markRunning();
  timer ||= setTimeout(refresh, REFRESH_MS);
});
addEventListener("drawer", markRunning);

// Shows the texts for a scenario with these values in this world.
export async function read(chapter, { name, params }, values, world) {
  shown = values;
  if (!chapters.has(chapter)) chapters.set(chapter, load(chapter));
  const { about, caption } = await chapters.get(chapter);
  if (shown !== values) return;
  byId("reading").hidden = !about;
  if (!about) return;
  const it = about[name];
  setText(byId("legend"), caption);
  showStep(name, it.guide, params, values, world);
  const canRun = ({ when }) => [...new URLSearchParams(when)].every(([key, value]) => values[key] === value);
  sources = it.sources.filter(canRun).map(makeSource);
  byId("excerpts").replaceChildren(...sources.map(({ node }) => node));
  markRunning();
  refresh();
}

// Optional: returns nothing if it is missing.
async function load(chapter) {
  try {
    return await (await fetch(new URL(`pkg/${chapter}/reading.json`, import.meta.url))).json();
  } catch {
    chapters.delete(chapter);
    return {};
  }
}

function refresh() {
  timer = 0;
  refreshStep();
}

function makeSource({ title, file, line, code, marks }) {
  const lines = code.split("\n").map((text) => element("span", {}, `${text}\n`));
  const pre = element("pre", { tabIndex: 0, role: "region", ariaLabel: title });
  pre.append(...lines);
  const node = element("div");
  node.append(element("h3", {}, title), element("p", { className: "help" }, `${file}:${line}`), pre);
  return { node, lines, marks };
}

function markRunning() {
  const panel = byId("source");
  if (panel.hidden) return;
  for (const { lines, marks } of sources) {
    const at = latest ? marks.find((mark) => fits(mark, latest))?.line : -1;
    lines.forEach((line, index) => line.classList.toggle("runs", index === at));
  }
  // Do not scroll during playback.
  const line = !byId("run").disabled && panel.querySelector(".runs");
  if (line && Math.abs(line.offsetTop - panel.scrollTop - panel.clientHeight / 2) > panel.clientHeight / 2 - 20) {
    panel.scrollTop = line.offsetTop - panel.clientHeight / 3;
  }
}

// Returns true if a mark matches a record.
export function fits({ kind, phase, by, failure }, [ofKind, ofPhase, source, cause]) {
  return (
    kind === ofKind &&
    (phase === FAILED ? ofPhase === 1 && cause : phase === null || phase === ofPhase) &&
    (by?.endsWith("*") ? source.startsWith(by.slice(0, -1)) : !by || by === source) &&
    (!failure || failure === cause)
  );
}
