// Times an emitter in Node with a number of listeners and prints nanoseconds per
// emit. `cargo run --release -p tests -- bench events` runs it in rounds.
//
//   node bench-events.mjs node:events 10 200
//   node bench-events.mjs target/npm/node_modules/eventemitter3/index.js 10 200

import { createRequire } from 'node:module';
import { resolve } from 'node:path';

const [which, listeners, milliseconds] = process.argv.slice(2);
const module = createRequire(import.meta.url)(
  which.startsWith('node:') ? which : resolve(which),
);
const { EventEmitter } = module;

const emitter = new EventEmitter();
emitter.setMaxListeners?.(0);
// Each listener has its own sum: with a shared one, each addition would wait for
// the previous one.
const sums = [];
for (let number = 0; number < Number(listeners); number += 1) {
  let sum = 0;
  sums.push(() => sum);
  emitter.on('reading', (reading) => {
    sum += reading;
  });
}

const time = (emits) => {
  const start = process.hrtime.bigint();
  for (let reading = 0; reading < emits; reading += 1) {
    emitter.emit('reading', reading & 7);
  }
  return Number(process.hrtime.bigint() - start);
};

// Warms up the compiler and determines the number of emits that fill the time.
let emits = 1000;
while (time(emits) < 20e6) {
  emits *= 2;
}
emits = Math.max(1, Math.round((emits * Number(milliseconds) * 1e6) / time(emits)));
const before = sums.map((sum) => sum());
const elapsed = time(emits);

let expected = 0;
for (let reading = 0; reading < emits; reading += 1) {
  expected += reading & 7;
}
if (!sums.every((sum, number) => sum() - before[number] === expected)) {
  throw new Error('a listener was not called');
}
console.log(JSON.stringify({ nanoseconds: elapsed / emits, node: process.version }));
