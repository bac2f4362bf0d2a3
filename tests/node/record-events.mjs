// Runs random scripts of emitter operations with Node's EventEmitter and prints
// them with their traces as JSON lines: a header, then one script per line.
//
//   node record-events.mjs --seed 7 --count 1000 > events.jsonl
//   node record-events.mjs --seed 7 --count 1000 | cargo run --release -p tests -- replay events -
//
// A script has a list of operations and a list of behaviours. Listener n,
// counting from 0, runs behaviour n modulo the number of behaviours each time
// it is called. An operation is a name with an argument:
//
//   on, once, prepend, prependOnce EVENT   register a listener
//   off NUMBER         remove the listener with that number, modulo the number of listeners
//   removeAll EVENT    remove all listeners of an event
//   emit EVENT         emit the event; in a listener, exceptions propagate
//   try EVENT          emit the event and catch exceptions
//   throw              throw an Error; only in listeners
//
// The trace is a list of steps:
//
//   call N EVENT DEPTH      listener N was called
//   true EVENT              an emit returned true (or `false EVENT`)
//   thrown EVENT MESSAGE    an emit threw an exception
//   has EVENT=N,N ...       the listeners in order, recorded after each operation

import { EventEmitter } from 'node:events';

import { record } from './recording.mjs';

const EVENTS = ['a', 'b', 'error'];
// Emits, registrations and behaviours beyond these limits are skipped, so that
// scripts terminate.
const MAX_DEPTH = 4;
const MAX_LISTENERS = 48;
const MAX_CALLS = 200;

await record('events', randomScript, run);

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
      const callDepth = depth instanceof Error ? depth.depth : depth;
      trace.push(`call ${number} ${event} ${callDepth}`);
      calls += 1;
      if (calls <= MAX_CALLS) {
        perform(behaviours[number % behaviours.length], callDepth, number);
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
    for (const [word, argument] of actions) {
      switch (word) {
        case 'on':
          register('on', argument);
          break;
        case 'once':
          register('once', argument);
          break;
        case 'prepend':
          register('prependListener', argument);
          break;
        case 'prependOnce':
          register('prependOnceListener', argument);
          break;
        case 'off':
          if (registered.length > 0) {
            const { event, listener } = registered[argument % registered.length];
            emitter.off(event, listener);
          }
          break;
        case 'removeAll':
          emitter.removeAllListeners(argument);
          break;
        case 'emit':
          emit(argument, depth + 1);
          break;
        case 'try':
          try {
            emit(argument, depth + 1);
          } catch {
            // The exception is already in the trace.
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
      // The exception is already in the trace.
    }
    const listenersByEvent = EVENTS.map((event) => {
      const numbers = emitter.listeners(event).map((listener) => listener.number);
      return `${event}=${numbers}`;
    });
    trace.push(`has ${listenersByEvent.join(' ')}`);
  }
  return trace;
}
