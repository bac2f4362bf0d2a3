// The time slider, the speed, and the moment from which changes apply.

import { byId } from "./readout.js";

const slider = byId("time");
const fork = byId("fork");
let at = ""; // the position in an unfinished playback, for an address
let now = 0; // in milliseconds, like `length`
let length = 0;

// Calls `seek` with a time in milliseconds.
export function attachTimeline(seek) {
  slider.oninput = () => seek((slider.value / slider.max) * length);
}

export function showTime({ event, events, time_us, length_us }) {
  at = event && event < events ? `&at=${event}` : "";
  now = time_us / 1000;
  length = length_us / 1000;
  slider.disabled = !length;
  slider.value = length && (now / length) * slider.max;
  slider.ariaValueText = `${seconds(now)} of ${seconds(length)}`;
}

// Milliseconds of the run per millisecond on the screen.
export function speedNow() {
  return +byId("speed").value || Math.max(1, length / 2000);
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

const seconds = (ms) => `${(ms / 1000).toFixed(3)} s`;
