// The page: an address becomes an experiment, and the player shows its run.

import { chapterOf, chapters } from "./contents.js";
import { element, makeKnobs, readKnobs, setKnobs } from "./knobs.js";
import { Loader } from "./loader.js";
import { Player } from "./player.js";
import { byId, setText } from "./readout.js";

// The most lines of a notice: an address can hold any number of mistakes.
const MOST_NOTICES = 5;

const player = new Player();
const loader = new Loader({ prepare: (wasm) => player.listenTo(wasm), missing: showMissing });
let opened = {}; // what the address asks for: {chapter}, an object of its own each time
let Address; // of the chapter that is shown
let shown = null; // the scenario whose controls are on the page
let name = "";
let takesFiles = false;

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
  byId("scenarios").replaceChildren(...chapters.map(makeLinks));
  byId("copy").onclick = copyCommand;
  byId("worlds").onchange = goToKnobs;
  byId("knobs").onsubmit = (event) => event.preventDefault();
  addEventListener("hashchange", open);
  // A file that misses its target would take the place of the page.
  for (const type of ["dragover", "drop"]) addEventListener(type, keepPage);
  await open();
}

// A chapter's part of the navigation.
function makeLinks(chapter) {
  const links = element("div", { role: "group", ariaLabel: titleOf(chapter.name) });
  links.append(...chapter.scenarios.map((scenario) => element("a", { href: `#/${scenario}` }, titleOf(scenario))));
  return links;
}

// By an error of ours: those of a browser's extensions come this way too.
function failBy(error) {
  if (error?.stack?.includes(location.origin)) player.fail(error);
}

// Reads the address and starts what it names, once its chapter is loaded.
async function open() {
  const fragment = location.hash.startsWith("#/") ? location.hash.slice(2) : "";
  const [path, query = ""] = fragment.split("?");
  const wanted = decode(path) || chapters[0].scenarios[0];
  // Any chapter knows what to say of a scenario that there is not.
  const chapter = (chapterOf(wanted) ?? chapters[0]).name;
  const turn = { chapter };
  opened = turn;
  let loaded;
  try {
    loaded = await loader.load(chapter);
  } catch (error) {
    if (opened === turn) showUnusable(error);
    return;
  }
  // Something else may have been opened meanwhile.
  if (opened === turn) showFrom(loaded, chapter, wanted, [...new URLSearchParams(query)]);
}

function showFrom({ wasm, scenarios }, chapter, wanted, pairs) {
  ({ Address } = wasm);
  const world = pairs.findLast(([key]) => key === "world")?.[1] ?? "virtual";
  const notices = [];
  if (!["virtual", "tab"].includes(world)) notices.push(`Ignored: world is virtual or tab, not "${world.slice(0, 40)}"`);
  const address = read(wanted, pairs.filter(([key]) => key !== "world"), notices);
  const more = notices.splice(MOST_NOTICES).length;
  if (more) notices.push(`… and ${more} more`);
  notify(notices.join("\n"));
  show(address, { wasm, chapter, scenario: scenarios.get(address.name), world: world === "tab" ? "tab" : "virtual" });
}

function read(wanted, pairs, notices) {
  try {
    const address = new Address(wanted, pairs.flat());
    notices.push(...address.ignored().map((line) => `Ignored: ${line}`));
    return address;
  } catch (error) {
    const [first] = chapters[0].scenarios;
    notices.push(`${error.message}. Showing ${first} instead.`);
    return new Address(first, []);
  }
}

function notify(text) {
  byId("notice").hidden = text === "";
  setText(byId("notice"), text);
}

function showMissing(chapter) {
  if (opened.chapter !== chapter) return;
  notify(`The chapter ${chapter} is not there, or not yet. This builds and serves it: cargo run -p native -- serve. As soon as it is there, it opens here.`);
}

function showUnusable(error) {
  if (!shown) for (const id of ["title", "status"]) setText(byId(id), "Highwater could not start");
  notify(`The page's WebAssembly could not be loaded, or needs a newer browser: ${error.message}`);
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function keepPage(event) {
  if (!event.dataTransfer?.types.includes("Files")) return;
  event.preventDefault();
  if (!event.target.closest?.("#own-drop")) event.dataTransfer.dropEffect = "none";
}

// The part of the page that takes a visitor's own file: of one scenario, and
// loaded with it.
async function showOwnFile() {
  byId("own").hidden = name !== "pipeline";
  if (byId("own").hidden || takesFiles) return;
  takesFiles = true;
  (await import("./file.js")).start();
}

// The one demonstration that holds the page's own loop.
async function showFreeze() {
  byId("freeze").hidden = name !== "blocking";
  if (!byId("freeze").hidden) (await import("./freeze.js")).start();
}

function show(address, { wasm, chapter, scenario, world }) {
  name = address.name;
  const pairs = address.values();
  const values = Object.fromEntries(pairs.flatMap((key, at) => (at % 2 ? [] : [[key, pairs[at + 1]]])));
  document.title = `${name} · Highwater`;
  setText(byId("chapter"), scenario.chapter);
  for (const text of document.querySelectorAll("[data-chapter]")) text.hidden = !text.dataset.chapter.split(" ").includes(chapter);
  setText(byId("title"), titleOf(name));
  for (const link of byId("scenarios").querySelectorAll("a")) mark(link, link.hash === `#/${name}`, "page");
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
  showOwnFile();
  showFreeze();
  player.show({ wasm, chapter, name, pairs, world });
}

// Puts what the controls say into the address, once all of it is in range.
function goToKnobs() {
  if (shown && byId("knobs").checkValidity()) go(readKnobs(byId("knobs")));
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
