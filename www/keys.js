// Single-key shortcuts, from `aria-keyshortcuts`. Users of speech input can turn
// them off.

import { element } from "./knobs.js";
import { byId } from "./readout.js";

export function start() {
  const isOn = byId("keys-on");
  const controls = [...document.querySelectorAll("[aria-keyshortcuts]")];
  byId("keys-list").append(
    ...controls.map((control) => {
      const line = element("li", {}, ` ${control.textContent}`);
      line.prepend(element("kbd", {}, control.ariaKeyShortcuts));
      return line;
    }),
  );
  isOn.onchange = () => store((kept) => (kept.keys = isOn.checked ? "" : "off"));
  onkeydown = ({ key, target, ctrlKey, altKey, metaKey }) => {
    if (!isOn.checked || ctrlKey || altKey || metaKey || target.closest("input, select, dialog")) return;
    controls.find((control) => control.ariaKeyShortcuts === key.toUpperCase() && control.checkVisibility())?.click();
  };
  isOn.checked = store((kept) => kept.keys) !== "off";
}

// Does nothing if storage is blocked.
function store(use) {
  try {
    return use(localStorage);
  } catch {}
}
