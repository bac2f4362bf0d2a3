// The lanes of the whole run: one per source, with its spans as bars, pins at the moments
// to look at, and the playhead.

import { byId, setText } from "./readout.js";
import { Range, Records } from "./records.js";

const PINS = 18; // height of the row of pins
const AXIS = 16; // height of the row of times
const FONT = "12px system-ui, sans-serif";
const DRAG = 4; // pixels; less is a click
const PIN_REACH = 9; // pixels
const ZOOM = 2;

const canvas = byId("lanes");
const layer = document.createElement("canvas"); // all but the playhead
const list = byId("moments");
const pointers = new Map();
let records = new Records();
let range = new Range(0, 1);
let now = 0;
let length = 0;
let isStale = true; // the layer
let isDirty = true; // the playhead
let size = "";
let chosen = null; // the span in the panel
let hasDragged = false;
let seek = () => {};

// `seekTo` is called with a time in milliseconds, `goTo` with a number of records.
export function attachLanes(seekTo, goTo) {
  seek = seekTo;
  byId("zoom-in").onclick = () => zoom(ZOOM, now);
  byId("zoom-out").onclick = () => zoom(1 / ZOOM, now);
  byId("pin-before").onclick = () => goToPin(moments().findLast(({ at }) => at < now - 0.001));
  byId("pin-after").onclick = () => goToPin(moments().find(({ at }) => at > now + 0.001));
  list.onchange = () => goToPin(moments()[list.value]);
  byId("record-seek").onclick = () => goTo(chosen.record);
  byId("record-close").onclick = () => choose(null);
  canvas.onwheel = (event) => {
    const { deltaX, deltaY, offsetX } = event;
    const isZoom = event.ctrlKey || event.metaKey;
    if (!isZoom && (range.isWhole || !deltaX)) return;
    event.preventDefault();
    if (isZoom) zoom(1.005 ** -deltaY, range.ms(offsetX));
    else pan(deltaX);
  };
  canvas.onpointerdown = (event) => {
    hasDragged = false;
    pointers.set(event.pointerId, event.offsetX);
  };
  canvas.onpointermove = (event) => (pointers.has(event.pointerId) ? drag(event) : hover(event));
  canvas.onpointerup = (event) => {
    if (pointers.delete(event.pointerId) && !hasDragged) click(event.offsetX, event.offsetY);
  };
  canvas.onpointercancel = canvas.onpointerleave = ({ pointerId }) => {
    pointers.delete(pointerId);
    hover({});
  };
}

export function clearLanes() {
  records = new Records();
  length = 0;
  range = new Range(range.left, range.right);
  choose(null);
  isStale = true;
}

export function addRecords(names, words) {
  records.push(names, words);
  isStale = true;
}

// Shows the moment `at` of a run of `until` milliseconds so far.
export function moveLanes(at, until, isPlaying) {
  if (until !== length) {
    length = until;
    range.setLength(until);
    isStale = true;
  }
  isDirty ||= at !== now;
  now = at;
  if (isPlaying && range.show(now)) isStale = true;
}

export const paceAt = (isComplete) => records.pace(now, length, isComplete);

export const refreshLanes = () => (isStale = true);

const moments = () => records.moments(length);

function zoom(factor, around) {
  range.zoom(factor, around);
  isStale = true;
}

function pan(pixels) {
  range.pan(range.ms(pixels) - range.ms(0));
  isStale = true;
}

function goToPin(moment) {
  if (!moment) return;
  seek(moment.at);
  if (range.show(moment.at)) isStale = true;
}

// Two pointers pinch.
function drag({ pointerId, offsetX }) {
  const before = pointers.get(pointerId);
  if (!hasDragged && Math.abs(offsetX - before) < DRAG) return;
  hasDragged = true;
  const [other] = [...pointers].filter(([id]) => id !== pointerId).map(([, x]) => x);
  if (other === undefined) pan(before - offsetX);
  else zoom(Math.min(Math.max((offsetX - other) / (before - other) || 1, 0.5), 2), range.ms(other));
  pointers.set(pointerId, offsetX);
}

function hover({ offsetX, offsetY }) {
  const pin = offsetY < PINS && pinAt(offsetX);
  const span = !pin && spanAt(offsetX, offsetY);
  canvas.title = pin ? pin.text : span ? records.describe(span) : "";
  canvas.style.cursor = pin || span ? "pointer" : "";
}

function click(x, y) {
  const pin = y < PINS && pinAt(x);
  if (pin) return goToPin(pin);
  const span = spanAt(x, y);
  if (span) choose(span);
  else if (x >= range.left) seek(range.ms(x));
}

function choose(span) {
  chosen = span;
  byId("record").hidden = !span;
  setText(byId("record-text"), span ? records.describe(span) : "");
  isStale = true;
}

function pinAt(x) {
  const distance = ({ at }) => Math.abs(range.x(at) - x);
  const near = moments().filter((moment) => distance(moment) <= PIN_REACH);
  return near.sort((a, b) => distance(a) - distance(b))[0];
}

// The span under a pixel, or the nearest one of its lane.
function spanAt(x, y) {
  const lane = lanes()[Math.floor((y - PINS) / laneHeight())];
  if (!lane || x < range.left) return null;
  const fromBottom = 1 - (((y - PINS) / laneHeight()) % 1);
  const row = Math.floor(fromBottom * lane.rows.length);
  let best = null;
  let least = 5;
  for (const span of lane.spans) {
    const distance = Math.max(range.x(span.from) - x, x - range.x(Math.min(span.to, length)), 0) + Math.abs(span.row - row) / 10;
    if (distance < least) [best, least] = [span, distance];
  }
  return best;
}

const lanes = () => [...records.lanes.values()];
const laneHeight = () => Math.min((canvas.clientHeight - PINS - AXIS) / Math.max(lanes().length, 1), 28);

export function paintLanes() {
  const { clientWidth: width, clientHeight: height } = canvas;
  const wanted = `${width} ${height} ${devicePixelRatio}`;
  if (size !== wanted) {
    size = wanted;
    for (const it of [canvas, layer]) Object.assign(it, { width: width * devicePixelRatio, height: height * devicePixelRatio });
    isStale = true;
  }
  if (!(isStale || isDirty) || !width) return;
  const colours = getComputedStyle(document.documentElement);
  const colour = (name) => colours.getPropertyValue(`--${name}`);
  if (isStale) {
    paintLayer(begin(layer, width, height), width, colour);
    listMoments();
  }
  isStale = isDirty = false;
  const pen = begin(canvas, width, height);
  pen.drawImage(layer, 0, 0, width, height);
  if (!length) return;
  const x = Math.max(range.x(now), range.left);
  const bottom = PINS + laneHeight() * lanes().length;
  // What has not been played is pale.
  pen.globalAlpha = 0.6;
  pen.fillStyle = colour("background");
  if (x < range.right) pen.fillRect(x, 0, range.right - x, bottom);
  pen.globalAlpha = 1;
  if (now < range.from || now > range.to) return;
  pen.fillStyle = colour("text");
  pen.fillRect(x - 1, 0, 2, bottom);
}

function begin(surface, width, height) {
  const pen = surface.getContext("2d");
  pen.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
  pen.clearRect(0, 0, width, height);
  pen.font = FONT;
  pen.textBaseline = "middle";
  return pen;
}

function paintLayer(pen, width, colour) {
  range.left = Math.min(112, width / 4);
  range.right = width - 8;
  const height = laneHeight();
  const bottom = PINS + height * lanes().length;
  pen.fillStyle = colour("muted");
  if (!length) return pen.fillText("Run shows the whole run here.", range.left, PINS + 10);
  paintAxis(pen, bottom, colour);
  // Lanes too low for a label share one.
  const shared = Math.max(1, Math.ceil(12 / height));
  lanes().forEach((lane, index) => {
    const top = PINS + index * height;
    pen.fillStyle = colour("muted");
    pen.textAlign = "right";
    if (index % shared === 0) pen.fillText(lane.name, range.left - 8, top + Math.max(height, 12) / 2, range.left - 10);
    paintLane(pen, lane, top, height, colour);
  });
  paintMoments(pen, bottom, colour);
}

function paintAxis(pen, bottom, colour) {
  const span = range.to - range.from;
  const least = span / Math.max((range.right - range.left) / 80, 1);
  const power = 10 ** Math.floor(Math.log10(least));
  const step = [1, 2, 5, 10].map((it) => it * power).find((it) => it >= least);
  const digits = Math.max(0, Math.ceil(3 - Math.log10(step)));
  pen.textAlign = "center";
  for (let tick = Math.ceil(range.from / step); tick * step <= range.to; tick += 1) {
    const x = range.x(tick * step);
    pen.fillStyle = colour("line");
    pen.fillRect(x, PINS, 1, bottom - PINS);
    pen.fillStyle = colour("muted");
    pen.fillText(`${((tick * step) / 1000).toFixed(Math.min(digits, 6))} s`, Math.min(x, range.right - 16), bottom + AXIS / 2);
  }
}

// Paints failures last and lower, so that colour is not the only difference. A bar that
// would cover no further pixel of its row is skipped.
function paintLane(pen, { spans, rows }, top, height, colour) {
  const room = height - Math.min(3, height / 4);
  const row = room / Math.max(rows.length, 1);
  for (const hasFailed of [false, true]) {
    const painted = [];
    for (const span of spans) {
      const to = Math.min(span.to, length);
      if (span.hasFailed !== hasFailed || to < range.from || span.from > range.to) continue;
      const from = Math.max(range.x(span.from), range.left);
      const end = Math.max(Math.min(range.x(to), range.right), from + 1.5);
      if (Math.floor(end) <= painted[span.row]) continue;
      painted[span.row] = Math.floor(end);
      const bottom = top + room - span.row * row;
      const tall = Math.max(row * (hasFailed || span.isWait ? 0.6 : 0.9), 0.75);
      pen.fillStyle = colour(hasFailed ? "bad" : span.isWait ? "control" : "good");
      pen.fillRect(from, bottom - tall, end - from, tall);
      if (hasFailed && row > 7) cross(pen, end, bottom - row / 2, colour("bad"));
      if (span === chosen) outline(pen, from, bottom - row, end - from, row, colour("text"));
    }
  }
}

function outline(pen, x, y, width, height, colour) {
  pen.strokeStyle = colour;
  pen.lineWidth = 2;
  pen.strokeRect(x, y, width, height);
}

function cross(pen, x, y, colour) {
  pen.strokeStyle = colour;
  pen.lineWidth = 2;
  pen.beginPath();
  for (const slope of [-1, 1]) {
    pen.moveTo(x - 3, y - 3 * slope);
    pen.lineTo(x + 3, y + 3 * slope);
  }
  pen.stroke();
}

function paintMoments(pen, bottom, colour) {
  pen.textAlign = "center";
  for (const { kind, at, glyph } of moments()) {
    const x = range.x(at);
    if (x < range.left || x > range.right) continue;
    const isChange = kind === "change";
    pen.fillStyle = colour(isChange ? "accent" : "text");
    pen.fillRect(x, PINS - 4, 1, isChange ? bottom - PINS + 4 : 4);
    pen.fillText(glyph, x, PINS / 2);
  }
}

let listed = "";

function listMoments() {
  const all = moments();
  byId("pin-before").disabled = byId("pin-after").disabled = list.disabled = all.length === 0;
  const texts = all.map(({ text }) => text);
  if (listed === texts.join()) return;
  listed = texts.join();
  const title = texts.length === 1 ? "1 moment" : `${texts.length || "No"} moments`;
  list.replaceChildren(new Option(title, ""), ...texts.map((text, index) => new Option(text, index)));
}
