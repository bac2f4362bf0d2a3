// The time slider, the lanes, the speed, and the moment from which changes apply.

import { addRecords, attachLanes, clearLanes, moveLanes, paceAt, paintLanes, refreshLanes } from "./lanes.js";
import { byId, setText } from "./readout.js";
import { seconds } from "./records.js";

export { addRecords, paintLanes, refreshLanes };

const LAST = 2 ** 32 - 1; // beyond every record
const slider = byId("time");
const fork = byId("fork");
let at = ""; // the position in an unfinished playback, for an address
let now = 0; // in milliseconds, like `length`
let length = 0;

// Calls `seek` with a time in milliseconds, `goTo` with a number of records.
export function attachTimeline(seek, goTo) {
  // The last records may be later than the rounded length.
  slider.oninput = () => (slider.value === slider.max ? goTo(LAST) : seek((slider.value / slider.max) * length));
  attachLanes(seek, goTo);
}

export function clearTimeline() {
  clearLanes();
  setText(byId("pace"), "");
}

export function showTime({ event, events, time_us, length_us }, isPlaying) {
  at = event && event < events ? `&at=${event}` : "";
  now = time_us / 1000;
  length = length_us / 1000;
  slider.disabled = !length;
  slider.value = length && (now / length) * slider.max;
  slider.ariaValueText = `${seconds(now)} of ${seconds(length)}`;
  moveLanes(now, length, isPlaying);
}

// Milliseconds of the run per millisecond on the screen.
export function speedNow(isComplete) {
  const chosen = byId("speed").value;
  const { speed, around } = chosen === "auto" ? paceAt(isComplete) : { speed: +chosen || Math.max(1, length / 2000) };
  setText(byId("pace"), chosen === "auto" ? `${speed.toPrecision(2)}×${around && `, slowed 4× around ${around}`}` : "");
  // After the last record, only the picture's last movements are left.
  return isComplete && now >= length ? Math.max(1, speed) : speed;
}

// The next millisecond, if changes apply from there.
export const forkAt = () => fork.checked && Math.floor(now) + 1;

// The next millisecond, if the run is under way; else 0.
export const nextMoment = () => (now > 0 && now < length ? Math.floor(now) + 1 : 0);

// The paused position, for an address.
export const moment = () => (byId("run").disabled ? "" : at);

export function offerFork(isPaused) {
  const isOffered = isPaused && now > 0 && now < length;
  fork.parentNode.hidden = !isOffered;
  if (!fork.checked) return;
  fork.checked = isOffered;
  fork.onchange();
}
