// The challenge of the scenario that is shown, and what its last run has of it.

import { byId } from "../readout.js";

const section = byId("challenge");

// Once there are runs: what was found out of one scenario does not stay with another.
export function start(Runs) {
  addEventListener("hashchange", () => {
    const [name] = location.hash.slice(2).split("?");
    if (name !== section.dataset.of) show(name, Runs.challenge_html_of(name));
  });
}

export function judge(runs, index, name) {
  show(name, runs.challenge_html(index));
}

// Whoever has just taken it goes on from there by keyboard.
function show(name, html) {
  const hadFocus = section.contains(document.activeElement);
  section.dataset.of = name;
  section.innerHTML = html;
  if (hadFocus) section.querySelector("a")?.focus({ preventScroll: true });
}
