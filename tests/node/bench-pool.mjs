// CPU work on the event loop and off it, the peer of Highwater's pool.
// `cargo run --release -p tests -- bench scaling` runs it in rounds.
//
//   node bench-pool.mjs delay loop 42                 the delay of a timer
//   node bench-pool.mjs delay threads 42
//   node bench-pool.mjs delay piscina 42 target/npm/node_modules/piscina/dist/main.js
//   node bench-pool.mjs tasks piscina 5 target/npm/node_modules/piscina/dist/main.js
//
// It prints JSON: milliseconds `p50`, `p99` and `max`; or `per_second`.

import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';

const PERIOD = 5;
const THREADS = 2;
const WINDOW = 64;
const HERE = fileURLToPath(import.meta.url);

const fib = (n) => (n < 2 ? n : fib(n - 1) + fib(n - 2));

/** The task that piscina runs. */
export default fib;

/**
 * Measures the delay of each tick of a timer from its due time. Ticks that a
 * blocked loop has missed count as well, with the time they waited.
 */
const monitor = () => {
  const late = [];
  let due = performance.now() + PERIOD;
  let timer;
  const tick = () => {
    clearTimeout(timer);
    const now = performance.now();
    for (; due <= now; due += PERIOD) {
      late.push(now - due);
    }
    timer = setTimeout(tick, due - now);
  };
  tick();
  return () => {
    tick();
    clearTimeout(timer);
    late.sort((a, b) => a - b);
    const at = (part) => late[Math.min(late.length - 1, Math.ceil(late.length * part) - 1)];
    return { p50: at(0.5), p99: at(0.99), max: at(1), ticks: late.length };
  };
};

const thread = (n) =>
  new Promise((done, failed) => {
    const worker = new Worker(HERE, { workerData: { fib: n } });
    worker.once('message', done);
    worker.once('error', failed);
  });

const main = async ([what, how, size, module]) => {
  const n = Number(size);
  let pool;
  if (how === 'piscina') {
    const { Piscina } = createRequire(import.meta.url)(resolve(module));
    pool = new Piscina({ filename: HERE, minThreads: THREADS, maxThreads: THREADS });
  }
  const run = {
    loop: () => Promise.resolve().then(() => fib(n)),
    threads: () => thread(n),
    piscina: () => pool.run(n),
  }[how];
  let result;
  if (what === 'delay') {
    // Starts the threads before the measurement.
    await Promise.all([pool?.run(1), pool?.run(1), sleep(200)]);
    const measured = monitor();
    await Promise.all([run(), run()]);
    result = measured();
  } else {
    const time = async (milliseconds) => {
      const end = performance.now() + milliseconds;
      let done = 0;
      const one = async () => {
        while (performance.now() < end) {
          await run();
          done += 1;
        }
      };
      const start = performance.now();
      await Promise.all(Array.from({ length: WINDOW }, one));
      return (done * 1000) / (performance.now() - start);
    };
    // Warms up the compiler.
    await time(500);
    result = { per_second: await time(1000) };
  }
  console.log(JSON.stringify(result));
  await pool?.destroy();
};

if (isMainThread) {
  await main(process.argv.slice(2));
} else if (workerData?.fib !== undefined) {
  parentPort.postMessage(fib(workerData.fib));
}
