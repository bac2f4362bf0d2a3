// A hello-world server, the peer of `highwater cluster`.
// `cargo run --release -p tests -- bench scaling` starts it.
//
//   node bench-http.mjs single
//   node bench-http.mjs cluster 2
//
// It prints its events as JSON lines, like `highwater cluster --json`. SIGHUP
// replaces the workers one after the other. Each new worker listens before the
// old one stops, as the documentation of Node suggests.

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

const report = (event, more) => console.log(JSON.stringify({ event, ...more }));
const addressOf = ({ address, port }) => `${address ?? '127.0.0.1'}:${port}`;

/** Listens until the primary sends a message. */
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
    report('ready', { pid: worker.process.pid, addr: addressOf(address) });
  });
  worker.on('exit', () => {
    report('exited', { pid: worker.process.pid });
    if (!worker.isStopping) {
      start();
    }
  });
  return worker;
};

const reload = async () => {
  for (const old of Object.values(cluster.workers)) {
    await once(start(), 'listening');
    old.isStopping = true;
    old.send('stop');
    await once(old, 'exit');
  }
  report('reloaded');
};

if (!cluster.isPrimary) {
  serve();
} else if (mode === 'single') {
  const server = serve();
  await once(server, 'listening');
  report('ready', { pid: process.pid, addr: addressOf(server.address()) });
} else if (mode === 'cluster') {
  for (let number = 0; number < Number(workers); number += 1) {
    start();
  }
  process.on('SIGHUP', reload);
} else {
  throw new Error(`unknown mode ${mode}; expected single or cluster`);
}
