// Outputs in the browser's private file system for this origin, one per page.

// Throws if there is no such storage.
export async function folderOf(create) {
  const root = await navigator.storage.getDirectory();
  return root.getDirectoryHandle("outputs", { create });
}

// A page holds this lock while it needs its output.
export const lockOf = (name) => `output ${name}`;
