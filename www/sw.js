// Keeps the page's files for when there is no network. While there is one it is
// asked first, so that no old file hides a new one.

const kept = caches.open("highwater");

// Not from the browser's own cache, unless the host says that it is the newest.
const FRESH = { cache: "no-cache" };

oninstall = () => skipWaiting();
onactivate = (event) => event.waitUntil(clients.claim());

onfetch = (event) => {
  const { method, url } = event.request;
  if (method === "GET" && isFile(url)) event.respondWith(answer(event));
};

// What is asked of a program, and not of its files, has no ending.
function isFile(url) {
  const [scope, rest] = url.split(registration.scope);
  return scope === "" && /^([^?]*\.\w+)?([?#]|$)/.test(rest);
}

async function answer(event) {
  const response = await fetch(event.request, FRESH).catch(Response.error);
  event.waitUntil(keep(event.request, response.clone()));
  if (isAnswer(response)) return response;
  return (await (await kept).match(event.request, { ignoreSearch: true })) ?? response;
}

// Of a host that is there, and well.
const isAnswer = ({ status }) => status && status < 500;

async function keep(file, response) {
  const cache = await kept;
  if (isAnswer(response)) await (response.ok ? cache.put(file, response) : cache.delete(file));
}

// Keeps what the page has loaded and what that names, and brings all that was
// kept before to the same version.
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
