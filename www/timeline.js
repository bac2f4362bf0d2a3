// The slider over the run, its speed, and the moment from which changes apply.

import { byId } from "./readout.js";

const slider = byId("time");
const fork = byId("fork");
let at = ""; // where it is in the midst of the run, for an address
let now = 0; // as `length`, in milliseconds
let length = 0;

// Calls `seek` with milliseconds of the run.
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

// Milliseconds of the run in one of the screen's.
export function speedNow() {
  return +byId("speed").value || Math.max(1, length / 2000);
}

// The first millisecond to come, if changes apply from there.
export const forkAt = () => fork.checked && Math.floor(now) + 1;

// For an address: where it stands still in the midst of the run.
export const moment = () => (byId("run").disabled ? "" : at);

export function offerFork(isPaused) {
  const isOffered = isPaused && now > 0 && now < length;
  fork.parentNode.hidden = !isOffered;
  if (!fork.checked) return;
  fork.checked = isOffered;
  fork.onchange();
}

const seconds = (ms) => `${(ms / 1000).toFixed(3)} s`;
