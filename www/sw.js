// Caches the page's files for offline use. It asks the network first, so a cached file
// never hides a newer one.

const kept = caches.open("highwater");

// Revalidates the browser's own cache.
const FRESH = { cache: "no-cache" };

oninstall = () => skipWaiting();
onactivate = (event) => event.waitUntil(clients.claim());

onfetch = (event) => {
  const { method, url } = event.request;
  if (method === "GET" && isFile(url)) event.respondWith(respond(event));
};

// API addresses have no file extension.
function isFile(url) {
  const [scope, rest] = url.split(registration.scope);
  return scope === "" && /^([^?]*\.\w+)?([?#]|$)/.test(rest);
}

async function respond(event) {
  const response = await fetch(event.request, FRESH).catch(Response.error);
  event.waitUntil(keep(event.request, response.clone()));
  if (isUsable(response)) return response;
  return (await (await kept).match(event.request, { ignoreSearch: true })) ?? response;
}

// A response from a working server.
const isUsable = ({ status }) => status && status < 500;

async function keep(file, response) {
  const cache = await kept;
  if (isUsable(response)) await (response.ok ? cache.put(file, response) : cache.delete(file));
}

// Caches the files that the page loaded and the files named in them, and updates all
// cached files.
onmessage = (event) => event.waitUntil(refresh(event.data));

async function refresh(loaded) {
  const old = await (await kept).keys();
  const files = new Set([registration.scope, ...loaded, ...old.map(({ url }) => url)]);
  for (const file of files) {
    if (!isFile(file)) continue;
    const response = await fetch(file, FRESH);
    await keep(file, response.clone());
    for (const [, name] of (await response.text()).matchAll(/["']([\w./-]+(?:\.css|(?<!_bg)\.js|\.svg|\.wasm))["']/g)) files.add(new URL(name, file).href);
  }
}
