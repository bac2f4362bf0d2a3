// A hello-world server to compare with `highwater cluster`. Started by `cargo
// run --release -p tests -- bench scaling`.
//
//   node bench-http.mjs single
//   node bench-http.mjs cluster 2
//   node bench-http.mjs cluster 2 8080
//
// With a port, keep-alive connections are never closed, and the response consists of
// the same bytes as those of the other servers in the comparison.
//
// It prints its events as JSON lines, like `highwater cluster --json`. SIGHUP
// replaces the workers one by one. Each new worker listens before the old one
// stops, as the Node documentation suggests.

import cluster from 'node:cluster';
import { once } from 'node:events';
import { createServer } from 'node:http';

const BODY = 'hello\n';
const HEADERS = {
  'content-type': 'text/plain; charset=utf-8',
  'content-length': BODY.length,
  'x-worker': String(process.pid),
};

const [mode, workers, port] = process.argv.slice(2);

const HEADERS_WITH_PORT = {
  'content-type': 'text/plain',
  'content-length': BODY.length,
  server: 'nginx',
};

const report = (event, fields) => console.log(JSON.stringify({ event, ...fields }));
const addressOf = ({ address, port }) => `${address ?? '127.0.0.1'}:${port}`;

/** Serves requests until the primary sends a message. */
const serve = () => {
  const server = createServer((_request, response) => {
    response.writeHead(200, port ? HEADERS_WITH_PORT : HEADERS).end(BODY);
  });
  if (port) {
    server.keepAliveTimeout = 0;
  }
  server.listen(Number(port ?? 0), '127.0.0.1');
  process.on('message', () => server.close(() => process.exit(0)));
  return server;
};

const startWorker = () => {
  const worker = cluster.fork();
  worker.on('listening', (address) => {
    report('ready', { pid: worker.process.pid, addr: addressOf(address) });
  });
  worker.on('exit', () => {
    report('exited', { pid: worker.process.pid });
    if (!worker.isStopping) {
      startWorker();
    }
  });
  return worker;
};

const reload = async () => {
  for (const old of Object.values(cluster.workers)) {
    await once(startWorker(), 'listening');
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
    startWorker();
  }
  process.on('SIGHUP', reload);
} else {
  throw new Error(`unknown mode ${mode}; expected single or cluster`);
}
