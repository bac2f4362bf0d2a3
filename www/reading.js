// The guide beside the picture, with knobs in its sentences, and the source, with the
// line that wrote the latest record.

import { element, makeControl } from "./knobs.js";
import { byId, numberOf, setText } from "./readout.js";

const REFRESH_MS = 200; // for numbers in sentences to be readable
const FAILED = 3; // phase of a failed end

const guide = byId("guide");
const chapters = new Map();
let shown = {}; // {name, values, defaults}
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
  shown = { name, values, defaults: Object.fromEntries(params.map(({ key, default: value }) => [key, String(value)])) };
  if (!chapters.has(chapter)) chapters.set(chapter, load(chapter));
  const { about, caption } = await chapters.get(chapter);
  if (shown.values !== values) return;
  byId("reading").hidden = !about;
  if (!about) return;
  const it = about[name];
  if (guide.dataset.of !== name) {
    guide.dataset.of = name;
    setText(byId("legend"), caption);
    guide.innerHTML = it.guide;
    for (const node of guide.querySelectorAll("[data-knob]")) node.replaceWith(makeKnob(params, node.dataset.knob));
  }
  for (const control of knobsIn(guide)) control.value = values[control.name];
  for (const link of guide.querySelectorAll("a")) {
    link.hash = `#/${name}?${new URLSearchParams({ seed: values.seed, ...setBy(link), ...world })}`;
    link.ariaCurrent = isOn(link, link);
  }
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

const knobsIn = (node) => [...node.querySelectorAll("select, input")];
const setBy = (link) => Object.fromEntries(new URLSearchParams(link?.dataset.set));

// Returns true if the settings match a sentence: those of the last link before it, and
// defaults for the keys of other links. Knobs in the sentence may differ.
function isOn(node, link) {
  const free = knobsIn(node.closest("li")).map(({ name }) => name);
  const keys = [...guide.querySelectorAll("a")].flatMap((other) => Object.keys(setBy(other)));
  const wanted = { ...shown.defaults, ...setBy(link) };
  return keys.every((key) => free.includes(key) || shown.values[key] === wanted[key]);
}

function makeKnob(params, name) {
  const param = params.find(({ key }) => key === name);
  const control = Object.assign(makeControl(param), { name, ariaLabel: param.label });
  control.onchange = () => {
    if (!control.reportValidity()) return;
    const knob = byId(`knob-${name}`);
    knob.value = control.value;
    knob.dispatchEvent(new Event("change"));
  };
  return control;
}

// Copies numbers from the tables into the sentences.
function refresh() {
  timer = 0;
  let link;
  for (const node of guide.querySelectorAll("a, [data-number]")) {
    const number = node.dataset.number?.split(": ");
    if (number) setText(node, (isOn(node, link) && numberOf(...number)) || "…");
    else link = node;
  }
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
