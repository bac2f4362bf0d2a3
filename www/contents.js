// The table of contents. Each chapter has a WebAssembly of its own, which is
// loaded when one of its scenarios is opened. A test compares this with what
// `highwater list` has.

export const chapters = [
  { name: "events", scenarios: ["observer", "decoupling"] },
  { name: "streams", scenarios: ["backpressure", "pipeline"] },
  { name: "errors", scenarios: ["taxonomy", "handler"] },
  { name: "scaling", scenarios: ["blocking", "threads", "cluster"] },
];

// The chapter that a scenario belongs to, if there is such a scenario.
export function chapterOf(scenario) {
  return chapters.find(({ scenarios }) => scenarios.includes(scenario));
}

// Where a chapter's WebAssembly is, of either build: "single" or "threads".
export function moduleOf(chapter, build) {
  return `./pkg/${chapter}/${build === "threads" ? "threads/" : ""}highwater_web.js`;
}
