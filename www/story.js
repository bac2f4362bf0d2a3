// "One server, one bad day": a story over nine stops, each an experiment with its step
// of the guide. The address contains the stop.

import { element } from "./knobs.js";
import { isShortcut } from "./keys.js";
import { byId } from "./readout.js";

const link = (address, text) => `<a href="${address}">${text}</a>`;

// Title, address and text of each stop.
const STOPS = [
  ["Sign-up works", "#/decoupling?design=direct&fail=none&step=2&story=1", "One server, one process. For each sign-up, UserService calls email, the audit log and metrics. Predict, then run the step."],
  ["Mail fails", "#/decoupling?design=direct&step=2&story=2", `The mail provider fails now and then. Sign-ups fail with it, because UserService depends on every service that it calls. Compare ${link("#/decoupling?step=1&story=2", "events instead of calls")}.`],
  ["Mail slows down", "#/decoupling?email_latency=200&fail=none&step=3&story=3", "The server emits events now, so no mail failure reaches a sign-up. Then mails get slow, and every sign-up waits again."],
  ["The inbox fills", "#/decoupling?listeners=async&email_latency=1000&inbox=3&fail=none&step=5&story=4", `An inbox takes the wait out of the sign-up, until mails are slower than sign-ups. A full inbox has to wait, or ${link("#/decoupling?listeners=async&email_latency=1000&inbox=3&overflow=drop-oldest&fail=none&step=6&story=4", "drop mails")}.`],
  ["The upload", "#/backpressure?heed=ignore&chunks=240&step=3&story=5", `A user uploads a large file, faster than the disk writes it. Watch the memory. Then let ${link("#/backpressure?chunks=240&step=4&story=5", "the source wait")}.`],
  ["The swallowed bug", "#/handler?policy=swallow&step=2&story=6", `Someone catches every error to keep the server up. The dashboard is green, and the answers are wrong. Compare ${link("#/handler?step=1&story=6", "a worker that is replaced")}.`],
  ["The CPU job", "#/blocking?step=1&story=7", `A report takes 600 ms of CPU, and everyone waits for it. Move the job ${link("#/blocking?run=offloaded&step=2&story=7", "to a thread")}.`],
  ["Kill, hang, reload", "#/cluster?event=reload&users=1000000&workers=8&step=4&story=8", `Worker processes survive what is left: ${link("#/cluster?step=1&story=8", "a kill")}, ${link("#/cluster?event=hang&step=5&story=8", "a hang")}, and this reload under a million users.`],
  ["On your own cores", "#/cluster?world=tab&step=1&story=9", "The same cluster, no longer simulated: workers are real Workers of this tab, and the times are measured. With cargo run -p native -- serve, choose Native for processes of your system."],
];

let at = 0; // the current stop, from 1; 0 outside the story

// Lists the stops on home, and lets arrow keys go through the story.
export function startStory() {
  byId("stops").append(...STOPS.map(([title, address]) => {
    const stop = element("li");
    stop.append(element("a", { href: address }, title));
    return stop;
  }));
  addEventListener("keydown", (event) => {
    const to = at + ({ ArrowRight: 1, ArrowLeft: -1 }[event.key] ?? NaN);
    // Controls use arrow keys themselves.
    const isFree = isShortcut(event) && !document.activeElement.closest("input, [role=tab], [tabindex='0']");
    if (at && STOPS[to - 1] && isFree && !event.defaultPrevented && !event.shiftKey) location.hash = STOPS[to - 1][1];
  });
}

// Shows the stop of the address, if it is part of the story.
export function showStory(query) {
  const wanted = +new URLSearchParams(query).get("story");
  at = STOPS[wanted - 1] ? wanted : 0;
  const bar = byId("story");
  bar.hidden = !at;
  if (!at || bar.dataset.of === String(at)) return;
  bar.dataset.of = at;
  const [title, , text] = STOPS[at - 1];
  const story = element("p", { innerHTML: `<b>${title}.</b> ${text}` });
  story.prepend(element("span", { className: "stop" }, `Stop ${at} of ${STOPS.length} · `));
  bar.replaceChildren(button(at - 1, "‹", "Previous stop"), story, button(at + 1, "›", "Next stop"));
}

// The stops before the first and after the last are home.
function button(to, text, label) {
  const [title = "Home", address = "#/"] = STOPS[to - 1] ?? [];
  return element("a", { className: "button", href: address, ariaLabel: `${label}: ${title}`, title }, text);
}
