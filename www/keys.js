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
  onkeydown = (event) => {
    if (!isOn.checked || !isShortcut(event)) return;
    const control = controls.find((it) => it.ariaKeyShortcuts === event.key.toUpperCase() && it.checkVisibility());
    // A held key must not open and close a dialog in turn.
    if (!event.repeat || !control?.popoverTargetElement) control?.click();
  };
  isOn.checked = store((kept) => kept.keys) !== "off";
}

// The page's own elements, unlike those that extensions add.
const OWN = "html, body, .skip, header *, main, main *";
// Controls that use letters or digits themselves.
const TAKES_KEYS = "input:not([type=range], [type=radio], [type=checkbox]), textarea, select, dialog, dialog *";

// Returns true for a plain key that is not typed into a field. Browsers fire events
// without a key when they fill in forms, and scripts fire them on the document.
export function isShortcut(event) {
  const [target] = event.composedPath();
  const isTyped = target instanceof Element && (!target.matches(OWN) || target.matches(TAKES_KEYS) || target.isContentEditable);
  return !!event.key && !isTyped && !(event.ctrlKey || event.altKey || event.metaKey || event.getModifierState?.("AltGraph"));
}

// Does nothing if storage is blocked.
function store(use) {
  try {
    return use(localStorage);
  } catch {}
}
