// Measures an emitter with a number of listeners and prints nanoseconds per
// emit. Run by `cargo run --release -p tests -- bench events`.
//
//   node bench-events.mjs node:events 10 200
//   node bench-events.mjs target/npm/node_modules/eventemitter3/index.js 10 200

import { createRequire } from 'node:module';
import { resolve } from 'node:path';

const [moduleName, listeners, milliseconds] = process.argv.slice(2);
const module = createRequire(import.meta.url)(
  moduleName.startsWith('node:') ? moduleName : resolve(moduleName),
);
const { EventEmitter } = module;

const emitter = new EventEmitter();
emitter.setMaxListeners?.(0);
// Each listener has its own sum: with a shared sum, each addition would wait
// for the previous one.
const sums = [];
for (let number = 0; number < Number(listeners); number += 1) {
  let sum = 0;
  sums.push(() => sum);
  emitter.on('reading', (reading) => {
    sum += reading;
  });
}

const measure = (emits) => {
  const start = process.hrtime.bigint();
  for (let reading = 0; reading < emits; reading += 1) {
    emitter.emit('reading', reading & 7);
  }
  return Number(process.hrtime.bigint() - start);
};

// Warms up the JIT compiler and determines how many emits take the requested
// time.
let emits = 1000;
while (measure(emits) < 20e6) {
  emits *= 2;
}
emits = Math.max(1, Math.round((emits * Number(milliseconds) * 1e6) / measure(emits)));
const sumsBefore = sums.map((sum) => sum());
const elapsed = measure(emits);

let expected = 0;
for (let reading = 0; reading < emits; reading += 1) {
  expected += reading & 7;
}
if (!sums.every((sum, number) => sum() - sumsBefore[number] === expected)) {
  throw new Error('a listener was not called');
}
console.log(JSON.stringify({ nanoseconds: elapsed / emits, node: process.version }));
