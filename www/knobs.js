// Controls for a scenario's parameters.

// Fills the form. `changed` is called with a changed control.
export function makeKnobs(form, params, changed) {
  form.replaceChildren(...params.map((param) => makeKnob(param, changed)));
}

// Returns the form's values as [key, value] pairs.
export function readKnobs(form) {
  return [...form.elements].map(({ name, value }) => [name, value]);
}

// Sets the values of a form's controls, and says beside them what changes later:
// [key, value, ms]. During a run, some controls are disabled. A control without effect
// is hidden. Returns the labels of the disabled and of the hidden ones.
export function setKnobs(form, values, isRunning, changes) {
  const hasEffect = ({ onlyWith: [key, needed] = [] }) => !key || (values[key] === needed && hasEffect(form.elements[key]));
  const [disabled, unused] = [[], []];
  for (const control of form.elements) {
    control.value = values[control.name];
    control.disabled = isRunning && !control.isLive;
    const isUsed = hasEffect(control);
    control.closest(".knob").hidden = !isUsed;
    if (!isUsed) unused.push(control.label);
    else if (control.disabled) disabled.push(control.label);
    const later = changes.filter(([key]) => key === control.name).map(([, value, ms]) => `${value} from ${ms} ms`);
    document.getElementById(`later-${control.name}`).textContent = later.length ? `Then ${later.join(", ")}` : "";
    showProblem(control);
  }
  return { disabled, unused };
}

function makeKnob(param, changed) {
  const control = makeControl(param);
  control.id = `knob-${param.key}`;
  control.name = param.key;
  control.isLive = param.live;
  control.onlyWith = param.only_with ?? undefined;
  control.label = param.label;
  const help = element("p", { className: "help", id: `help-${param.key}` }, param.help);
  const problem = element("p", { className: "problem", id: `problem-${param.key}`, hidden: true });
  const later = element("p", { className: "later", id: `later-${param.key}` });
  control.setAttribute("aria-describedby", `${problem.id} ${later.id} ${help.id}`);
  control.addEventListener("change", () => {
    // Number fields also accept 1e2 and 100.0.
    if (control.value && control.type === "number") control.value = control.valueAsNumber;
    showProblem(control);
    changed(control);
  });
  const label = element("label", { htmlFor: control.id }, param.label);
  label.append(element("span", { className: "unit" }, unitOf(param)));
  const knob = element("div", { className: "knob" });
  knob.append(label, control, problem, later, help);
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
