// Writes random scripts of emitter operations, and what Node's EventEmitter
// makes of them, as JSON lines: a header, then one script a line.
//
//   node record-events.mjs --seed 7 --count 1000 > events.jsonl
//   node record-events.mjs --seed 7 --count 1000 | cargo run --release -p tests -- replay events -
//
// A script is a list of operations, and of behaviours. The listener registered
// n-th, counting from 0, does what behaviour n modulo their number says each
// time it is called. An operation is a word and what it applies to:
//
//   on, once, prepend, prependOnce EVENT   register a listener
//   off NUMBER         remove the listener of that number, modulo those there are
//   removeAll EVENT    remove all of an event
//   emit EVENT         emit; within a listener an exception passes through
//   try EVENT          emit, and catch
//   throw              throw an Error (only within a listener)
//
// The trace is a list of what happened, in words:
//
//   call N EVENT DEPTH      listener N was called
//   true EVENT              an emit returned that; or false
//   thrown EVENT MESSAGE    an exception left an emit
//   has EVENT=N,N ...       after each operation: who listens, in order

import { EventEmitter } from 'node:events';
import { parseArgs } from 'node:util';

const EVENTS = ['a', 'b', 'error'];
// Beyond these an emit, a registration or a behaviour is passed over, so that
// scripts end.
const MAX_DEPTH = 4;
const MAX_LISTENERS = 48;
const MAX_CALLS = 200;

// A reader that has gone is no error.
process.stdout.on('error', (error) => {
  process.exit(error.code === 'EPIPE' ? 0 : 1);
});

const { seed, count } = options();
await write(JSON.stringify({ format: 1, node: process.version, seed, count }));
for (let number = 0; number < count; number += 1) {
  const script = randomScript(random(seed * 1_000_003 + number));
  script.trace = run(script);
  await write(JSON.stringify(script));
}

function options() {
  const help = `Usage: node record-events.mjs [--seed SEED] [--count COUNT]

  --seed SEED    whole number from 0 to 2147483647 (default 1)
  --count COUNT  how many scripts, from 1 to 10000000 (default 100)

Example: node record-events.mjs --seed 7 --count 1000 > events.jsonl`;
  const fail = (message) => {
    process.stderr.write(`record-events: ${message}\n`);
    process.exit(2);
  };
  let values;
  try {
    ({ values } = parseArgs({
      options: {
        seed: { type: 'string', default: '1' },
        count: { type: 'string', default: '100' },
        help: { type: 'boolean', short: 'h' },
      },
    }));
  } catch (error) {
    fail(`${error.message}\n${help}`);
  }
  if (values.help) {
    process.stdout.write(`${help}\n`);
    process.exit(0);
  }
  const whole = (name, min, max) => {
    const text = values[name];
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < min || value > max) {
      fail(`--${name} ${text}: a whole number from ${min} to ${max} is needed`);
    }
    return value;
  };
  return { seed: whole('seed', 0, 2147483647), count: whole('count', 1, 10_000_000) };
}

/** Waits when the reader is slow. */
function write(line) {
  if (process.stdout.write(`${line}\n`)) {
    return undefined;
  }
  return new Promise((resolve) => {
    process.stdout.once('drain', resolve);
  });
}
/** Numbers below n: a linear congruential generator's upper bits. */
function random(seed) {
  let state = (BigInt(seed) ^ 0x5deece66dn) & ((1n << 48n) - 1n);
  return (n) => {
    state = (state * 0x5deece66dn + 11n) & ((1n << 48n) - 1n);
    return Number((state >> 17n) % BigInt(n));
  };
}

function randomScript(below) {
  const event = () => EVENTS[below(5) % 3];
  const operation = (inListener) => {
    switch (below(inListener ? 11 : 10)) {
      case 0:
      case 1:
        return ['on', event()];
      case 2:
        return ['once', event()];
      case 3:
        return ['prepend', event()];
      case 4:
        return ['prependOnce', event()];
      case 5:
        return ['off', below(12)];
      case 6:
        return below(3) === 0 ? ['removeAll', event()] : ['off', below(12)];
      case 7:
        return [inListener ? 'try' : 'emit', event()];
      case 10:
        return ['throw'];
      default:
        return ['emit', event()];
    }
  };
  const list = (length, inListener) => Array.from({ length }, () => operation(inListener));
  return {
    behaviours: Array.from({ length: 1 + below(5) }, () => list(below(4), true)),
    operations: list(4 + below(14), false),
  };
}

function run({ behaviours, operations }) {
  const trace = [];
  const emitter = new EventEmitter();
  emitter.setMaxListeners(0);
  const registered = [];
  let calls = 0;
  let emits = 0;

  const register = (method, event) => {
    if (registered.length === MAX_LISTENERS) {
      return;
    }
    const number = registered.length;
    const listener = (depth) => {
      const at = depth instanceof Error ? depth.depth : depth;
      trace.push(`call ${number} ${event} ${at}`);
      calls += 1;
      if (calls <= MAX_CALLS) {
        perform(behaviours[number % behaviours.length], at, number);
      }
    };
    listener.number = number;
    registered.push({ event, listener });
    emitter[method](event, listener);
  };

  const emit = (event, depth) => {
    if (depth > MAX_DEPTH) {
      return;
    }
    emits += 1;
    let payload = depth;
    if (event === 'error') {
      payload = new Error(`e${emits}`);
      payload.depth = depth;
    }
    try {
      trace.push(`${emitter.emit(event, payload)} ${event}`);
    } catch (error) {
      trace.push(`thrown ${event} ${error.message}`);
      throw error;
    }
  };

  const perform = (actions, depth, number) => {
    for (const [word, what] of actions) {
      switch (word) {
        case 'on':
          register('on', what);
          break;
        case 'once':
          register('once', what);
          break;
        case 'prepend':
          register('prependListener', what);
          break;
        case 'prependOnce':
          register('prependOnceListener', what);
          break;
        case 'off':
          if (registered.length > 0) {
            const { event, listener } = registered[what % registered.length];
            emitter.off(event, listener);
          }
          break;
        case 'removeAll':
          emitter.removeAllListeners(what);
          break;
        case 'emit':
          emit(what, depth + 1);
          break;
        case 'try':
          try {
            emit(what, depth + 1);
          } catch {
            // It is in the trace.
          }
          break;
        case 'throw':
          throw new Error(`t${number}`);
      }
    }
  };

  for (const operation of operations) {
    try {
      perform([operation], -1, 0);
    } catch {
      // It is in the trace.
    }
    const has = EVENTS.map((event) => {
      const numbers = emitter.listeners(event).map((listener) => listener.number);
      return `${event}=${numbers}`;
    });
    trace.push(`has ${has.join(' ')}`);
  }
  return trace;
}
