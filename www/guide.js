// The guide: one step at a time, with a prediction, the step's inputs and its finding.

import { element, makeControl } from "./knobs.js";
import { byId, isAtEnd, numberOf, setText } from "./readout.js";

const WORLDS = { virtual: "simulated", tab: "measured in this tab", native: "measured natively" };

const guide = byId("guide");
const predictions = new Map(); // the choice by step
const kept = new Map(); // findings by step: {world, numbers: [number by finding]}
let shown = {}; // {name, steps, at, params, values, world}
let isRunWanted = false; // once the step's experiment is shown

// Shows the step of the address for a scenario with these values in this world.
export function showStep(name, steps, params, values, world) {
  shown = { name, steps, params, values, world };
  // Without a step in the address, the first one with these settings.
  const at = parameters().has("step") ? parameters().get("step") - 1 : steps.findIndex(isStep);
  shown.at = steps[at] ? at : 0;
  const isNew = guide.dataset.of !== `${name} ${shown.at}`;
  if (isNew) build();
  for (const control of byId("step-knobs").querySelectorAll("select, input")) control.value = values[control.name];
  refreshStep();
  if (isRunWanted) byId("run").click();
  isRunWanted = false;
}

// Updates the numbers, the answer and the findings.
export function refreshStep() {
  const { steps, at, name, world } = shown;
  if (!steps || !byId("step-knobs")) return;
  const step = steps[at];
  const isOn = isStep(step);
  const isDone = isOn && isAtEnd();
  if (isDone) kept.set(`${name} ${at}`, { world, numbers: step.findings.map(([, number]) => brief(number)) });
  const hint = isOn ? (byId("run").disabled ? "Watch the picture." : "") : "The settings are not those of this step.";
  setText(byId("step-hint"), hint);
  byId("reveal").hidden = !isDone;
  if (isDone) reveal(step);
  else for (const mark of guide.querySelectorAll(".mark")) setText(mark, "");
  showFindings(isOn && !isDone);
}

// Shows which choice is right in this run, and why.
function reveal(step) {
  const number = lookUp(step.number);
  const right = step.choices.findIndex(({ min, max }) => isWithin(valueOf(number), min, max));
  const predicted = predictions.get(guide.dataset.of);
  guide.querySelectorAll(".mark").forEach((mark, index) => {
    setText(mark, index === right ? " ✓ right" : index === predicted ? " ✗ not in this run" : "");
  });
  const isRight = predicted === right;
  setText(byId("answer"), number === "–" ? "This run has no such number." : right < 0 ? `None of these: ${number}.` : predicted === undefined ? "" : isRight ? "Your prediction is right." : "Your prediction differs from this run.");
  for (const node of byId("why").querySelectorAll("[data-number]")) setText(node, lookUp(node.dataset.number));
}

// Lists the findings so far, the last one first, each compared with the step before that has the same
// number. `isRunning` adds the numbers so far of the current step.
function showFindings(isRunning) {
  const { steps, at, name, world } = shown;
  const before = new Map(); // number and world of the last step with it
  const lines = [];
  steps.forEach((step, index) => {
    const finding = kept.get(`${name} ${index}`);
    const isLive = isRunning && index === at && byId("run").disabled && step.findings.some(([, number]) => lookUp(number) !== "–");
    if (!finding && !isLive) return;
    const by = isLive ? world : finding.world;
    const parts = step.findings.map(([label, number], part) => {
      const now = isLive ? brief(number) : finding.numbers[part];
      const then = before.get(number);
      before.set(number, { now, by });
      return `${label} ${compare(then, now, by)}`;
    });
    lines.unshift(`${isLive ? "So far" : "✓"} ${index + 1}. ${step.title}: ${parts.join(", ")} (${WORLDS[by]})`);
  });
  const list = byId("findings");
  while (list.children.length > lines.length) list.lastChild.remove();
  lines.forEach((text, index) => setText(list.children[index] ?? list.appendChild(element("li")), text));
}

// "216 ms" and "0 ms" become "216 → 0 ms".
function compare(then, now, by) {
  if (!then || then.now === now) return now;
  if (then.by !== by) return `${then.now} (${WORLDS[then.by]}) → ${now}`;
  const unit = now.match(/ \S+$/)?.[0];
  return `${unit && then.now.endsWith(unit) ? then.now.slice(0, -unit.length) : then.now} → ${now}`;
}

function build() {
  const { name, steps, at, params } = shown;
  guide.dataset.of = `${name} ${at}`;
  const step = steps[at];
  const head = element("div", { className: "step-head" });
  const title = element("h3", { id: "step-title", tabIndex: -1 }, step.title);
  head.append(stepLink(at - 1, "‹", "Previous step"), element("span", { id: "step-count" }, `Step ${at + 1} of ${steps.length}`), stepLink(at + 1, "›", "Next step"));
  const text = element("div", { innerHTML: step.text });
  const question = element("fieldset", { className: "predict" });
  question.append(element("legend", {}, `Predict: ${step.question}`), ...step.choices.map(makeChoice));
  const knobs = element("div", { id: "step-knobs" });
  knobs.append(...step.knobs.map((key) => makeKnob(params.find((param) => param.key === key))));
  const run = element("p");
  const button = element("button", { id: "run-step" }, "▶ Run this step");
  button.onclick = runStep;
  run.append(button, element("span", { id: "step-hint", className: "help" }));
  const why = element("div", { id: "reveal", hidden: true });
  why.append(element("p", { id: "answer", role: "status" }), element("div", { id: "why", innerHTML: step.reveal }));
  guide.replaceChildren(head, title, text, question, knobs, run, why, element("ol", { id: "findings", ariaLabel: "Findings" }));
}

function stepLink(at, text, label) {
  const isOffered = !!shown.steps[at];
  const button = element("button", { ariaLabel: label, disabled: !isOffered }, text);
  button.onclick = () => {
    goTo(at);
    byId("step-title").focus({ preventScroll: true });
  };
  return button;
}

function makeChoice({ text }, index) {
  const input = element("input", { type: "radio", name: "prediction", checked: predictions.get(guide.dataset.of) === index });
  input.onchange = () => {
    predictions.set(guide.dataset.of, index);
    refreshStep();
  };
  const label = element("label");
  label.append(input, element("span", {}, text), element("span", { className: "mark" }));
  return label;
}

// Changes the value with the control of all settings.
function makeKnob(param) {
  const control = Object.assign(makeControl(param), { name: param.key });
  control.onchange = () => {
    if (!control.reportValidity()) return;
    const knob = byId(`knob-${param.key}`);
    knob.value = control.value;
    knob.dispatchEvent(new Event("change"));
  };
  const label = element("label", {}, param.label);
  label.append(control);
  return label;
}

function runStep() {
  if (isStep(shown.steps[shown.at])) return byId("run").click();
  isRunWanted = true;
  goTo(shown.at);
}

// Goes to a step's experiment, with the current seed.
function goTo(at) {
  const { name, steps, values, world } = shown;
  const story = parameters().get("story");
  const settings = { seed: values.seed, ...(world !== "virtual" && { world }), ...Object.fromEntries(new URLSearchParams(steps[at].set)) };
  location.hash = `#/${name}?${new URLSearchParams({ ...settings, step: at + 1, ...(story && { story }) })}`;
}

export const parameters = () => new URLSearchParams(location.hash.split("?")[1]);

// Returns true if the current settings are a step's, except for its inputs.
function isStep({ set, knobs }) {
  const { world, ...wanted } = Object.fromEntries(new URLSearchParams(set));
  const free = [...knobs, "seed"];
  const defaults = Object.fromEntries(shown.params.map((param) => [param.key, String(param.default)]));
  const isWanted = ([key, value]) => free.includes(key) || value === (wanted[key] ?? defaults[key]);
  return Object.entries(shown.values).every(isWanted) && (!world || world === shown.world);
}

// Returns a number without the details after it.
const brief = (number) => lookUp(number).split(", ")[0];

// Returns a number, given as "row: column" or "row".
const lookUp = (number) => numberOf(...number.split(": ")) ?? "–";

// Returns the first number in a text; bytes are in KiB.
function valueOf(text) {
  const value = parseFloat(text.replaceAll(",", "").match(/[\d.]+/)?.[0]);
  return text.endsWith(" B") ? value / 1024 : value;
}

const isWithin = (value, min, max) => value >= (min ?? -Infinity) && value <= (max ?? Infinity);
