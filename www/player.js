// Records one run at a time, plays it, and shows it.

import { byId, setText, showNumbers, showTable, showVerdicts } from "./readout.js";
import { addRecords, attachTimeline, clearTimeline, offerFork, paintLanes, refreshLanes, showTime, speedNow } from "./timeline.js";

const prefersDark = matchMedia("(prefers-color-scheme: dark)");
const prefersReducedMotion = matchMedia("(prefers-reduced-motion: reduce)");

// Minimum time to read a narration.
const NARRATION_INTERVAL_MS = 1000;

export class Player {
  #runner;
  #experiment = null; // {wasm, chapter, name, pairs, values, world, fragment, from, isHeld}
  #view = null;
  #place = ""; // scenario and step of the guide
  #isPlaying = false;
  #isAtEnd = false; // every record is played
  #isRecording = false; // the experiment still runs
  #hasTrace = false;
  #isStepWanted = false; // once there is a next record
  #isDirty = true;
  #ratio = 0; // pixel ratio of the last paint
  #isBroken = false;
  #panic = "";
  #lastFrame = 0;
  #lastNarration = 0;
  #batches = [];

  // Called when a run has ended or died, with the experiment, died and batches:
  // [{names, words}].
  onRecorded = () => {};

  constructor(runner) {
    this.#runner = runner;
  }

  // Keeps the message of a panic.
  listenTo(wasm) {
    // The trap that follows has no message.
    wasm.on_panic((cause) => (this.#panic ||= cause));
  }

  // Shows this experiment, and continues at the moment `from`. If `isHeld`, that is a
  // record number to pause at. Another scenario or step of the guide waits for Run.
  show(experiment) {
    this.#guard(() => {
      const isFirst = this.#experiment === null;
      const place = `${experiment.name} ${new URLSearchParams(location.hash.split("?")[1]).get("step")}`;
      const isSame = this.#place === place;
      this.#place = place;
      this.#experiment = experiment;
      this.#clear();
      if (isFirst) this.#attach();
      // With reduced motion, show the end instead of playing.
      if (prefersReducedMotion.matches) this.#record();
      else if (isSame || experiment.from) this.#play();
    });
  }

  // Stops the run when home is shown.
  hide() {
    this.#place = "";
    if (!this.#isPlaying && !this.#isRecording) return;
    this.#guard(() => this.#clear());
  }

  // Reports a page error. Only a reload helps, which keeps the address and so the
  // experiment.
  fail(error) {
    if (this.#isBroken) return;
    this.#isBroken = true;
    this.#runner.stop();
    const cause = this.#panic || error?.message || String(error);
    for (const id of ["run", "pause", "step", "back", "reset"]) byId(id).disabled = true;
    this.#showTrap(`The page failed: ${cause}. Restart reloads it and keeps the experiment.`);
    byId("restart").onclick = () => location.reload();
  }

  // Connects the buttons and the picture.
  #attach() {
    this.#on("run", () => this.#play());
    this.#on("pause", () => this.#pause());
    this.#on("step", () => this.#move(() => (this.#isStepWanted = !this.#view.step() && this.#isRecording)));
    this.#on("back", () => this.#move(() => this.#view.back()));
    this.#on("reset", () => this.#reset());
    this.#on("restart", () => this.#restart());
    attachTimeline(
      (ms) => this.#guard(() => this.#move(() => this.#view.seek(ms))),
      (record) => this.#guard(() => this.#move(() => this.#view.goTo(record))),
    );
    const repaint = () => {
      this.#isDirty = true;
      refreshLanes();
    };
    for (const query of [prefersDark, prefersReducedMotion]) query.onchange = repaint;
    new ResizeObserver(repaint).observe(byId("picture"));
    addEventListener("beforeprint", () => this.#guard(() => this.#paint(false)));
    addEventListener("afterprint", repaint);
    requestAnimationFrame((now) => this.#frame(now));
  }

  #on(id, action) {
    byId(id).onclick = () => this.#guard(action);
  }

  #guard(action) {
    if (this.#isBroken) return;
    try {
      action();
    } catch (error) {
      this.fail(error);
    }
  }

  #clear() {
    this.#runner.stop();
    this.#view?.free();
    const { wasm, name, pairs, world } = this.#experiment;
    this.#view = new wasm.View(new wasm.Address(name, pairs), world);
    this.#isPlaying = this.#isRecording = this.#hasTrace = this.#isStepWanted = false;
    this.#batches = [];
    clearTimeline();
    byId("trap").hidden = true;
    setText(byId("threads"), "");
    this.#update();
  }

  // Runs the experiment.
  #record() {
    const { world } = this.#experiment;
    const build = world === "tab" && crossOriginIsolated ? "threads" : "single";
    this.#isRecording = this.#hasTrace = true;
    const listener = {
      ready: (info) => setText(byId("threads"), world === "virtual" ? "" : describeThreads(info)),
      batch: (names, words, now) => {
        // Other batches only advance the clock.
        if (names.length || words.length > 3) this.#batches.push({ names, words });
        addRecords(names, words);
        this.#view.push(names, words, now);
        if (!this.#isPlaying) this.#showNumbers(JSON.parse(this.#view.numbers()));
        const { from, isHeld } = this.#experiment;
        if (!from || !(isHeld ? this.#view.goTo(from) : this.#view.seek(from))) return;
        this.#experiment.from = 0;
        if (isHeld) this.#pause();
      },
      end: (died) => this.#recorded(died),
      lost: (cause, isBug) => {
        if (this.#isPlaying) this.#view.toEnd();
        this.#isPlaying = false;
        this.#recorded(cause);
        this.#showTrap(isBug ? describeBug(cause) : describeLoss(cause));
      },
    };
    for (const [name, handle] of Object.entries(listener)) {
      listener[name] = (...message) =>
        this.#guard(() => {
          handle(...message);
          if (this.#isStepWanted) this.#move(() => (this.#isStepWanted = !this.#view.step() && this.#isRecording));
        });
    }
    this.#runner.start({ ...this.#experiment, build }, listener);
    this.#update();
  }

  #recorded(died) {
    this.#isRecording = false;
    this.#view.complete(died);
    this.onRecorded({ ...this.#experiment, died, batches: this.#batches });
    const { isHeld } = this.#experiment;
    if (prefersReducedMotion.matches && !this.#isPlaying && !isHeld) this.#view.toEnd();
    this.#experiment.from = 0;
    this.#update();
  }

  #play() {
    // At the end, start again.
    if (this.#isAtEnd) this.#reset();
    if (!this.#hasTrace) this.#record();
    this.#isStepWanted = false;
    this.#isPlaying = true;
    this.#update();
  }

  #pause() {
    this.#isPlaying = this.#isStepWanted = false;
    this.#update();
  }

  #move(how) {
    this.#experiment.from = 0;
    this.#isPlaying = this.#isStepWanted = false;
    if (!this.#hasTrace) this.#record();
    how();
    this.#update();
  }

  // Goes back to the start. A simulation would be the same, so its trace is kept; a
  // real run is recorded again.
  #reset() {
    this.#isPlaying = this.#isStepWanted = false;
    if (this.#experiment.world === "virtual" && !this.#isRecording) this.#view.rewind();
    else this.#clear();
    this.#update();
  }

  #restart() {
    this.#clear();
    this.#play();
    byId("pause").focus();
  }

  #showTrap(text) {
    setText(byId("trap-text"), text);
    byId("trap").hidden = false;
  }

  #frame(now) {
    // A hidden tab gets no frames; playback continues where it was.
    const elapsed = Math.min(now - this.#lastFrame, 100);
    this.#lastFrame = now;
    this.#guard(() => {
      if (this.#isPlaying) this.#advance(elapsed, now);
      // Another screen may have another pixel ratio.
      if (this.#isDirty || this.#ratio !== devicePixelRatio) this.#paint(prefersDark.matches);
      this.#isDirty = false;
      paintLanes();
    });
    if (!this.#isBroken) requestAnimationFrame((next) => this.#frame(next));
  }

  #advance(elapsed, now) {
    this.#view.speed = speedNow(!this.#isRecording);
    this.#view.advance(elapsed);
    this.#isDirty = true;
    if (this.#view.isFinished) {
      this.#isPlaying = false;
      this.#update();
      return;
    }
    this.#showNumbers(JSON.parse(this.#view.numbers()));
    if (now - this.#lastNarration >= NARRATION_INTERVAL_MS) {
      this.#lastNarration = now;
      setText(byId("narration"), this.#view.status());
      this.#showFigures();
    }
  }

  #showNumbers(numbers) {
    this.#isAtEnd = this.#hasTrace && !this.#isRecording && numbers.event === numbers.events;
    showNumbers(numbers, this.#experiment.world);
    showTime(numbers, this.#isPlaying);
  }

  // Only some chapters have figures. They need all records.
  #showFigures() {
    const { wasm } = this.#experiment;
    showTable("figures", wasm.View.prototype.figures ? JSON.parse(this.#view.figures()) : []);
  }

  #paint(isDark) {
    const canvas = byId("picture");
    const { clientWidth, clientHeight } = canvas;
    this.#ratio = devicePixelRatio;
    this.#view.paint(canvas, clientWidth, clientHeight, this.#ratio, isDark, prefersReducedMotion.matches);
  }

  // Updates everything shown.
  #update() {
    this.#isDirty = true;
    const numbers = JSON.parse(this.#view.numbers());
    this.#showNumbers(numbers);
    showVerdicts(JSON.parse(this.#view.verdicts()));
    this.#showFigures();
    const status = this.#view.status();
    setText(byId("narration"), status);
    // Screen readers get the start and the result, not every sentence.
    setText(byId("status"), this.#isPlaying ? "The run is playing." : status);
    // Playing leaves the start without another update.
    offerFork(!this.#isPlaying);
    const isAtStart = numbers.event === 0 && !this.#isPlaying;
    enable("run", !this.#isPlaying, "pause");
    enable("pause", this.#isPlaying, "run");
    enable("step", true);
    enable("back", !isAtStart, "step");
    enable("reset", !isAtStart || this.#isRecording, "run");
  }
}

// Disabling a focused button moves the focus to its successor.
function enable(id, isEnabled, successor) {
  const hadFocus = document.activeElement === byId(id);
  byId(id).disabled = !isEnabled;
  if (hadFocus && !isEnabled) {
    byId(successor).disabled = false;
    byId(successor).focus({ preventScroll: true });
  }
}

function describeThreads({ threads, without, process }) {
  if (process) return `On the server: the loop is a thread of process ${process}, jobs use its other threads, and workers are its child processes.`;
  if (threads) {
    const { threads: ids, primes } = threads;
    return `This tab is isolated: when its Worker started, ${ids.length} threads (ids ${ids.join(", ")}) counted ${primes.toLocaleString("en")} primes.`;
  }
  return crossOriginIsolated
    ? `This tab has one thread: ${without}.`
    : `This tab has one thread: it was served without the headers COOP and COEP, so Workers cannot share memory.${couldIsolate ? " After a reload, its service worker adds them." : ""}`;
}

// True if a service worker can be used and did not serve this page.
const couldIsolate = "serviceWorker" in navigator && navigator.cookieEnabled && !performance.getEntriesByType("navigation")[0]?.workerStart;

function describeBug(cause) {
  return `The run died: ${cause}. That is a bug, so its instance is lost. The page keeps working; Restart runs the experiment again.`;
}

function describeLoss(cause) {
  return `The run was lost: ${cause}. Restart tries again.`;
}
