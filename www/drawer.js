// The drawer: one panel of results or settings at a time, below the picture. Pressing
// the tab of an open panel closes it.

import { byId } from "./readout.js";

const list = document.querySelector("#drawer [role=tablist]");
const tabs = [...list.children];

export function start() {
  list.onclick = ({ target }) => {
    const tab = target.closest("[role=tab]");
    if (tab) select(tab.ariaExpanded === "true" ? null : tab);
  };
  list.onkeydown = moveFocus;
  for (const button of document.querySelectorAll("#open-own, #open-freeze")) button.onclick = () => open(button.value);
  // Show the picture of an experiment that a panel opens.
  byId("drawer").addEventListener("click", ({ target }) => target.closest("a[href^='#/']") && scrollTo(0, 0));
  select(null);
}

// Opens a panel and shows it.
export function open(panel) {
  const tab = tabs.find((it) => panelOf(it).id === panel);
  select(tab);
  tab.focus({ preventScroll: true });
}

// Offers a panel that only one scenario has.
export function offer(name, isOffered) {
  const tab = byId(`tab-${name}`);
  if (!isOffered && tab.ariaExpanded === "true") select(null);
  tab.hidden = byId(`open-${name}`).hidden = !isOffered;
}

const panelOf = (tab) => byId(tab.getAttribute("aria-controls"));

function select(chosen) {
  for (const tab of tabs) {
    const isOpen = tab === chosen;
    tab.ariaSelected = tab.ariaExpanded = isOpen;
    tab.tabIndex = isOpen || (!chosen && tab === tabs[0]) ? 0 : -1;
    panelOf(tab).hidden = !isOpen;
  }
  if (!chosen) return;
  panelOf(chosen).scrollIntoView({ block: "nearest" });
  dispatchEvent(new Event("drawer"));
}

// Arrow keys, Home and End move between tabs.
function moveFocus(event) {
  const offered = tabs.filter((tab) => !tab.hidden);
  const at = offered.indexOf(document.activeElement);
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: -1 }[event.key];
  if (to === undefined || at < 0) return;
  event.preventDefault();
  const next = offered.at(to % offered.length);
  for (const tab of tabs) tab.tabIndex = tab === next ? 0 : -1;
  next.focus();
}
