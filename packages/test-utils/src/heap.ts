declare const gc: (() => void) | undefined;

/** Collects all garbage, after giving finalizers and pending microtasks their turn. Needs `--expose-gc`. */
export async function collectGarbage(): Promise<void> {
  if (typeof gc !== "function") throw new Error("Run with --expose-gc");
  for (let round = 0; round < 4; round++) {
    await new Promise((resolve) => setTimeout(resolve, 0));
    gc();
  }
}

/** The bytes of the heap in use after a full collection. */
export async function heapUsed(): Promise<number> {
  await collectGarbage();
  return process.memoryUsage().heapUsed;
}
