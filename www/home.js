// Home: each card plays a run of its scenario while visible.

import { chapterOf } from "./contents.js";
import { byId, setText } from "./readout.js";

const HEIGHT = 250; // of a picture's layout, in CSS pixels
const SPEED = 0.5;
const prefersDark = matchMedia("(prefers-color-scheme: dark)");

export class Home {
  #cards = [...document.querySelectorAll("#home article")].map((card) => ({
    name: card.querySelector("a").hash.slice(2),
    canvas: card.querySelector("canvas"),
  }));
  #queue = Promise.resolve(); // of runs to record
  #abandon = null;
  #isShown = false;
  #isPlaying = !matchMedia("(prefers-reduced-motion: reduce)").matches;
  #isAwake = false;
  #lastFrame = 0;
  #scrolledTo = 0;

  constructor(loader, runner) {
    Object.assign(this, { loader, runner });
    const seen = new IntersectionObserver((entries) => this.#see(entries));
    const resized = new ResizeObserver(() => this.#wake());
    for (const { canvas } of this.#cards) {
      seen.observe(canvas);
      resized.observe(canvas);
    }
    prefersDark.onchange = () => this.#wake();
    byId("motion").onclick = () => this.#play(!this.#isPlaying);
    this.#play(this.#isPlaying);
  }

  show() {
    this.#isShown = true;
    scrollTo(0, this.#scrolledTo);
    this.#wake();
  }

  hide() {
    if (this.#isShown) this.#scrolledTo = scrollY;
    this.#isShown = false;
    this.#abandon?.();
  }

  #play(isPlaying) {
    this.#isPlaying = isPlaying;
    setText(byId("motion"), isPlaying ? "Pause the pictures" : "Play the pictures");
    this.#wake();
  }

  #see(entries) {
    for (const { target, isIntersecting } of entries) {
      const card = this.#cards.find(({ canvas }) => canvas === target);
      card.isSeen = isIntersecting;
      if (isIntersecting && !card.isWanted) this.#prepare(card);
    }
    this.#wake();
  }

  // Records runs one by one. Simulations take an instant.
  async #prepare(card) {
    card.isWanted = true;
    const { name } = chapterOf(card.name);
    const loaded = await this.loader.load(name).catch(() => null);
    // Retried when next visible.
    if (!loaded) return void (card.isWanted = false);
    const { wasm } = loaded;
    byId("missing").hidden = true;
    this.#queue = this.#queue.then(async () => {
      card.isWanted = this.#isShown && card.isSeen && (await this.#record(card, name, wasm));
      this.#wake();
    });
  }

  async #record(card, chapter, wasm) {
    const view = new wasm.View(new wasm.Address(card.name, []), "virtual");
    let length;
    const isComplete = await new Promise((resolve) => {
      this.#abandon = () => {
        this.runner.stop();
        resolve(false);
      };
      const experiment = { chapter, build: "single", world: "virtual", name: card.name, pairs: [] };
      this.runner.start(experiment, {
        ready() {},
        batch: (names, words, now) => view.push(names, words, (length = now)),
        end: () => resolve(true),
        lost: () => resolve(false),
      });
    });
    this.#abandon = null;
    if (!isComplete) return view.free();
    view.complete();
    // Start halfway: the first pictures are empty.
    view.advance(length / 2);
    card.view = view;
    return true;
  }

  #wake() {
    if (!this.#isAwake) requestAnimationFrame((now) => this.#frame(now));
    this.#isAwake = true;
  }

  #frame(now) {
    this.#isAwake = false;
    if (!this.#isShown) return;
    const elapsed = Math.min(now - this.#lastFrame, 100);
    this.#lastFrame = now;
    for (const { view, canvas, isSeen } of this.#cards) {
      if (!view || !isSeen) continue;
      if (this.#isPlaying) {
        if (view.isFinished) view.rewind();
        view.advance(elapsed * SPEED);
        this.#wake();
      }
      const scale = canvas.clientHeight / HEIGHT;
      view.paintSmall(canvas, canvas.clientWidth / scale, HEIGHT, devicePixelRatio * scale, prefersDark.matches);
    }
  }
}
