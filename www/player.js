// One run at a time: recorded by a Worker, played, stepped through and shown.

import { byId, setText, showNumbers, showTable, showVerdicts } from "./readout.js";
import { Runner } from "./runner.js";

const prefersDark = matchMedia("(prefers-color-scheme: dark)");
const prefersStill = matchMedia("(prefers-reduced-motion: reduce)");

// How often the narration may change while playing, to be readable.
const NARRATION_INTERVAL_MS = 1000;

export class Player {
  #runner = new Runner();
  #experiment = null; // {wasm, chapter, name, pairs, world}
  #view = null;
  #isPlaying = false;
  #isRecording = false; // a Worker still runs the experiment
  #hasTrace = false;
  #isStepWanted = false; // as soon as there is something to step to
  #isDirty = true;
  #isBroken = false;
  #panic = "";
  #lastFrame = 0;
  #lastNarration = 0;

  // Hears what a chapter's WebAssembly has to say before it traps.
  listenTo(wasm) {
    // Of a panic the trap that follows says nothing.
    wasm.on_panic((cause) => (this.#panic ||= cause));
  }

  // Forgets the run there was, and starts this experiment.
  show(experiment) {
    this.#guard(() => {
      const isFirst = this.#experiment === null;
      this.#experiment = experiment;
      this.#clear();
      if (isFirst) this.#attach();
      // Motion that nobody asked for is not started for those who do not want
      // it: they are shown the end.
      if (prefersStill.matches) this.#record();
      else this.#play();
    });
  }

  // The page itself has failed, and a trapped instance cannot go on: says so,
  // and leaves a reload, which keeps the address and so the experiment.
  fail(error) {
    if (this.#isBroken) return;
    this.#isBroken = true;
    this.#runner.stop();
    const cause = this.#panic || error?.message || String(error);
    for (const id of ["run", "pause", "step", "back", "reset"]) byId(id).disabled = true;
    this.#showTrap(`The page itself failed: ${cause}. A restart loads it anew and keeps the experiment.`);
    byId("restart").onclick = () => location.reload();
  }

  // Takes the buttons into service, and the picture.
  #attach() {
    this.#on("run", () => this.#play());
    this.#on("pause", () => this.#pause());
    this.#on("step", () => this.#move(() => (this.#isStepWanted = !this.#view.step() && this.#isRecording)));
    this.#on("back", () => this.#move(() => this.#view.back()));
    this.#on("reset", () => this.#reset());
    this.#on("restart", () => this.#restart());
    const repaint = () => (this.#isDirty = true);
    for (const query of [prefersDark, prefersStill]) query.onchange = repaint;
    new ResizeObserver(repaint).observe(byId("picture"));
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

  // --- The run -------------------------------------------------------------

  #clear() {
    this.#runner.stop();
    this.#view?.free();
    const { wasm, name, pairs, world } = this.#experiment;
    this.#view = new wasm.View(new wasm.Address(name, pairs), world);
    this.#isPlaying = this.#isRecording = this.#hasTrace = this.#isStepWanted = false;
    byId("trap").hidden = true;
    setText(byId("threads"), "");
    this.#update();
  }

  // Starts the experiment in its Worker.
  #record() {
    const { chapter, name, pairs, world } = this.#experiment;
    const build = world === "tab" && crossOriginIsolated ? "threads" : "single";
    this.#isRecording = this.#hasTrace = true;
    const listener = {
      ready: (info) => setText(byId("threads"), world === "tab" ? describeThreads(info) : ""),
      batch: (names, words, now) => this.#view.push(names, words, now),
      end: (died) => this.#recorded(died),
      lost: (cause, isBug) => {
        this.#isPlaying = false;
        this.#recorded(cause);
        this.#view.toEnd();
        this.#update();
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
    this.#runner.start({ chapter, build, world, name, pairs }, listener);
    this.#update();
  }

  #recorded(died) {
    this.#isRecording = false;
    this.#view.complete(died);
    if (prefersStill.matches && !this.#isPlaying) this.#view.toEnd();
    this.#update();
  }

  #play() {
    if (this.#view.isFinished) this.#clear();
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
    this.#isPlaying = this.#isStepWanted = false;
    if (!this.#hasTrace) this.#record();
    how();
    this.#update();
  }

  // Back to the start, stopped. A simulation would come out the same, so its
  // trace is kept; what the tab really does is recorded anew.
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

  // --- Every frame ---------------------------------------------------------

  #frame(now) {
    // A hidden tab gets no frames; on return play goes on where it stood.
    const elapsed = Math.min(now - this.#lastFrame, 100);
    this.#lastFrame = now;
    this.#guard(() => {
      if (this.#isPlaying) this.#advance(elapsed, now);
      if (this.#isDirty) this.#paint();
      this.#isDirty = false;
    });
    if (!this.#isBroken) requestAnimationFrame((next) => this.#frame(next));
  }

  // The numbers follow every frame, the narration once a second.
  #advance(elapsed, now) {
    this.#view.advance(elapsed);
    this.#isDirty = true;
    if (this.#view.isFinished) {
      this.#isPlaying = false;
      this.#update();
      return;
    }
    showNumbers(JSON.parse(this.#view.numbers()), this.#experiment.world);
    if (now - this.#lastNarration >= NARRATION_INTERVAL_MS) {
      this.#lastNarration = now;
      setText(byId("narration"), this.#view.status());
      this.#showFigures();
    }
  }

  // Of a chapter that has some. They are made from all that was recorded.
  #showFigures() {
    const { wasm } = this.#experiment;
    showTable("figures", wasm.View.prototype.figures ? JSON.parse(this.#view.figures()) : []);
  }

  #paint() {
    const canvas = byId("picture");
    const { clientWidth, clientHeight } = canvas;
    this.#view.paint(canvas, clientWidth, clientHeight, devicePixelRatio, prefersDark.matches, prefersStill.matches);
  }

  // All that is shown, after anything but time has changed.
  #update() {
    this.#isDirty = true;
    const numbers = JSON.parse(this.#view.numbers());
    showNumbers(numbers, this.#experiment.world);
    showVerdicts(JSON.parse(this.#view.verdicts()));
    this.#showFigures();
    const status = this.#view.status();
    setText(byId("narration"), status);
    // Read aloud: what was asked for, and how it came out, not every sentence.
    setText(byId("status"), this.#isPlaying ? "The run is playing." : status);
    const isAtStart = numbers.event === 0;
    enable("run", !this.#isPlaying, "pause");
    enable("pause", this.#isPlaying, "run");
    enable("step", true);
    enable("back", !isAtStart, "step");
    enable("reset", !isAtStart || this.#isRecording, "run");
  }
}

// A button that is switched off would lose the keyboard's focus: it goes to the
// one that takes its place.
function enable(id, isEnabled, successor) {
  const hadFocus = document.activeElement === byId(id);
  byId(id).disabled = !isEnabled;
  if (hadFocus && !isEnabled) {
    byId(successor).disabled = false;
    byId(successor).focus({ preventScroll: true });
  }
}

function describeThreads({ threads, without }) {
  if (threads) {
    const { threads: ids, primes } = threads;
    return `This tab is isolated: when its Worker started, ${ids.length} threads (ids ${ids.join(", ")}) counted ${primes.toLocaleString("en")} primes. This scenario runs on its loop alone.`;
  }
  return crossOriginIsolated
    ? `This tab has one thread: ${without}.`
    : "This tab has one thread: it was served without the headers COOP and COEP, so Workers cannot share memory.";
}

function describeBug(cause) {
  return `The run trapped: ${cause}. That is a bug, not a failure to handle: its WebAssembly instance is lost, and its Worker was ended. The page goes on; a restart runs the experiment in a new Worker.`;
}

function describeLoss(cause) {
  return `The run could not start: ${cause}. Is the server still there? A restart tries again in a new Worker.`;
}
