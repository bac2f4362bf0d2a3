// A Worker's output: a file in the browser's storage or, without that, memory.
//
// An output has: kept ("disk" or "memory"), stream (a WritableStream), file() after
// it is closed, and discard().

import { folderOf, lockOf } from "./storage.js";

// Maximum number of separate chunks.
const MAX_PARTS = 64;

export async function openOutput(name) {
  try {
    return await onDisk(name);
  } catch {
    // Storage is missing in old browsers and private windows.
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
    // Returns after the write, so a slow disk applies backpressure.
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

// Removes the outputs of closed pages, whose locks are released.
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
      // The browser may move a blob to disk.
      if (parts.length === MAX_PARTS) parts = [new Blob(parts)];
    },
  });
  return {
    kept: "memory",
    stream,
    file: async () => new Blob(parts),
    discard: async () => void (parts = []),
  };
}
