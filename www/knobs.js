// Controls made from a scenario's parameter schema.

// Fills the form; `changed` is called when any value was set.
export function makeKnobs(form, params, changed) {
  form.replaceChildren(...params.map((param) => makeKnob(param, changed)));
}

// What the form holds, as [key, value] pairs.
export function readKnobs(form) {
  return [...new FormData(form)].map(([key, value]) => [key, String(value)]);
}

// Sets the form to these values, which are in range.
export function setKnobs(form, values) {
  for (const [key, value] of Object.entries(values)) {
    form.elements[key].value = value;
    showProblem(form.elements[key]);
  }
}

function makeKnob(param, changed) {
  const control = param.kind === "choice" ? makeSelect(param) : makeNumber(param);
  control.id = `knob-${param.key}`;
  control.name = param.key;
  const help = element("p", { className: "help", id: `help-${param.key}` }, param.help);
  const problem = element("p", { className: "problem", id: `problem-${param.key}`, hidden: true });
  control.setAttribute("aria-describedby", `${problem.id} ${help.id}`);
  control.addEventListener("change", () => {
    showProblem(control);
    changed();
  });
  const label = element("label", { htmlFor: control.id }, param.label);
  label.append(element("span", { className: "unit" }, unitOf(param)));
  const knob = element("div", { className: "knob" });
  knob.append(label, control, problem, help);
  return knob;
}

// Says what is wrong with a value, beside it and to screen readers.
function showProblem(control) {
  const isValid = control.checkValidity();
  const problem = document.getElementById(`problem-${control.name}`);
  control.setAttribute("aria-invalid", String(!isValid));
  problem.hidden = isValid;
  problem.textContent = isValid ? "" : control.validationMessage;
}

function makeSelect({ options }) {
  const select = element("select");
  select.append(...options.map((option) => new Option(option, option)));
  return select;
}

function makeNumber({ min, max }) {
  return element("input", { type: "number", min, max, step: 1, required: true, inputMode: "numeric" });
}

function unitOf({ kind, unit, min, max }) {
  // A range nobody would read is none to show.
  if (kind === "choice" || max === Number.MAX_SAFE_INTEGER) return "";
  const sign = { ms: " ms", percent: " %", kib: " KiB", count: "" }[unit];
  return `${min.toLocaleString("en")}–${max.toLocaleString("en")}${sign}`;
}

export function element(tag, properties = {}, text = "") {
  const made = Object.assign(document.createElement(tag), properties);
  if (text) made.textContent = text;
  return made;
}
