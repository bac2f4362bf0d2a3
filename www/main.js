// The page: an address becomes an experiment, and the player shows its run.

import { element, makeKnobs, readKnobs, setKnobs } from "./knobs.js";
import { Player } from "./player.js";
import { byId, setText } from "./readout.js";

// The most lines of a notice: an address can hold any number of mistakes.
const MOST_NOTICES = 5;

const player = new Player();
let Address; // of the page's WebAssembly
let scenarios = [];
let shown = null; // the scenario whose controls are on the page
let name = "";

await start();

async function start() {
  // What nobody caught is not left to the console alone.
  addEventListener("error", ({ error }) => failBy(error));
  addEventListener("unhandledrejection", ({ reason }) => failBy(reason));
  // Not by the address: that is the experiment's.
  byId("skip").onclick = (event) => {
    event.preventDefault();
    byId("experiment").focus();
  };
  let wasm;
  try {
    wasm = await import("./pkg/highwater_web.js");
    await wasm.default();
  } catch (error) {
    setText(byId("title"), "Highwater could not start");
    setText(byId("status"), `The page's WebAssembly is missing, or needs a newer browser. This builds and serves it: cargo run -p native -- serve (${error.message})`);
    return;
  }
  ({ Address } = wasm);
  scenarios = JSON.parse(wasm.scenarios());
  player.attach(wasm);
  byId("scenarios").replaceChildren(...scenarios.map((known) => element("a", { href: `#/${known.name}` }, titleOf(known.name))));
  byId("copy").onclick = copyCommand;
  byId("worlds").onchange = goToKnobs;
  byId("knobs").onsubmit = (event) => event.preventDefault();
  addEventListener("hashchange", open);
  open();
}

// By an error of ours: those of a browser's extensions come this way too.
function failBy(error) {
  if (error?.stack?.includes(location.origin)) player.fail(error);
}

// Reads the address and starts what it names.
function open() {
  const fragment = location.hash.startsWith("#/") ? location.hash.slice(2) : "";
  const [path, query = ""] = fragment.split("?");
  const pairs = [...new URLSearchParams(query)];
  const world = pairs.findLast(([key]) => key === "world")?.[1] ?? "virtual";
  const notices = [];
  if (!["virtual", "tab"].includes(world)) notices.push(`Ignored: world is virtual or tab, not "${world.slice(0, 40)}"`);
  const address = read(decode(path) || scenarios[0].name, pairs.filter(([key]) => key !== "world"), notices);
  const more = notices.splice(MOST_NOTICES).length;
  if (more) notices.push(`… and ${more} more`);
  byId("notice").hidden = notices.length === 0;
  setText(byId("notice"), notices.join("\n"));
  show(address, world === "tab" ? "tab" : "virtual");
}

function read(wanted, pairs, notices) {
  try {
    const address = new Address(wanted, pairs.flat());
    notices.push(...address.ignored().map((line) => `Ignored: ${line}`));
    return address;
  } catch (error) {
    notices.push(`${error.message}. Showing ${scenarios[0].name} instead.`);
    return new Address(scenarios[0].name, []);
  }
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function show(address, world) {
  name = address.name;
  const pairs = address.values();
  const values = Object.fromEntries(pairs.flatMap((key, at) => (at % 2 ? [] : [[key, pairs[at + 1]]])));
  const scenario = scenarios.find((known) => known.name === name);
  document.title = `${name} · Highwater`;
  setText(byId("chapter"), scenario.chapter);
  setText(byId("title"), titleOf(name));
  scenarios.forEach((known, place) => mark(byId("scenarios").children[place], known === scenario, "page"));
  setText(byId("summary"), `${scenario.summary}.`);
  setText(byId("command"), address.command);
  byId("worlds").querySelector(`[value=${world}]`).checked = true;
  if (shown !== scenario) {
    makeKnobs(byId("knobs"), scenario.params, goToKnobs);
    makePresets(scenario);
    shown = scenario;
  }
  setKnobs(byId("knobs"), values);
  markPreset(scenario, values);
  address.free();
  player.show({ name, pairs, world });
}

// Puts what the controls say into the address, once all of it is in range.
function goToKnobs() {
  if (byId("knobs").checkValidity()) go(readKnobs(byId("knobs")));
}

function go(pairs) {
  const address = new Address(name, pairs.flat());
  const world = byId("worlds").querySelector(":checked").value;
  const fragment = address.fragment + (world === "tab" ? "&world=tab" : "");
  address.free();
  if (fragment === location.hash) open();
  else location.hash = fragment;
}

function makePresets(scenario) {
  const buttons = scenario.presets.map((preset) => {
    const button = element("button", { type: "button" }, preset.title);
    button.onclick = () => go([...Object.entries(wanted(scenario, preset)), ["seed", byId("knobs").elements.seed.value]]);
    return button;
  });
  byId("presets").replaceChildren(...buttons);
}

function markPreset(scenario, values) {
  scenario.presets.forEach((preset, place) => {
    const isCurrent = Object.entries(wanted(scenario, preset)).every(([key, value]) => values[key] === value);
    mark(byId("presets").children[place], isCurrent, "true");
  });
}

function mark(node, isCurrent, as) {
  if (isCurrent) node.setAttribute("aria-current", as);
  else node.removeAttribute("aria-current");
}

function titleOf(name) {
  return name.charAt(0).toUpperCase() + name.slice(1);
}

// Every parameter as a preset wants it.
function wanted({ params }, { set }) {
  const defaults = params.filter(({ key }) => key !== "seed").map((param) => [param.key, String(param.default)]);
  return Object.fromEntries([...defaults, ...set]);
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
