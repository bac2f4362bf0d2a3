// A server that says hello: what `highwater cluster` is compared with.
// `cargo run --release -p tests -- bench scaling` starts it.
//
//   node bench-http.mjs single
//   node bench-http.mjs cluster 2
//
// It says what happens to it as `highwater cluster --json` does, a JSON object a
// line. SIGHUP replaces the workers of the cluster, one after the other, each
// by a new one that listens before the old one stops: the way that the
// documentation of Node leads to.

import cluster from 'node:cluster';
import { once } from 'node:events';
import { createServer } from 'node:http';

const HELLO = 'hello\n';
const HEADERS = {
  'content-type': 'text/plain; charset=utf-8',
  'content-length': HELLO.length,
  'x-worker': String(process.pid),
};

const [mode, workers] = process.argv.slice(2);

const say = (event, more) => console.log(JSON.stringify({ event, ...more }));
const place = ({ address, port }) => `${address ?? '127.0.0.1'}:${port}`;

/** Listens, and stops for good when it is told to. */
const serve = () => {
  const server = createServer((_request, response) => {
    response.writeHead(200, HEADERS).end(HELLO);
  });
  server.listen(0, '127.0.0.1');
  process.on('message', () => server.close(() => process.exit(0)));
  return server;
};

const start = () => {
  const worker = cluster.fork();
  worker.on('listening', (address) => {
    say('ready', { pid: worker.process.pid, addr: place(address) });
  });
  worker.on('exit', () => {
    say('exited', { pid: worker.process.pid });
    if (!worker.isAsked) {
      start();
    }
  });
  return worker;
};

const reload = async () => {
  for (const old of Object.values(cluster.workers)) {
    await once(start(), 'listening');
    old.isAsked = true;
    old.send('stop');
    await once(old, 'exit');
  }
  say('reloaded');
};

if (!cluster.isPrimary) {
  serve();
} else if (mode === 'single') {
  const server = serve();
  await once(server, 'listening');
  say('ready', { pid: process.pid, addr: place(server.address()) });
} else if (mode === 'cluster') {
  for (let number = 0; number < Number(workers); number += 1) {
    start();
  }
  process.on('SIGHUP', reload);
} else {
  throw new Error(`unknown mode ${mode}: there are single and cluster`);
}
