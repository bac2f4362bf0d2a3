// Controls for a scenario's parameters.

// Fills the form. `changed` is called with a changed control.
export function makeKnobs(form, params, changed) {
  form.replaceChildren(...params.map((param) => makeKnob(param, changed)));
}

// Returns the form's values as [key, value] pairs.
export function readKnobs(form) {
  return [...form.elements].map(({ name, value }) => [name, value]);
}

// Sets the form's values. During a run, some controls are disabled. A control without
// effect is hidden.
export function setKnobs(form, values, isRunning) {
  for (const control of form.elements) {
    control.value = values[control.name];
    control.disabled = isRunning && !control.isLive;
    const [key, needed] = control.onlyWith ?? [];
    control.parentNode.hidden = !!key && values[key] !== needed;
    showProblem(control);
  }
}

function makeKnob(param, changed) {
  const control = makeControl(param);
  control.id = `knob-${param.key}`;
  control.name = param.key;
  control.isLive = param.live;
  control.onlyWith = param.only_with;
  const help = element("p", { className: "help", id: `help-${param.key}` }, param.help);
  const problem = element("p", { className: "problem", id: `problem-${param.key}`, hidden: true });
  control.setAttribute("aria-describedby", `${problem.id} ${help.id}`);
  control.addEventListener("change", () => {
    // Number fields also accept 1e2 and 100.0.
    if (control.value && control.type === "number") control.value = control.valueAsNumber;
    showProblem(control);
    changed(control);
  });
  const label = element("label", { htmlFor: control.id }, param.label);
  label.append(element("span", { className: "unit" }, unitOf(param)));
  const knob = element("div", { className: "knob" });
  knob.append(label, control, problem, help);
  return knob;
}

export function makeControl(param) {
  return param.kind === "choice" ? makeSelect(param) : makeNumber(param);
}

// Shows the problem with a value beside it, and to screen readers.
function showProblem(control) {
  const isValid = control.checkValidity();
  const problem = document.getElementById(`problem-${control.name}`);
  control.ariaInvalid = !isValid;
  problem.hidden = isValid;
  problem.textContent = isValid ? "" : control.validationMessage;
}

function makeSelect({ options }) {
  const select = element("select");
  select.append(...options.map((option) => new Option(option, option)));
  return select;
}

function makeNumber({ kind, min, max }) {
  const format = kind === "decimal" ? { step: 0.01, inputMode: "decimal" } : { step: 1, inputMode: "numeric" };
  return element("input", { type: "number", min, max, required: true, ...format });
}

function unitOf({ kind, unit, min, max }) {
  // A huge range is not shown.
  if (kind === "choice" || max === Number.MAX_SAFE_INTEGER) return "";
  if (kind === "decimal") return `${min}–${max}`;
  const sign = { ms: " ms", us: " µs", percent: " %", kib: " KiB", count: "" }[unit];
  return `${min.toLocaleString("en")}–${max.toLocaleString("en")}${sign}`;
}

export function element(tag, properties = {}, text = "") {
  const made = Object.assign(document.createElement(tag), properties);
  if (text) made.textContent = text;
  return made;
}
