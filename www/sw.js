// Keeps the page for offline use, and isolates it from other sites, which threads need,
// if the host does not.
//
// Files come from the network if it responds in time, so that a kept file never hides a
// newer one. The kept files are of one build: a list has the hash of each, and a new
// build replaces the old one when it is complete.

const PREFIX = `highwater ${registration.scope} `;
const LIST = new URL("pkg/files.json", registration.scope);

// Time for the network to respond before a kept file is used.
const TIME_LIMIT_MS = 3000;

// Revalidates the browser's own cache.
const FRESH = { cache: "no-cache" };

let isOffline = false; // found since a page was last opened

oninstall = () => skipWaiting();
onactivate = (event) => event.waitUntil(clients.claim());

onfetch = (event) => {
  const { method, url } = event.request;
  if (method === "GET" && isFile(url)) event.respondWith(respond(event.request));
};

// The page asks for an update once it has started. A failed one is tried again then.
onmessage = (event) => event.waitUntil(update().catch(() => {}));

// API addresses have no file extension.
function isFile(url) {
  const [scope, rest] = url.split(registration.scope);
  return scope === "" && /^([^?]*\.\w+)?([?#]|$)/.test(rest);
}

async function respond(request) {
  if (request.mode === "navigate") isOffline = false;
  const kept = await keptFile(request.url);
  if (!kept) return isolate(request, await fetch(request, FRESH));
  const response = isOffline ? null : await Promise.race([fetch(request, FRESH).catch(() => null), timeLimit()]);
  isOffline = !isUsable(response);
  return isolate(request, isOffline ? kept : response);
}

const timeLimit = () => new Promise((resolve) => setTimeout(resolve, TIME_LIMIT_MS));

// Returns true for a response from a working server.
const isUsable = (response) => response?.status && response.status < 500;

async function keptFile(url) {
  for (const name of await ownCaches()) {
    const file = await (await caches.open(name)).match(url.replace(/index\.html$/, ""), { ignoreSearch: true });
    if (file) return file;
  }
}

// The oldest first, which is complete if there are two.
const ownCaches = async () => (await caches.keys()).filter((name) => name.startsWith(PREFIX));

// Adds the headers that isolate a document or a Worker, unless the host sends them.
function isolate({ destination }, response) {
  if (!/^(document|iframe|worker)$/.test(destination) || !response.status || response.headers.has("Cross-Origin-Embedder-Policy")) return response;
  const headers = new Headers(response.headers);
  headers.set("Cross-Origin-Opener-Policy", "same-origin");
  headers.set("Cross-Origin-Embedder-Policy", "require-corp");
  const { body, status, statusText } = response;
  return new Response(body, { status, statusText, headers });
}

// Keeps the current build. Rejects if a file does not match the list, as during a
// deployment.
async function update() {
  const list = await (await fetch(LIST, FRESH)).text();
  const name = PREFIX + (await digest(new TextEncoder().encode(list)));
  const build = await caches.open(name);
  for (const [file, hash] of Object.entries(JSON.parse(list))) {
    const url = new URL(file === "index.html" ? "." : file, registration.scope);
    if (await build.match(url)) continue;
    const response = await fetch(url, FRESH);
    if ((await digest(await response.clone().arrayBuffer())) !== hash) throw new Error(`${file} is of another build`);
    await build.put(url, response);
  }
  for (const other of await ownCaches()) if (other !== name) await caches.delete(other);
}

async function digest(bytes) {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...hash].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
