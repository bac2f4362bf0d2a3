// Controls made from a scenario's parameter schema.

const SEED = {
  key: "seed",
  label: "Seed",
  help: "Every random draw follows from it: the same seed, the same run.",
  kind: "integer",
  unit: "count",
  min: 0,
  max: Number.MAX_SAFE_INTEGER,
};

// Fills the form; `changed` is called when a value that is in range is set.
export function makeKnobs(form, params, values, changed) {
  const knobs = [...params, SEED].map((param) => makeKnob(param, values[param.key], changed));
  form.replaceChildren(...knobs);
}

// What the form holds, as [key, value] pairs.
export function readKnobs(form) {
  return [...new FormData(form)].map(([key, value]) => [key, String(value)]);
}

function makeKnob(param, value, changed) {
  const control = param.kind === "choice" ? makeSelect(param) : makeNumber(param);
  control.id = `knob-${param.key}`;
  control.name = param.key;
  control.value = value;
  const help = element("p", { className: "help", id: `help-${param.key}` }, param.help);
  control.setAttribute("aria-describedby", help.id);
  control.addEventListener("change", () => {
    if (control.reportValidity()) changed();
  });
  const label = element("label", { htmlFor: control.id }, param.label);
  label.append(element("span", { className: "unit" }, unitOf(param)));
  const knob = element("div", { className: "knob" });
  knob.append(label, control, help);
  return knob;
}

function makeSelect({ options }) {
  const select = element("select");
  select.append(...options.map((option) => new Option(option, option)));
  return select;
}

function makeNumber({ min, max }) {
  return element("input", { type: "number", min, max, step: 1, required: true, inputMode: "numeric" });
}

function unitOf({ kind, unit, min, max, key }) {
  if (kind === "choice" || key === "seed") return "";
  const sign = { ms: " ms", percent: " %", count: "" }[unit];
  return `${min.toLocaleString("en")}–${max.toLocaleString("en")}${sign}`;
}

export function element(tag, properties = {}, text = "") {
  const made = Object.assign(document.createElement(tag), properties);
  if (text) made.textContent = text;
  return made;
}
