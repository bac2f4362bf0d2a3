// The page: an address becomes an experiment, its run is played and shown.

import { element, makeKnobs, readKnobs } from "./knobs.js";
import { setText, showNumbers, showVerdicts } from "./readout.js";
import { Runner } from "./runner.js";

const byId = (id) => document.getElementById(id);
const prefersDark = matchMedia("(prefers-color-scheme: dark)");
const prefersStill = matchMedia("(prefers-reduced-motion: reduce)");

// How often the status line may change while playing: it is read aloud.
const STATUS_INTERVAL_MS = 1000;

const runner = new Runner();
let Address, View; // of the page's own WebAssembly
let all = [];
let shown = null; // the scenario whose controls are on the page
let experiment = null; // {name, pairs, fragment}
let view = null;
let isPlaying = false;
let isRecording = false; // a Worker still runs the experiment
let hasTrace = false;
let isStepWanted = false; // as soon as there is something to step to
let lastFrame = 0;
let lastStatus = 0;
let isDirty = true;

await main();

async function main() {
  try {
    const wasm = await import("./pkg/highwater_web.js");
    await wasm.default();
    ({ Address, View } = wasm);
    all = JSON.parse(wasm.scenarios());
  } catch (error) {
    setText(byId("title"), "Highwater could not start");
    setText(byId("status"), `The page's WebAssembly is missing, or needs a newer browser. This builds and serves it: cargo run -p native -- serve (${error.message})`);
    return;
  }
  byId("run").onclick = play;
  byId("pause").onclick = pause;
  byId("step").onclick = () => move(() => (isStepWanted = !view.step() && isRecording));
  byId("back").onclick = () => move(() => view.back());
  byId("reset").onclick = reset;
  byId("restart").onclick = restart;
  byId("copy").onclick = copyCommand;
  byId("worlds").onchange = () => go(readKnobs(byId("knobs")));
  byId("knobs").onsubmit = (event) => event.preventDefault();
  for (const query of [prefersDark, prefersStill]) query.onchange = () => (isDirty = true);
  new ResizeObserver(() => (isDirty = true)).observe(byId("picture"));
  addEventListener("hashchange", open);
  open();
  requestAnimationFrame(frame);
}

// --- The address -----------------------------------------------------------

// Reads the address and starts what it names.
function open() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const pairs = [...new URLSearchParams(query)];
  const notices = [];
  let name = decode(path) || all[0].name;
  const world = pairs.findLast(([key]) => key === "world")?.[1] ?? "virtual";
  const settings = pairs.filter(([key]) => key !== "world");
  if (!["virtual", "tab"].includes(world)) notices.push(`Ignored: world is virtual or tab, not "${world}"`);
  let address;
  try {
    address = new Address(name, settings.flat());
  } catch (error) {
    notices.push(`${error.message}. Showing ${all[0].name} instead.`);
    name = all[0].name;
    address = new Address(name, []);
  }
  notices.push(...address.ignored().map((line) => `Ignored: ${line}`));
  byId("notice").hidden = notices.length === 0;
  setText(byId("notice"), notices.join("\n"));
  show(address, world === "tab" ? "tab" : "virtual");
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

// Puts what the controls say into the address, and starts that.
function go(pairs) {
  const address = new Address(experiment.name, pairs.flat());
  const world = document.querySelector("[name=world]:checked").value;
  const fragment = address.fragment + (world === "tab" ? "&world=tab" : "");
  address.free();
  if (fragment === location.hash) open();
  else location.hash = fragment;
}

function show(address, world) {
  const pairs = address.values();
  const values = Object.fromEntries(pairs.flatMap((key, at) => (at % 2 ? [] : [[key, pairs[at + 1]]])));
  experiment = { name: address.name, pairs, world };
  const scenario = all.find(({ name }) => name === address.name);
  document.title = `${scenario.name} · Highwater`;
  setText(byId("chapter"), scenario.chapter);
  setText(byId("title"), scenario.name.charAt(0).toUpperCase() + scenario.name.slice(1));
  setText(byId("summary"), `${scenario.summary}.`);
  setText(byId("command"), address.command);
  document.querySelector(`[name=world][value=${world}]`).checked = true;
  if (shown !== scenario) makeKnobs(byId("knobs"), scenario.params, values, () => go(readKnobs(byId("knobs"))));
  else for (const [key, value] of Object.entries(values)) byId("knobs").elements[key].value = value;
  showPresets(scenario, values);
  shown = scenario;
  address.free();
  clear();
  // Motion that nobody asked for is not started for those who do not want it.
  if (prefersStill.matches) record();
  else play();
}

function showPresets({ params, presets }, values) {
  const buttons = presets.map(({ title, set }) => {
    const wanted = Object.fromEntries([...params.map((param) => [param.key, String(param.default)]), ...set]);
    const button = element("button", { type: "button" }, title);
    button.setAttribute("aria-pressed", Object.entries(wanted).every(([key, value]) => values[key] === value));
    button.onclick = () => go([...Object.entries(wanted), ["seed", values.seed]]);
    return button;
  });
  byId("presets").replaceChildren(...buttons);
}

// --- The run ---------------------------------------------------------------

// Forgets the trace and shows the start.
function clear() {
  runner.stop();
  view?.free();
  view = new View(new Address(experiment.name, experiment.pairs), experiment.world);
  isPlaying = isRecording = hasTrace = isStepWanted = false;
  byId("trap").hidden = true;
  setText(byId("threads"), "");
  update();
}

// Starts the experiment in its Worker.
function record() {
  const { name, pairs, world } = experiment;
  const build = world === "tab" && crossOriginIsolated ? "threads" : "single";
  isRecording = true;
  hasTrace = true;
  const recorded = view;
  const listener = {
    ready: ({ threads }) => setText(byId("threads"), world === "tab" ? describeThreads(threads) : ""),
    batch: (batch, now) => {
      guard(() => view.push(batch, now));
      if (isStepWanted) move(() => (isStepWanted = !view.step()));
    },
    end: (died) => {
      isRecording = false;
      guard(() => view.complete(died));
      update();
    },
    bug: (cause) => {
      isRecording = isPlaying = false;
      if (view === recorded) guard(() => view.complete(cause), () => view.toEnd());
      showTrap(cause);
    },
  };
  runner.start({ build, world, name, pairs }, listener);
  update();
}

function describeThreads(threads) {
  if (!threads) {
    return crossOriginIsolated
      ? "one thread: the threaded build is not there, or not yet"
      : "one thread: without the headers COOP and COEP this tab is not isolated, and Workers cannot share memory";
  }
  const ids = threads.threads.join(", ");
  return `isolated: ${threads.threads.length} threads (ids ${ids}) counted ${threads.primes} primes`;
}

function play() {
  if (view.isFinished) clear();
  if (!hasTrace) record();
  isPlaying = true;
  update();
}

function pause() {
  isPlaying = false;
  update();
}

function move(how) {
  isPlaying = false;
  if (!hasTrace) record();
  guard(how);
  update();
}

// Back to the start, stopped. A simulation would come out the same, so its
// trace is kept; what the tab really does is recorded anew.
function reset() {
  isPlaying = false;
  if (experiment.world === "virtual" && !isRecording) view.rewind();
  else clear();
  update();
}

function restart() {
  clear();
  play();
}

function showTrap(cause) {
  setText(byId("trap-text"), `The run trapped: ${cause}. That is a bug, not a failure to handle: its WebAssembly instance is lost, and its Worker was ended. The page goes on; a restart runs the experiment in a new Worker.`);
  byId("trap").hidden = false;
  update();
}

// A trap in the page's own instance leaves nothing to go on with but a reload.
function guard(...actions) {
  try {
    for (const action of actions) action();
  } catch (error) {
    isPlaying = isRecording = false;
    setText(byId("trap-text"), `The page itself failed: ${error.message}.`);
    byId("restart").onclick = () => location.reload();
    byId("trap").hidden = false;
  }
}

// --- Every frame -----------------------------------------------------------

function frame(now) {
  // A hidden tab gets no frames; on return play goes on where it stood.
  const elapsed = Math.min(now - lastFrame, 100);
  lastFrame = now;
  guard(() => {
    if (isPlaying) {
      view.advance(elapsed);
      if (view.isFinished) isPlaying = false;
      isDirty = true;
      refresh(now);
    }
    if (isDirty) paint();
    isDirty = false;
  });
  requestAnimationFrame(frame);
}

function paint() {
  const canvas = byId("picture");
  const { clientWidth, clientHeight } = canvas;
  view.paint(canvas, clientWidth, clientHeight, devicePixelRatio, prefersDark.matches, prefersStill.matches);
}

// The numbers follow every frame, the words once a second.
function refresh(now) {
  showNumbers(JSON.parse(view.numbers()), experiment.world);
  if (now - lastStatus >= STATUS_INTERVAL_MS || !isPlaying) {
    lastStatus = now;
    setText(byId("status"), view.status());
    if (!isPlaying) update();
  }
}

// All that is shown, after anything but time has changed.
function update() {
  isDirty = true;
  guard(() => {
    const numbers = JSON.parse(view.numbers());
    showNumbers(numbers, experiment.world);
    showVerdicts(JSON.parse(view.verdicts()));
    setText(byId("status"), view.status());
    const isAtStart = numbers.event === 0;
    enable("run", !isPlaying, "pause");
    enable("pause", isPlaying, "run");
    enable("step", true);
    enable("back", !isAtStart, "step");
    enable("reset", !isAtStart || isRecording, "run");
  });
}

// A button that is switched off would lose the keyboard's focus: it goes to the
// one that takes its place.
function enable(id, isEnabled, successor) {
  const hadFocus = document.activeElement === byId(id);
  byId(id).disabled = !isEnabled;
  if (hadFocus && !isEnabled) {
    byId(successor).disabled = false;
    byId(successor).focus({ preventScroll: true });
  }
}

async function copyCommand() {
  try {
    await navigator.clipboard.writeText(byId("command").textContent);
    setText(byId("copy"), "Copied");
  } catch {
    getSelection().selectAllChildren(byId("command"));
    setText(byId("copy"), "Selected: copy it");
  }
  setTimeout(() => setText(byId("copy"), "Copy"), 2000);
}
