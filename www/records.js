// Reads a run's records: a lane of spans per source, and the moments to look at.

// The kinds of records, in the order of their numbers. A test compares them with Rust.
export const KINDS = (
  "start depend subscribe unsubscribe leak request call emit deliver drop refuse handle write mark level " +
  "stall open commit discard compute log retry wrong expose exit switch beat result threads change"
).split(" ");

const WORDS = 10; // per record
const HEADER = 3;
const NONE = 0xffffffff;
const [BEGIN, END] = [0, 1];
const MAX_ROWS = 64; // of overlapping spans in a lane
const MAX_MOMENTS = 40;

// How each kind of moment is drawn, described, and named beside the speed. The first kinds
// are the rarest: playback slows around the first one of which there are a few.
const MOMENTS = {
  exit: ["×", "exited", "the crash"],
  change: ["◆", "changed a parameter", "the change"],
  drop: ["▼", "dropped items", "the drops"],
  refuse: ["▼", "rejected", "the rejections"],
  wrong: ["!", "gave a wrong answer", "the wrong answers"],
  expose: ["!", "exposed internals", "the exposed internals"],
  leak: ["!", "reported a leak", "the leak"],
  unsubscribe: ["–", "was removed", "the removed listener"],
  switch: ["○", "opened", "the open breaker"],
  discard: ["×", "discarded its output", "the discarded output"],
  compute: ["■", "was blocked by a job", "the CPU jobs"],
  stall: ["■", "was full", "the full queue"],
  failed: ["×", "failed", "the failures"],
  commit: ["✓", "committed its output", ""],
  threads: ["○", "has a new size", ""],
};
const MAX_SLOWED = 8; // marks
const SLOWDOWN = 4;
const SLOWED_SHARE = 0.04; // of the run, on each side of a moment
const READABLE_MS = 15000;

export class Records {
  names = [];
  lanes = new Map(); // by source: {name, spans, rows}
  marks = []; // {kind, source, at, cause, record}
  count = 0;
  #open = new Map(); // spans that have not ended
  #moments = null;

  push(names, words) {
    const halves = new Uint32Array(words.buffer, words.byteOffset, words.length * 2);
    const whole = (index) => halves[2 * index] + halves[2 * index + 1] * 2 ** 32;
    names.forEach((name, index) => (this.names[whole(1) + index] = name));
    for (let word = HEADER; word < words.length; word += WORDS) {
      this.count += 1;
      // Sums of whole nanoseconds are exact.
      this.#read({
        at: whole(word) / 1e6,
        end: (whole(word) + whole(word + 1)) / 1e6,
        source: halves[2 * word + 5],
        target: halves[2 * word + 4],
        kind: halves[2 * word + 7],
        phase: halves[2 * word + 6],
        failure: halves[2 * word + 9],
        thread: halves[2 * word + 8],
        subject: whole(word + 5),
        record: this.count,
      });
    }
  }

  #read(record) {
    const { kind, phase, source, target, failure, thread, subject, end } = record;
    const name = KINDS[kind];
    const cause = this.names[failure];
    if (phase <= END && name !== "open") this.#addSpan(record);
    if (name === "exit") this.#endSpans(record);
    if (phase === END && cause && name !== "stall") this.#mark("failed", record, cause);
    if (phase === BEGIN && (name === "stall" || (name === "compute" && thread === 0))) this.#mark(name, record);
    if (phase <= END || !(name in MOMENTS)) return;
    if (name === "exit") cause && this.#mark(name, record, cause);
    else if (name === "change") {
      // A busy loop takes a change when it is free.
      const late = end - subject >= 1 ? ` (set at ${subject} ms)` : "";
      this.#mark(name, record, this.names[target] + late);
    }
    else if (name === "threads") this.#mark(name, record, String(subject));
    else if (name !== "switch" || this.names[target] === "open") this.#mark(name, record);
  }

  #mark(kind, { source, end, record }, cause = "") {
    this.marks.push({ kind, source, at: end, cause, record });
  }

  // The work in a process ends with it.
  #endSpans({ source, end, failure }) {
    for (const span of this.lanes.get(source)?.spans ?? []) {
      if (span.to === Infinity) this.#end(span, end, failure);
    }
    for (const key of this.#open.keys()) if (key.startsWith(`${source} `)) this.#open.delete(key);
  }

  #end(span, to, failure) {
    span.to = this.lanes.get(span.source).rows[span.row] = to;
    span.hasFailed = failure !== NONE;
    span.cause = this.names[failure];
  }

  // A span takes the lowest row that is free, so a lane is as high as the number of
  // spans that overlap.
  #addSpan({ at, end, kind, phase, source, subject, failure, record }) {
    if (!this.lanes.has(source)) this.lanes.set(source, { name: this.names[source], spans: [], rows: [] });
    const { spans, rows } = this.lanes.get(source);
    const key = `${source} ${kind} ${subject}`;
    let span = phase === END && this.#open.get(key)?.shift();
    if (!span) {
      const from = phase === END ? at : end;
      const free = rows.findIndex((until) => until <= from);
      const row = free >= 0 ? free : Math.min(rows.length, MAX_ROWS - 1);
      const isWait = KINDS[kind] === "stall";
      span = { from, to: Infinity, row, kind, subject, source, record, isWait, hasFailed: false };
      rows[row] = Infinity;
      spans.push(span);
      if (phase === BEGIN) return void (this.#open.get(key) ?? this.#open.set(key, []).get(key)).push(span);
    }
    this.#end(span, end, failure);
  }

  // The moments of a run of this length, oldest first: marks of one kind, source and cause that
  // are close together are one moment.
  moments(length) {
    const key = `${length} ${this.marks.length}`;
    if (this.#moments?.key === key) return this.#moments.list;
    let list;
    for (let gap = Math.max(length, 1) / 50; (list = merge(this.marks, gap)).length > MAX_MOMENTS; gap *= 2);
    list = list.map((moment) => ({ ...moment, glyph: MOMENTS[moment.kind][0], text: this.#describe(moment) }));
    this.#moments = { key, list };
    return list;
  }

  #describe({ kind, source, at, cause, count }) {
    const what = `${this.names[source]} ${MOMENTS[kind][1]}`;
    return `${seconds(at)}: ${what}${cause && `: ${cause}`}${count > 1 ? ` (${count} times)` : ""}`;
  }

  describe({ source, kind, subject, from, to, hasFailed, cause }) {
    const took = to === Infinity ? "not ended" : `to ${seconds(to)} (${(to - from).toFixed(1)} ms)`;
    return `${this.names[source]}, ${KINDS[kind]} ${subject}: from ${seconds(from)}, ${took}${hasFailed ? `, failed: ${cause}` : ""}`;
  }

  // Returns the speed at a time of a run of this length, so that a reader can follow, and
  // what it is slowed around. A run that is not complete may become longer.
  pace(now, length, isComplete) {
    if (!isComplete || !length) return { speed: 0.25, around: "" };
    const of = (kind) => this.moments(length).filter((moment) => moment.kind === kind);
    const count = (kind) => of(kind).reduce((sum, moment) => sum + moment.count, 0);
    const isRare = (kind) => MOMENTS[kind][2] && count(kind) > 0 && count(kind) <= MAX_SLOWED;
    const kind = Object.keys(MOMENTS).find(isRare);
    let windows = kind ? join(of(kind), length * SLOWED_SHARE, length) : [];
    let slowed = windows.reduce((sum, [from, to]) => sum + to - from, 0);
    if (slowed > length / 2) [windows, slowed] = [[], 0];
    const speed = (length + (SLOWDOWN - 1) * slowed) / READABLE_MS;
    const isSlowed = windows.some(([from, to]) => from <= now && now < to);
    return { speed: isSlowed ? speed / SLOWDOWN : speed, around: isSlowed ? MOMENTS[kind][2] : "" };
  }
}

function merge(marks, gap) {
  const list = [];
  const latest = new Map();
  for (const mark of marks) {
    const key = `${mark.kind} ${mark.source} ${mark.cause}`;
    const before = latest.get(key);
    if (before && mark.at - before.until <= gap && mark.kind !== "change") {
      before.until = mark.at;
      before.count += 1;
    } else {
      const moment = { ...mark, until: mark.at, count: 1 };
      list.push(moment);
      latest.set(key, moment);
    }
  }
  return list;
}

// Joins the windows around moments.
function join(moments, margin, length) {
  const windows = [];
  for (const { at, until } of moments) {
    const [from, to] = [Math.max(0, at - margin), Math.min(length, until + margin)];
    const before = windows.at(-1);
    if (before && from <= before[1]) before[1] = Math.max(before[1], to);
    else windows.push([from, to]);
  }
  return windows;
}

// The part of a run that is shown: a mapping of milliseconds to pixels and back.
export class Range {
  from = 0;
  to = 1;
  #length = 1;

  constructor(left, right) {
    Object.assign(this, { left, right });
  }

  get isWhole() {
    return this.from === 0 && this.to === this.#length;
  }

  // Follows the length of a growing run unless zoomed.
  setLength(length) {
    const isWhole = this.isWhole;
    this.#length = Math.max(length, 1);
    if (isWhole) this.to = this.#length;
    else this.pan(0);
  }

  x(ms) {
    return this.left + ((ms - this.from) / (this.to - this.from)) * (this.right - this.left);
  }

  ms(x) {
    return this.from + ((x - this.left) / (this.right - this.left)) * (this.to - this.from);
  }

  // Zooms in by a factor above 1, or out, around a moment, which keeps its pixel.
  zoom(factor, around) {
    const size = Math.min(Math.max((this.to - this.from) / factor, this.#length / 1e4, 0.001), this.#length);
    const share = (around - this.from) / (this.to - this.from);
    this.from = around - share * size;
    this.to = this.from + size;
    this.pan(0);
  }

  pan(ms) {
    const size = Math.min(this.to - this.from, this.#length);
    this.from = Math.min(Math.max(this.from + ms, 0), this.#length - size);
    this.to = size === this.#length ? size : this.from + size;
  }

  // Pans to a moment that is not shown. Returns whether it did.
  show(ms) {
    const isHidden = ms < this.from || ms > this.to;
    if (isHidden) this.pan(ms - (this.to - this.from) / 5 - this.from);
    return isHidden;
  }
}

export const seconds = (ms) => `${(ms / 1000).toFixed(3)} s`;
