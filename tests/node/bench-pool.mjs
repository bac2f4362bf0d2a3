// CPU work on the event loop or in threads, to compare with Highwater's pool.
// Run by `cargo run --release -p tests -- bench scaling`.
//
//   node bench-pool.mjs delay loop 42                 measures the event loop delay
//   node bench-pool.mjs delay threads 42
//   node bench-pool.mjs delay piscina 42 target/npm/node_modules/piscina/dist/main.js
//   node bench-pool.mjs tasks piscina 5 target/npm/node_modules/piscina/dist/main.js
//
// It prints JSON: `p50`, `p99` and `max` in milliseconds, or `per_second`.

import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';

const TICK_INTERVAL = 5;
const THREADS = 2;
const WINDOW = 64;
const THIS_FILE = fileURLToPath(import.meta.url);

const fib = (n) => (n < 2 ? n : fib(n - 1) + fib(n - 2));

/** The task for piscina. */
export default fib;

/**
 * Measures the delay of each timer tick. Ticks missed while the loop was blocked
 * count too, with the time since they were due.
 */
const monitor = () => {
  const delays = [];
  let due = performance.now() + TICK_INTERVAL;
  let timer;
  const tick = () => {
    clearTimeout(timer);
    const now = performance.now();
    for (; due <= now; due += TICK_INTERVAL) {
      delays.push(now - due);
    }
    timer = setTimeout(tick, due - now);
  };
  tick();
  return () => {
    tick();
    clearTimeout(timer);
    delays.sort((a, b) => a - b);
    const percentile = (part) =>
      delays[Math.min(delays.length - 1, Math.ceil(delays.length * part) - 1)];
    return {
      p50: percentile(0.5),
      p99: percentile(0.99),
      max: percentile(1),
      ticks: delays.length,
    };
  };
};

const fibInThread = (n) =>
  new Promise((resolvePromise, rejectPromise) => {
    const worker = new Worker(THIS_FILE, { workerData: { fib: n } });
    worker.once('message', resolvePromise);
    worker.once('error', rejectPromise);
  });

const main = async ([mode, execution, size, module]) => {
  const n = Number(size);
  let pool;
  if (execution === 'piscina') {
    const { Piscina } = createRequire(import.meta.url)(resolve(module));
    pool = new Piscina({ filename: THIS_FILE, minThreads: THREADS, maxThreads: THREADS });
  }
  const run = {
    loop: () => Promise.resolve().then(() => fib(n)),
    threads: () => fibInThread(n),
    piscina: () => pool.run(n),
  }[execution];
  let result;
  if (mode === 'delay') {
    // Starts the worker threads before the measurement.
    await Promise.all([pool?.run(1), pool?.run(1), sleep(200)]);
    const finish = monitor();
    await Promise.all([run(), run()]);
    result = finish();
  } else {
    const measureRate = async (milliseconds) => {
      const end = performance.now() + milliseconds;
      let done = 0;
      const repeat = async () => {
        while (performance.now() < end) {
          await run();
          done += 1;
        }
      };
      const start = performance.now();
      await Promise.all(Array.from({ length: WINDOW }, repeat));
      return (done * 1000) / (performance.now() - start);
    };
    // Warms up the JIT compiler.
    await measureRate(500);
    result = { per_second: await measureRate(1000) };
  }
  console.log(JSON.stringify(result));
  await pool?.destroy();
};

if (isMainThread) {
  await main(process.argv.slice(2));
} else if (workerData?.fib !== undefined) {
  parentPort.postMessage(fib(workerData.fib));
}
