// The table of contents. Each chapter has its own WebAssembly, loaded when one of its
// scenarios is opened. A test compares this list with `highwater list`.

export const chapters = [
  { name: "events", scenarios: ["observer", "decoupling"] },
  { name: "streams", scenarios: ["backpressure", "pipeline"] },
  { name: "errors", scenarios: ["taxonomy", "handler"] },
  { name: "scaling", scenarios: ["blocking", "threads", "cluster"] },
];

// Returns the chapter of a scenario, if there is one.
export function chapterOf(scenario) {
  return chapters.find(({ scenarios }) => scenarios.includes(scenario));
}

// Returns the address of a chapter's build: "single" or "threads".
export function moduleOf(chapter, build) {
  return `./pkg/${chapter}/${build === "threads" ? "threads/" : ""}highwater_web.js`;
}
