// Runs in the page before its own scripts, and notes what they make it do.
const probe = { frames: [], movedAt: null, interactions: new Map() };
window.probe = probe;

// How long the page's own work of each frame takes, in milliseconds.
const request = window.requestAnimationFrame.bind(window);
let frame = { now: 0 };
window.requestAnimationFrame = (callback) =>
  request((now) => {
    if (frame.now !== now) probe.frames.push((frame = { now, took: 0 }));
    const began = performance.now();
    callback(now);
    frame.took += performance.now() - began;
  });

// How long until the page showed what came of a click or a key.
new PerformanceObserver((list) => {
  for (const { interactionId, duration } of list.getEntries()) {
    if (interactionId) probe.interactions.set(interactionId, Math.max(duration, probe.interactions.get(interactionId) ?? 0));
  }
}).observe({ type: "event", durationThreshold: 16, buffered: true });

// When a picture first looked other than before, and not because it was empty.
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

// Play by another clock: so many frames, a tenth of a second apart, as fast as they
// can be made.
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
