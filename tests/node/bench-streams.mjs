// Streams one file into another, to compare with `highwater pipe`. Like that
// command, it syncs the output to disk before it exits. Run by `cargo run
// --release -p tests -- bench streams`.
//
//   node bench-streams.mjs copy INPUT OUTPUT
//   node bench-streams.mjs upper INPUT OUTPUT
//   node bench-streams.mjs gzip INPUT OUTPUT
//   node bench-streams.mjs gzip-ignoring INPUT OUTPUT    ignores the result of `write`

import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { Transform } from 'node:stream';
import { finished, pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';

const [task, input, output] = process.argv.slice(2);

/** Converts via a `latin1` string, the fastest way in Node for ASCII. */
const upper = () =>
  new Transform({
    transform(chunk, _encoding, callback) {
      callback(null, Buffer.from(chunk.toString('latin1').toUpperCase(), 'latin1'));
    },
  });

const source = createReadStream(input);
const file = await open(output, 'w');
// Keeps the file open, so that it can be synced after the pipeline.
const destination = file.createWriteStream({ autoClose: false });
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
    throw new Error(`unknown task ${task}; expected copy, upper, gzip or gzip-ignoring`);
}
// The file is closed when the process exits.
await file.sync();
