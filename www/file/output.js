// Where a Worker puts its output: a file that the browser keeps for this origin,
// or, where there is none, the browser's memory.
//
// An output has: kept ("disk" or "memory"), stream (a WritableStream), file()
// once that is closed, and discard().

import { folderOf, lockOf } from "./storage.js";

// How many chunks are kept one by one.
const MOST_PARTS = 64;

export async function openOutput(name) {
  try {
    return await onDisk(name);
  } catch {
    // An older browser, or a private window.
    return inMemory();
  }
}

async function onDisk(name) {
  const folder = await folderOf(true);
  await sweep(folder);
  const handle = await folder.getFileHandle(name, { create: true });
  const access = await handle.createSyncAccessHandle();
  access.truncate(0);
  let at = 0;
  const stream = new WritableStream({
    // Back when the bytes are with the file: until then nothing more comes.
    write(chunk) {
      for (let rest = chunk; rest.length > 0; ) {
        const written = access.write(rest, { at });
        if (written === 0) throw new DOMException("no room", "QuotaExceededError");
        at += written;
        rest = rest.subarray(written);
      }
    },
    close() {
      access.flush();
      access.close();
    },
  });
  return {
    kept: "disk",
    stream,
    file: () => handle.getFile(),
    async discard() {
      access.close();
      await folder.removeEntry(name);
    },
  };
}

// Removes what pages that are gone have left. Each holds a lock while it lives.
async function sweep(folder) {
  const held = new Set((await navigator.locks.query()).held.map((lock) => lock.name));
  for await (const name of folder.keys()) {
    if (!held.has(lockOf(name))) await folder.removeEntry(name).catch(() => {});
  }
}

function inMemory() {
  let parts = [];
  const stream = new WritableStream({
    write(chunk) {
      parts.push(chunk);
      // What is a blob the browser may move to its disk, if it likes.
      if (parts.length === MOST_PARTS) parts = [new Blob(parts)];
    },
  });
  return {
    kept: "memory",
    stream,
    file: async () => new Blob(parts),
    discard: async () => void (parts = []),
  };
}
