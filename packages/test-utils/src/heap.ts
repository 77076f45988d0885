import { expect } from "vitest";

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

/**
 * By how much the heap has grown after `count` times; the first few warm up the engine, which keeps what it learns. With
 * `LEAKS_SHOWN` set, it is printed.
 */
export async function growth(count: number, times: (count: number) => unknown): Promise<number> {
  for (let round = 0; round < 3; round++) await times(count / 20);
  const before = await heapUsed();
  await times(count);
  const grown = (await heapUsed()) - before;
  if (process.env["LEAKS_SHOWN"] !== undefined) {
    const { currentTestName } = expect.getState();
    process.stderr.write(`${String(grown).padStart(10)} bytes  ${String(currentTestName)}\n`);
  }
  return grown;
}

/** `count` times, a batch at once. */
export async function inBatches(count: number, start: () => unknown, batch = 100): Promise<void> {
  const length = Math.min(count, batch);
  for (let done = 0; done < count; done += length) await Promise.all(Array.from({ length }, start));
}

/** Objects that should be collected, by name. */
export type Watched = Record<string, WeakRef<object>>;

/** The names of those that were not. */
export async function survivors(watched: Watched): Promise<string[]> {
  await collectGarbage();
  return Object.entries(watched).flatMap(([name, ref]) => (ref.deref() === undefined ? [] : [name]));
}
