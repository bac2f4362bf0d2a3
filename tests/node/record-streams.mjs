// Runs random scripts of stream operations with Node's Writable and prints them
// with their traces as JSON lines: a header, then one script per line.
//
//   node record-streams.mjs --seed 7 --count 1000 > streams.jsonl
//   node record-streams.mjs --seed 7 --count 1000 | cargo run --release -p tests -- replay streams -
//
// A script has a `highWaterMark`, in bytes or, with `objectMode`, in objects; a
// flag for a destination with `writev`; a list of operations; and `answers`.
// Answer n, modulo their number, says when write n to the destination calls
// back, counting from 0:
//
//   later       the callback is called by a later operation
//   soon        the callback is called in the next tick
//   now         the callback is called before `_write` returns
//   nowFail     the same, with an error
//
// An operation is a name with an argument. Pending work completes before the
// next operation:
//
//   write SIZE     write a chunk of SIZE bytes (text if SIZE is odd), or an object
//   done           call the callback of the pending write, if any
//   fail           the same, with an error
//   cork, uncork
//   end, endWith SIZE
//   destroy, destroyWith   destroy the stream; `destroyWith` passes an error
//
// The trace is a list of steps. Chunks are numbered from 0, rejected ones
// included:
//
//   true            a write returned true (or `false`)
//   give N          `_write` was called with chunk N (`give N-M`: `_writev`)
//   done N          the callback was called (`done N-M`: of `_writev`)
//   fail N          the same, with an error
//   drain, finish, close     the event was emitted
//   error CODE      an `error` event was emitted
//   is LENGTH WAITS          recorded when all work of an operation is complete:
//                            writableLength and writableNeedDrain

import { Writable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';

import { record } from './recording.mjs';

await record('streams', randomScript, run);

function randomScript(below) {
  const objectMode = below(3) === 0;
  const maxSize = 1 + below(10);
  const randomAnswer = () => {
    const number = below(40);
    return number < 22 ? 'later' : number < 30 ? 'soon' : number < 38 ? 'now' : 'nowFail';
  };
  const size = () => (objectMode ? 1 : below(maxSize + 1));
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
        return ['write', objectMode ? 1 : 4 * maxSize];
      default:
        return ['uncork'];
    }
  };
  const writev = below(3) === 0;
  const operations = Array.from({ length: 4 + below(26) }, randomOperation);
  if (writev) {
    // A Writable that is corked after `end()` never finishes if its last
    // `_writev` calls back immediately. That is a bug in Node, so such scripts
    // are not generated.
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
  let writeCount = 0;
  let pendingWrite;

  const createChunk = (size) => {
    const number = numbers.size;
    let chunk = { number };
    if (!objectMode) {
      // Each text is unique, so that it identifies its chunk.
      chunk = size % 2 ? String.fromCharCode(0x4e00 + number).repeat(size) : Buffer.alloc(size);
    }
    numbers.set(chunk, number);
    return chunk;
  };

  const writeChunks = (chunks, callback) => {
    const chunkNumbers = chunks.map((chunk) => numbers.get(chunk));
    const [first] = chunkNumbers;
    const range = chunks.length > 1 ? `${first}-${chunkNumbers.at(-1)}` : `${first}`;
    if (chunkNumbers.some((number, index) => number !== first + index)) {
      throw new Error(`chunks out of order: ${chunkNumbers}`);
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
    const answer = answers[writeCount % answers.length];
    writeCount += 1;
    switch (answer) {
      case 'later':
        pendingWrite = { done, fail };
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
    write: (chunk, _encoding, callback) => writeChunks([chunk], callback),
    writev: writev
      ? (chunks, callback) => writeChunks(chunks.map(({ chunk }) => chunk), callback)
      : undefined,
  });
  for (const event of ['drain', 'finish', 'close']) {
    stream.on(event, () => trace.push(event));
  }
  stream.on('error', (error) => trace.push(`error ${error.code}`));

  const callBack = (outcome) => {
    const write = pendingWrite;
    pendingWrite = undefined;
    write?.[outcome]();
  };

  const perform = ([word, size]) => {
    switch (word) {
      case 'write':
        trace.push(`${stream.write(createChunk(size))}`);
        break;
      case 'done':
      case 'fail':
        callBack(word);
        break;
      case 'endWith':
        stream.end(createChunk(size));
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
