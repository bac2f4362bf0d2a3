// The outputs that the browser keeps for this origin, on disk and out of sight:
// one a page, under a name of its own.

// Throws where there is no such storage.
export async function folderOf(create) {
  const root = await navigator.storage.getDirectory();
  return root.getDirectoryHandle("outputs", { create });
}

// A page holds this lock as long as it may need what it has under that name.
export const lockOf = (name) => `output ${name}`;
