// The page's WebAssembly: each chapter's is loaded once, when it is first needed.

import { moduleOf } from "./contents.js";

// While a chapter is not there, how long until the next look.
const RETRY_MS = 2000;

export class Loader {
  #loaded = new Map();

  // `prepare` is called with each WebAssembly, and `missing` with the name of a
  // chapter each time that it is found not to be there.
  constructor({ prepare, missing }) {
    this.prepare = prepare;
    this.missing = missing;
  }

  // The chapter's WebAssembly, and its scenarios by their names. A chapter that
  // is not there may be still being built: the promise waits for it. It fails
  // where a reload could help at best.
  load(chapter) {
    if (!this.#loaded.has(chapter)) {
      const loading = this.#fetch(chapter);
      this.#loaded.set(chapter, loading);
      loading.catch(() => this.#loaded.delete(chapter));
    }
    return this.#loaded.get(chapter);
  }

  async #fetch(chapter) {
    const wasm = await this.#import(chapter);
    await wasm.default();
    this.prepare(wasm);
    const scenarios = JSON.parse(wasm.scenarios());
    return { wasm, scenarios: new Map(scenarios.map((scenario) => [scenario.name, scenario])) };
  }

  async #import(chapter) {
    const address = moduleOf(chapter, "single");
    for (let attempt = 0, isThere = false; ; attempt += 1) {
      try {
        // A browser may remember of an address that nothing was there.
        return await import(attempt === 0 ? address : `${address}?${attempt}`);
      } catch (error) {
        if (isThere) throw error;
      }
      // Nothing is, where there is no network.
      isThere = await fetch(address, { method: "HEAD" }).then(({ ok }) => ok, () => false);
      if (isThere) continue;
      this.missing(chapter);
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}
