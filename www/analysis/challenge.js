// The challenge of the current scenario, and the goals that its last run meets.

import { byId } from "../readout.js";

const section = byId("challenge");

// Opening another scenario replaces the challenge.
export function start(Runs) {
  addEventListener("hashchange", () => {
    const [name] = location.hash.slice(2).split("?");
    if (name !== section.dataset.of) show(name, Runs.challenge_html_of(name));
  });
}

export function judge(runs, index, name) {
  show(name, runs.challenge_html(index));
}

// Keeps the keyboard focus on the link.
function show(name, html) {
  const hadFocus = section.contains(document.activeElement);
  section.dataset.of = name;
  section.innerHTML = html;
  if (hadFocus) section.querySelector("a")?.focus({ preventScroll: true });
}
