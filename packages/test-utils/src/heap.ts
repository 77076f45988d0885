import { expect } from "vitest";
import { needs } from "./needs.ts";

declare const gc: (() => void) | undefined;

/** For a test that has to know before it begins; the helpers ask by themselves. */
export function needsCollector(): () => void {
  const collect = typeof gc === "function" ? gc : undefined;
  needs("a garbage collection on demand (--expose-gc)", collect !== undefined);
  return collect;
}

/** Collects all garbage, after giving finalizers and pending microtasks their turn. */
export async function collectGarbage(): Promise<void> {
  const collect = needsCollector();
  for (let round = 0; round < 4; round++) {
    await new Promise((resolve) => setTimeout(resolve, 0));
    collect();
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
