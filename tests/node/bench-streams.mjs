// Streams a file into another: what `highwater pipe` is compared with.
// `cargo run --release -p tests -- bench streams` runs it in rounds.
//
//   node bench-streams.mjs copy INPUT OUTPUT
//   node bench-streams.mjs upper INPUT OUTPUT
//   node bench-streams.mjs gzip INPUT OUTPUT
//   node bench-streams.mjs gzip-ignoring INPUT OUTPUT    whatever `write` returns

import { createReadStream, createWriteStream } from 'node:fs';
import { Transform } from 'node:stream';
import { finished, pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';

const [task, input, output] = process.argv.slice(2);

/** By way of a string of bytes: Node's quickest for text that is ASCII. */
const upper = () =>
  new Transform({
    transform(chunk, _encoding, callback) {
      callback(null, Buffer.from(chunk.toString('latin1').toUpperCase(), 'latin1'));
    },
  });

const source = createReadStream(input);
const destination = createWriteStream(output);
switch (task) {
  case 'copy':
    await pipeline(source, destination);
    break;
  case 'upper':
    await pipeline(source, upper(), destination);
    break;
  case 'gzip':
    await pipeline(source, createGzip({ level: 6 }), destination);
    break;
  case 'gzip-ignoring': {
    const gzip = createGzip({ level: 6 });
    source.on('data', (chunk) => gzip.write(chunk));
    source.on('end', () => gzip.end());
    gzip.on('data', (chunk) => destination.write(chunk));
    gzip.on('end', () => destination.end());
    await finished(destination);
    break;
  }
  default:
    throw new Error(`unknown task ${task}: there are copy, upper, gzip, gzip-ignoring`);
}
