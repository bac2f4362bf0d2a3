// Acting in the picture: a click on a service or worker, or a button beside the guide,
// changes the parameter behind it: from this moment on, or in a new run.

import { element } from "./knobs.js";
import { byId } from "./readout.js";

// For each scenario: a label in the picture, what happens to it, and the setting.
const ACTIONS = {
  observer: [["Display", "fail", "fail", "display"], ["Display", "recover", "fail", "none"]],
  decoupling: [
    ["EmailService", "fail", "fail", "email"],
    ["EmailService", "recover", "fail", "none"],
    ["EmailService", "slow down", "email_latency", "400"],
    ["AuditLog", "fail", "fail", "audit"],
  ],
  backpressure: [["Buffer", "ignore its mark", "heed", "ignore"], ["Buffer", "heed its mark", "heed", "wait"], ["Destination", "slow down", "write", "150"]],
  pipeline: [["Write", "slow down", "write", "80"], ["Write", "fail", "fail", "write"], ["Compress", "slow down", "compress", "200"]],
  taxonomy: [["Bank", "time out", "timeout", "100"], ["Bank", "recover", "timeout", "8"]],
  handler: [["Worker", "hit a bug in one request of 3", "bug_every", "3"], ["Worker", "hit no bug", "bug_every", "0"]],
  blocking: [["Loop", "get a job in one request of 4", "every", "4"], ["Loop", "move jobs to threads", "run", "offloaded"]],
  cluster: [["Worker", "kill one", "event", "kill"], ["Worker", "hang one", "event", "hang"], ["Worker", "reload all", "event", "reload"]],
};

const picture = byId("picture");
let areas = []; // labels in the picture with their rectangles: [text, [x, y, width, height]]
let offered = []; // actions of the scenario: {label, button}

// Notes where the picture has its labels: each in the last panel painted, or alone.
export function startActing() {
  const context = picture.getContext("2d");
  const { setTransform, roundRect, fillText } = CanvasRenderingContext2D.prototype;
  let panel = [0, 0, 0, 0];
  // Called first in each frame.
  context.setTransform = (...matrix) => {
    areas = [];
    panel = [0, 0, 0, 0];
    setTransform.apply(context, matrix);
  };
  context.roundRect = (...rect) => {
    panel = rect;
    roundRect.apply(context, rect);
  };
  context.fillText = (text, x, y, ...rest) => {
    if (offered.some((it) => isOf(it, text))) {
      const { width } = context.measureText(text);
      const left = { right: x - width, center: x - width / 2 }[context.textAlign] ?? x;
      areas.push([text, contains(panel, x, y) ? panel.slice(0, 4) : [left - 4, y - 12, width + 8, 24]]);
    }
    fillText.call(context, text, x, y, ...rest);
  };
  picture.onmousemove = (event) => {
    const found = actionAt(event);
    picture.style.cursor = found ? "pointer" : "";
    picture.title = found ? found.button.textContent : "";
  };
  picture.onclick = (event) => actionAt(event)?.button.click();
}

// Offers the actions of a scenario with these values. `change` is called with a key and
// a value.
export function offerActions(name, values, change) {
  offered = (ACTIONS[name] ?? []).map(([label, what, key, value]) => {
    const button = element("button", { disabled: values[key] === value }, `${label}: ${what}${byId(`knob-${key}`).isLive ? "" : " (new run)"}`);
    button.onclick = () => change(key, value);
    return { label, button };
  });
  byId("act").hidden = !offered.length;
  byId("actions").replaceChildren(...offered.map(({ button }) => button));
}

// "Worker" stands for "Worker 1" and so on.
const isOf = ({ label }, text) => text === label || (text.startsWith(`${label} `) && /^\d+$/.test(text.slice(label.length + 1)));

const contains = ([left, top, width, height], x, y) => x >= left && x <= left + width && y >= top && y <= top + height;

// Returns the first action of the label at the pointer that would change something.
function actionAt({ offsetX, offsetY }) {
  const [text] = areas.find(([, area]) => contains(area, offsetX, offsetY)) ?? [];
  return text && offered.find((it) => isOf(it, text) && !it.button.disabled);
}
