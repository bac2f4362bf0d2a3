// Blocks the page's own loop on purpose and measures the effect.

import { byId, setText, showTable } from "./readout.js";

const HOLD_MS = 500;
const BEAT_MS = 20; // interval of the page's heartbeat
const freezes = [];

export function start() {
  byId("freeze-now").onclick = freeze;
  show();
}

async function freeze() {
  byId("freeze-now").disabled = true;
  setText(byId("freeze-status"), "This tab is frozen.");
  const watch = { frame: 0, beat: 0, beats: 0 };
  let isOver = false;
  let lastFrame = await nextFrame();
  let due = performance.now() + BEAT_MS;
  const onFrame = (now) => {
    watch.frame = Math.max(watch.frame, now - lastFrame);
    lastFrame = now;
    if (!isOver) requestAnimationFrame(onFrame);
  };
  requestAnimationFrame(onFrame);
  // A late beat counts the missed ones before it.
  const timer = setInterval(() => {
    const late = performance.now() - due;
    watch.beat = Math.max(watch.beat, late);
    watch.beats += Math.max(0, Math.floor(late / BEAT_MS));
    due = performance.now() + BEAT_MS;
  }, BEAT_MS);
  await nextFrame();

  const began = performance.now();
  while (performance.now() - began < HOLD_MS);
  const held = performance.now() - began;

  for (let frame = 0; frame < 3; frame += 1) await nextFrame();
  await new Promise((resolve) => setTimeout(resolve, 2 * BEAT_MS));
  clearInterval(timer);
  isOver = true;
  const [heldMs, frameMs, lateMs] = [held, watch.frame, watch.beat].map((ms) => `${Math.round(ms)} ms`);
  freezes.push([freezes.length + 1, heldMs, frameMs, lateMs, watch.beats]);
  setText(
    byId("freeze-status"),
    `This tab was frozen: no frame for ${frameMs}, heartbeat ${lateMs} late, ${watch.beats} beats missed. Runs continue in a Worker, which has its own loop.`,
  );
  show();
  byId("freeze-now").disabled = false;
  byId("freeze-now").focus({ preventScroll: true });
}

function show() {
  showTable("freezes", freezes);
}

function nextFrame() {
  return new Promise((resolve) => requestAnimationFrame(resolve));
}
