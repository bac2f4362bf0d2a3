// Loads each chapter's WebAssembly once, when first needed.

import { moduleOf } from "./contents.js";

// Retry interval for a missing chapter.
const RETRY_MS = 2000;

export class Loader {
  #loaded = new Map();

  // `prepare` is called with each WebAssembly, `missing` with a chapter's name each
  // time it is not found.
  constructor({ prepare, missing }) {
    this.prepare = prepare;
    this.missing = missing;
  }

  // Resolves to the chapter's WebAssembly and its scenarios by name. Waits for a
  // chapter that is still being built. Rejects if only a reload could help.
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
    for (let attempt = 0, exists = false; ; attempt += 1) {
      try {
        // Browsers cache a failed import, so vary the address.
        return await import(attempt === 0 ? address : `${address}?${attempt}`);
      } catch (error) {
        if (exists) throw error;
      }
      // This also fails offline.
      exists = await fetch(address, { method: "HEAD" }).then(({ ok }) => ok, () => false);
      if (exists) continue;
      this.missing(chapter);
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}
