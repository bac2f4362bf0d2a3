// Runs random scripts of stream operations with Node's Writable and prints them
// with their traces as JSON lines: a header, then one script per line.
//
//   node record-streams.mjs --seed 7 --count 1000 > streams.jsonl
//   node record-streams.mjs --seed 7 --count 1000 | cargo run --release -p tests -- replay streams -
//
// A script has a `highWaterMark`, in bytes or with `objectMode` in objects; a flag
// for a destination with `writev`; a list of operations; and `answers`. Answer n,
// modulo their number, says when write n of the destination calls back, counting
// from 0:
//
//   later       its callback is called by an operation
//   soon        its callback is called in the next tick
//   now         its callback is called before `_write` returns
//   nowFail     the same, with an error
//
// An operation is a word with an argument. Pending work is settled before the next
// operation:
//
//   write SIZE     write a chunk: of SIZE bytes (text if SIZE is odd), or an object
//   done           call the callback of the waiting write, if there is one
//   fail           the same, with an error
//   cork, uncork
//   end, endWith SIZE
//   destroy, destroyWith   with an error
//
// The trace is a list of steps. Chunks are numbered from 0, rejected ones
// included:
//
//   true            a write returned true; or false
//   give N          `_write` was called with chunk N; `give N-M` is `_writev`
//   done N          the callback of that was called; `done N-M`
//   fail N          the same, with an error
//   drain, finish, close     events
//   error CODE      an event
//   is LENGTH WAITS          after each operation, once everything has settled:
//                            writableLength and writableNeedDrain

import { Writable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';

import { record } from './recording.mjs';

await record('streams', randomScript, run);

function randomScript(below) {
  const objectMode = below(3) === 0;
  const most = 1 + below(10);
  const randomAnswer = () => {
    const number = below(40);
    return number < 22 ? 'later' : number < 30 ? 'soon' : number < 38 ? 'now' : 'nowFail';
  };
  const size = () => (objectMode ? 1 : below(most + 1));
  const randomOperation = () => {
    const number = below(64);
    if (number < 30) {
      return ['write', size()];
    }
    if (number < 52) {
      return ['done'];
    }
    switch (number) {
      case 52:
      case 53:
      case 54:
        return ['cork'];
      case 59:
        return ['fail'];
      case 60:
        return ['end'];
      case 61:
        return ['endWith', size()];
      case 62:
        return [below(2) === 0 ? 'destroy' : 'destroyWith'];
      case 63:
        return ['write', objectMode ? 1 : 4 * most];
      default:
        return ['uncork'];
    }
  };
  const writev = below(3) === 0;
  const operations = Array.from({ length: 4 + below(26) }, randomOperation);
  if (writev) {
    // A Writable that is corked after its end never finishes if its last `_writev`
    // calls back at once. That is a bug in Node, so such scripts are avoided.
    const end = operations.findIndex(([word]) => word.startsWith('end'));
    for (const [index, [word]] of operations.entries()) {
      if (end >= 0 && index > end && word === 'cork') {
        operations[index] = ['uncork'];
      }
    }
  }
  return {
    highWaterMark: 1 + below(objectMode ? 4 : 16),
    objectMode,
    writev,
    answers: Array.from({ length: 1 + below(5) }, randomAnswer),
    operations,
  };
}

async function run({ highWaterMark, objectMode, writev, answers, operations }) {
  const trace = [];
  const numbers = new Map();
  let gives = 0;
  let waiting;

  const make = (size) => {
    const number = numbers.size;
    let chunk = { number };
    if (!objectMode) {
      // Every text is different, so that it identifies its chunk.
      chunk = size % 2 ? String.fromCharCode(0x4e00 + number).repeat(size) : Buffer.alloc(size);
    }
    numbers.set(chunk, number);
    return chunk;
  };

  const give = (chunks, callback) => {
    const which = chunks.map((chunk) => numbers.get(chunk));
    const range = which.length > 1 ? `${which[0]}-${which.at(-1)}` : `${which[0]}`;
    if (which.some((number, index) => number !== which[0] + index)) {
      throw new Error(`chunks out of order: ${which}`);
    }
    trace.push(`give ${range}`);
    const done = () => {
      trace.push(`done ${range}`);
      callback();
    };
    const fail = () => {
      trace.push(`fail ${range}`);
      callback(Object.assign(new Error('write failed'), { code: `WRITE_${range}` }));
    };
    const answer = answers[gives % answers.length];
    gives += 1;
    switch (answer) {
      case 'later':
        waiting = { done, fail };
        break;
      case 'soon':
        process.nextTick(done);
        break;
      case 'now':
        done();
        break;
      case 'nowFail':
        fail();
        break;
    }
  };

  const stream = new Writable({
    highWaterMark,
    objectMode,
    decodeStrings: false,
    write: (chunk, _encoding, callback) => give([chunk], callback),
    writev: writev
      ? (chunks, callback) => give(chunks.map(({ chunk }) => chunk), callback)
      : undefined,
  });
  for (const event of ['drain', 'finish', 'close']) {
    stream.on(event, () => trace.push(event));
  }
  stream.on('error', (error) => trace.push(`error ${error.code}`));

  const answerWith = (what) => {
    const write = waiting;
    waiting = undefined;
    write?.[what]();
  };

  const perform = ([word, size]) => {
    switch (word) {
      case 'write':
        trace.push(`${stream.write(make(size))}`);
        break;
      case 'done':
      case 'fail':
        answerWith(word);
        break;
      case 'endWith':
        stream.end(make(size));
        break;
      case 'destroyWith':
        stream.destroy(Object.assign(new Error('destroyed'), { code: 'DESTROYED' }));
        break;
      default:
        stream[word]();
    }
  };

  for (const operation of operations) {
    perform(operation);
    await setImmediate();
    trace.push(`is ${stream.writableLength} ${stream.writableNeedDrain}`);
  }
  return trace;
}
