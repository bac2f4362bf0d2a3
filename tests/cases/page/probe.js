// Runs in the page before its own scripts and measures them.
const probe = { frames: [], movedAt: null, interactions: new Map() };
window.probe = probe;

// The page's work per frame, in milliseconds.
const request = window.requestAnimationFrame.bind(window);
let frame = { now: 0 };
window.requestAnimationFrame = (callback) =>
  request((now) => {
    if (frame.now !== now) probe.frames.push((frame = { now, took: 0 }));
    const began = performance.now();
    callback(now);
    frame.took += performance.now() - began;
  });

// Times from a click or key press to the next paint.
new PerformanceObserver((list) => {
  for (const { interactionId, duration } of list.getEntries()) {
    if (interactionId) probe.interactions.set(interactionId, Math.max(duration, probe.interactions.get(interactionId) ?? 0));
  }
}).observe({ type: "event", durationThreshold: 16, buffered: true });

// The time at which a non-empty picture first changed.
const small = new OffscreenCanvas(96, 54).getContext("2d", { willReadFrequently: true });
const before = new Map();
function look() {
  for (const canvas of document.querySelectorAll("canvas")) {
    if (!canvas.checkVisibility()) continue;
    small.clearRect(0, 0, 96, 54);
    small.drawImage(canvas, 0, 0, 96, 54);
    const pixels = String(small.getImageData(0, 0, 96, 54).data.filter((_, at) => at % 16 < 4));
    const isEmpty = /^[0,]*$/.test(pixels);
    if (before.has(canvas) && before.get(canvas) !== pixels) probe.movedAt ??= performance.now();
    if (!isEmpty) before.set(canvas, pixels);
  }
  if (probe.movedAt === null) request(look);
}
request(look);

// Replaces the frame clock: each call of `probe.frame` advances it by 100 ms.
probe.useFastClock = () => {
  let now = performance.now();
  let wanted = [];
  window.requestAnimationFrame = (callback) => wanted.push(callback);
  probe.frame = () => {
    now += 100;
    const callbacks = wanted;
    wanted = [];
    for (const callback of callbacks) callback(now);
  };
};
