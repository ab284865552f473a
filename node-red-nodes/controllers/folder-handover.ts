/** Folders that are being given back. A flow that is deployed again opens the folder that its predecessor is closing. */
const beingFreed = new Map<string, Promise<void>>();

/** @returns what says that the folder is free */
export function holdFolder(dir: string): () => void {
  let free: () => void = () => {};
  const before = beingFreed.get(dir);
  const now = new Promise<void>((resolve) => {
    free = resolve;
  });
  const all = before === undefined ? now : before.then(() => now);
  beingFreed.set(dir, all);
  void all.then(() => {
    if (beingFreed.get(dir) === all) beingFreed.delete(dir);
  });
  return free;
}

/** Resolves when nobody in this process still closes the folder. */
export async function folderIsFree(dir: string): Promise<void> {
  await beingFreed.get(dir);
}
