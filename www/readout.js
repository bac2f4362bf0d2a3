// Verdicts, tables and the clock.

import { element } from "./knobs.js";

const OUTCOMES = { passed: "✓ Passed", failed: "✗ Failed", not_exercised: "– Not exercised" };

export const byId = (id) => document.getElementById(id);

const texts = new WeakMap(); // of nodes, as written; a translator may have replaced them

// Writes a text only if it is new or was removed, because a live region speaks at every
// change, and a translator translates it again.
export function setText(node, text) {
  if (texts.get(node) === text && node.firstChild) return;
  if (texts.has(node) || node.textContent !== text) node.textContent = text;
  texts.set(node, text);
}

let shownVerdicts = "";

// Returns true once the whole run is played.
export const isAtEnd = () => shownVerdicts.length > 2;

export function showVerdicts(verdicts) {
  const text = JSON.stringify(verdicts);
  if (text === shownVerdicts) return;
  shownVerdicts = text;
  const count = (outcome) => verdicts.filter((it) => it.outcome === outcome).length;
  const [passed, failed] = [count("passed"), count("failed")];
  setText(byId("verdict-count"), `${passed ? `${passed} ✓` : ""}${failed ? ` ${failed} ✗` : ""}`);
  if (verdicts.length === 0) {
    const waiting = element("li");
    waiting.append(element("span", { className: "outcome" }, "…"), element("span", {}, "Verdicts appear at the end of the run."));
    byId("verdicts").replaceChildren(waiting);
    return;
  }
  byId("verdicts").replaceChildren(
    ...verdicts.map(({ check, outcome, claim, evidence }) => {
      const line = element("li", { className: outcome });
      line.dataset.check = check;
      line.append(
        element("span", { className: "outcome" }, OUTCOMES[outcome]),
        element("span", {}, claim),
        element("span", { className: "evidence" }, evidence),
      );
      return line;
    }),
  );
}

export function showNumbers({ time_us, event, events, dropped, rows, queues, errors, processes, latest }, world) {
  const clock = [
    `${(time_us / 1e6).toFixed(3)} s${world === "virtual" ? " simulated" : ""}`,
    `record ${event} of ${events}`,
  ];
  if (dropped) clock.push(`${dropped} records dropped`);
  setText(byId("clock"), clock.join(" · "));

  const times = { virtual: "simulated, not measured", tab: "measured in this tab", native: "measured natively" }[world];
  setText(byId("caption"), `Totals up to this moment. Times are of successes, ${times}.`);

  fill(byId("numbers"), rows.map((row) => [
    row.name, row.received || "–", row.started, row.succeeded, row.failed, row.in_flight,
    milliseconds(row.p50_us), milliseconds(row.p99_us), row.sends_to.join(", ") || "–",
  ]));
  byId("queues").hidden = queues.length === 0;
  fill(byId("queues").tBodies[0], queues.map((queue) => [
    queue.name, bytes(queue.mark), bytes(queue.level), bytes(queue.peak),
    milliseconds(queue.stalled_us), queue.dropped, queue.rejected,
  ]));
  showTable("errors", errors);
  showTable("processes", processes);
  dispatchEvent(new CustomEvent("numbers", { detail: latest }));
}

// The rows of the tables by body, and the names of their columns. Neither is read from
// the page later, because a translator may change it.
const rowsOf = new Map();
const columnsOf = new Map(
  [...document.querySelectorAll("#tables table")].map(({ tHead, tBodies: [body] }) => [body, [...tHead.rows[0].cells].map((cell) => cell.textContent)]),
);

// Returns the number in a row and a column, which may be omitted for tables of two.
export function numberOf(row, column) {
  for (const [body, columns] of columnsOf) {
    const at = column ? columns.indexOf(column) : columns.length === 2 && 1;
    const cells = at > 0 && rowsOf.get(body)?.find(([name]) => name === row);
    if (cells) return String(cells[at]);
  }
}

// Shows a table if it has lines.
export function showTable(id, lines = []) {
  byId(id).hidden = lines.length === 0;
  fill(byId(id).tBodies[0], lines);
}

// Changes only the cells that differ.
export function fill(body, rows) {
  rowsOf.set(body, rows);
  while (body.rows.length > rows.length) body.deleteRow(-1);
  rows.forEach((cells, index) => {
    const line = body.rows[index] ?? newRow(body, cells.length - 1);
    cells.forEach((cell, column) => setText(line.cells[column], String(cell)));
  });
}

function newRow(body, cells) {
  const row = body.insertRow();
  row.append(element("th", { scope: "row" }));
  for (let cell = 0; cell < cells; cell += 1) row.insertCell();
  return row;
}

function milliseconds(us) {
  return us === null ? "–" : `${(us / 1000).toFixed(1)} ms`;
}

function bytes(value) {
  return value < 4096 ? `${value} B` : `${(value / 1024).toLocaleString("en", { maximumFractionDigits: 1 })} KiB`;
}
