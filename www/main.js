// The page: turns an address into an experiment for the player.

import { offerActions, startActing } from "./act.js";
import { chapterOf, chapters } from "./contents.js";
import { offer, start as startDrawer } from "./drawer.js";
import { Home } from "./home.js";
import { start as startKeys } from "./keys.js";
import { element, makeKnobs, readKnobs, setKnobs } from "./knobs.js";
import { Loader } from "./loader.js";
import { Player } from "./player.js";
import { read } from "./reading.js";
import { byId, setText } from "./readout.js";
import { isServed, Runner } from "./runner.js";
import { showStory, startStory } from "./story.js";
import { forkAt, moment, nextMoment } from "./timeline.js";

// Maximum number of lines in a notice.
const MAX_NOTICES = 5;
// Keys of an address that are not part of the experiment.
const POSITION = ["step", "story"];
const worlds = ["virtual", "tab", isServed && "native"];

const page = document.documentElement.dataset; // its `page` is "home" or "experiment"
const runner = new Runner();
const player = new Player(runner);
const loader = new Loader({ prepare: (wasm) => player.listenTo(wasm), missing: showMissing });
const home = new Home(loader, runner);
let opened = {}; // the address being opened: {chapter}, a new object each time
let Address; // of the current chapter
let shown = null; // the scenario of the current controls
let name = "";
let entries = []; // of the current address: [key or key@ms, value]
let copied = {}; // the link and the command of the current experiment
let from = 0; // the millisecond at which the next run continues

await start();

async function start() {
  // Show uncaught errors on the page.
  addEventListener("error", ({ error }) => showError(error));
  addEventListener("unhandledrejection", ({ reason }) => showError(reason));
  // The address is the experiment's, so do not follow the link.
  byId("skip").onclick = (event) => {
    event.preventDefault();
    byId(page.page).focus();
  };
  byId("scenarios").replaceChildren(...chapters.map(makeLinks));
  byId("unserved").hidden = isServed;
  byId("native").disabled = !isServed;
  byId("copy").onclick = byId("copy-link").onclick = copy;
  player.onRecorded = compare;
  byId("worlds").onchange = () => shown && navigate(entries);
  byId("fork").onchange = showKnobs;
  byId("drop").onclick = () => navigate(entries.filter((it) => !isChange(it)));
  byId("knobs").onsubmit = (event) => event.preventDefault();
  addEventListener("hashchange", open);
  // A file dropped elsewhere would replace the page.
  for (const type of ["dragover", "drop"]) addEventListener(type, preventNavigation);
  startKeys();
  startStory();
  startActing();
  startDrawer();
  await open();
  // Wait until the first picture's files are loaded.
  setTimeout(keepFiles, 2000);
}

// Caches files for offline use, if storage is allowed.
async function keepFiles() {
  try {
    await navigator.serviceWorker.register("sw.js");
    (await navigator.serviceWorker.ready).active.postMessage("update");
  } catch {}
}

function makeLinks(chapter) {
  const links = element("div", { role: "group", ariaLabel: chapter.name });
  links.append(...chapter.scenarios.map((scenario) => element("a", { href: `#/${scenario}` }, scenario)));
  return links;
}

// Ignores errors of browser extensions.
function showError(error) {
  if (error?.stack?.includes(location.origin)) player.fail(error);
}

// Opens the experiment at the address, once its chapter is loaded.
async function open() {
  const fragment = location.hash.startsWith("#/") ? location.hash.slice(2) : "";
  const [path, query = ""] = fragment.split("?");
  byId("scenarios").hidePopover();
  showPage(path);
  showStory(query);
  if (!path) return;
  const wanted = decode(path);
  // Any chapter can report an unknown scenario.
  const chapter = (chapterOf(wanted) ?? chapters[0]).name;
  const request = { chapter };
  opened = request;
  let loaded;
  try {
    loaded = await loader.load(chapter);
  } catch (error) {
    if (opened === request) showUnusable(error);
    return;
  }
  // Superseded by a newer address.
  if (opened === request) showFrom(loaded, chapter, wanted, [...new URLSearchParams(query)]);
}

// Shows home if there is no path, else the experiment.
function showPage(path) {
  const before = page.page;
  if (path) home.hide();
  page.page = path ? "experiment" : "home";
  const isNew = page.page !== before;
  if (path) {
    if (isNew) scrollTo(0, 0);
  } else {
    opened = {};
    document.title = "Highwater";
    player.hide();
    home.show();
  }
  // The focused element is now hidden.
  if (isNew) byId(page.page).focus({ preventScroll: true });
}

function showFrom({ wasm, scenarios }, chapter, wanted, pairs) {
  ({ Address } = wasm);
  const { world = "virtual", at = 0 } = Object.fromEntries(pairs);
  const isNumber = at >= 0 && at < 1e9;
  const notices = [];
  const isKnownWorld = worlds.includes(world);
  if (!isKnownWorld) notices.push(`Ignored: this page has no world "${world.slice(0, 40)}"`);
  if (!isNumber) notices.push("Ignored: at must be a record number");
  const address = readAddress(wanted, pairs.filter(([key]) => !["world", "at", ...POSITION].includes(key)), notices);
  const more = notices.splice(MAX_NOTICES).length;
  if (more) notices.push(`… and ${more} more`);
  notify(notices.join("\n"));
  show(address, { wasm, chapter, scenario: scenarios.get(address.name), world: isKnownWorld ? world : "virtual", at: isNumber && +at });
}

function readAddress(wanted, pairs, notices) {
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
  byId("missing").hidden = false;
  if (opened.chapter !== chapter) return;
  notify(`The chapter ${chapter} is missing or still being built. To build and serve it: cargo run -p native -- serve. It opens here when it is built.`);
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

function preventNavigation(event) {
  if (!event.dataTransfer?.types.includes("Files")) return;
  event.preventDefault();
  if (!event.target.closest?.("#own-drop")) event.dataTransfer.dropEffect = "none";
}

// Shows an optional part of the page for one scenario.
function showPart(id, scenario, load) {
  const show = (module) => {
    module?.start();
    byId(id).hidden = name !== scenario;
    offer(id, name === scenario);
  };
  if (name === scenario) load().then(show, () => {});
  else show();
}

function show(address, { wasm, chapter, scenario, world, at }) {
  name = address.name;
  const pairs = address.values();
  entries = pairs.flatMap((key, at) => (at % 2 ? [] : [[key, pairs[at + 1]]]));
  const values = Object.fromEntries(entries);
  const changes = entries.filter(isChange).map(([key, value]) => `${key.replace("@", ` = ${value} set at `)} ms`);
  setText(byId("changes"), changes.join(", "));
  if (document.activeElement === byId("drop")) byId("speed").focus();
  byId("drop").hidden = !changes.length;
  document.title = `${name} · Highwater`;
  setText(byId("chapter"), scenario.chapter);
  for (const id of ["title", "place"]) setText(byId(id), name);
  for (const link of byId("scenarios").querySelectorAll("a")) link.ariaCurrent = link.hash === `#/${name}` ? "page" : null;
  setText(byId("summary"), `${scenario.summary}.`);
  const fragment = fragmentOf(address, world);
  copied = { link: new URL(fragment, location).href, command: address.command };
  for (const [id, text] of Object.entries(copied)) setText(byId(id), text);
  byId("worlds").querySelector(`[value=${world}]`).checked = true;
  if (shown !== scenario) {
    makeKnobs(byId("knobs"), scenario.params, applyKnob);
    makePresets(scenario);
    shown = scenario;
  }
  showKnobs();
  offerActions(name, valuesAt(Infinity), act);
  markPreset(scenario, values);
  address.free();
  // Optional parts: processing a visitor's file, and freezing the page.
  showPart("own", "pipeline", () => import("./file/file.js"));
  showPart("freeze", "blocking", () => import("./freeze.js"));
  player.show({ wasm, chapter, name, pairs, values, world, fragment, isHeld: !from && at, from: (world === "virtual" && from) || at });
  from = 0;
  warn(name, pairs);
  read(chapter, scenario, values, world);
}

// Says an overload before the run. Optional: ignores a failed import.
async function warn(scenario, pairs) {
  try {
    const { overload } = await import("./analysis/compare.js");
    const text = await overload(scenario, pairs);
    byId("overload").hidden = !text;
    setText(byId("overload"), text);
  } catch {}
}

// Optional: ignores a failed import.
function compare(run) {
  import("./analysis/compare.js").then(({ keep }) => keep(run), () => {});
}

function isChange([key]) {
  return key.includes("@");
}

// Changes a parameter from this moment on, if it can change during a run; else from the
// start.
function act(key, value) {
  const at = byId(`knob-${key}`).isLive && nextMoment();
  from = at;
  navigate([...entries, [at ? `${key}@${at}` : key, value]]);
}

// Returns the settings as [key, value, millisecond of the change].
function timed() {
  return entries.map(([name, value]) => {
    const [key, ms = 0] = name.split("@");
    return [key, value, ms];
  });
}

// Returns the values at a moment.
function valuesAt(at) {
  return Object.fromEntries(timed().filter(([, , ms]) => ms <= at));
}

// Shows the values at the start, or where changes apply from, and says which controls
// cannot change there, or have no effect.
function showKnobs() {
  const at = forkAt();
  const later = timed().filter(([, , ms]) => ms > at);
  const { disabled, unused } = setKnobs(byId("knobs"), valuesAt(at), at, later);
  const notes = [
    at && `Changes apply from ${at} ms.`,
    disabled.length && `Set only at the start of a run, so disabled: ${disabled.join(", ")}.`,
    unused.length && `Without effect with these settings, so not shown: ${unused.join(", ")}.`,
  ];
  setText(byId("fixed"), notes.filter(Boolean).join("\n"));
}

// Puts the controls' values into the address, if all are valid.
function applyKnob({ name: key, value, isLive }) {
  if (!byId("knobs").checkValidity()) return;
  const at = forkAt();
  from = isLive && at;
  navigate([...entries, ...(at ? [[from ? `${key}@${at}` : key, value]] : readKnobs(byId("knobs")))]);
}

function navigate(pairs) {
  const address = new Address(name, pairs.flat());
  const position = [...new URLSearchParams(location.hash.split("?")[1])].filter(([key]) => POSITION.includes(key));
  const fragment = [fragmentOf(address, byId("worlds").querySelector(":checked").value), ...position.map((pair) => pair.map(encodeURIComponent).join("="))].join("&");
  address.free();
  if (fragment === location.hash) open();
  else location.hash = fragment;
}

function fragmentOf({ fragment }, world) {
  return world === "virtual" ? fragment : `${fragment}&world=${world}`;
}

function makePresets(scenario) {
  const buttons = scenario.presets.map((preset) => {
    const button = element("button", {}, preset.title);
    button.onclick = () => navigate([...Object.entries(presetValues(scenario, preset)), ["seed", byId("knobs").elements.seed.value]]);
    return button;
  });
  byId("presets").replaceChildren(...buttons);
}

function markPreset(scenario, values) {
  scenario.presets.forEach((preset, index) => {
    const isCurrent = Object.entries(presetValues(scenario, preset)).every(([key, value]) => values[key] === value);
    byId("presets").children[index].ariaCurrent = isCurrent || null;
  });
}

// Returns every parameter's value in a preset.
function presetValues({ params }, { set }) {
  const defaults = params.filter(({ key }) => key !== "seed").map((param) => [param.key, String(param.default)]);
  return Object.fromEntries([...defaults, ...set]);
}

// A translator may wrap the button's text, and change the texts to copy.
async function copy({ currentTarget: button }) {
  const { value } = button;
  const text = value === "link" ? copied.link + moment() : copied.command;
  setText(byId(value), text);
  try {
    await navigator.clipboard.writeText(text);
    setText(button, "Copied");
  } catch {
    getSelection().selectAllChildren(byId(value));
    setText(button, "Selected: copy it");
  }
  setTimeout(() => setText(button, `Copy ${value}`), 2000);
}
