/** What a task keeps in memory (i). */
import { heapUsed } from "../../packages/test-utils/src/heap.ts";
import { macrotask } from "../../packages/test-utils/src/waiting.ts";
import type { Fn, Peer } from "./peer.ts";

/** The bytes that one of many takes. */
async function bytes(
  count: number,
  make: () => unknown,
  settle: () => Promise<unknown>,
  end: () => Promise<unknown>,
): Promise<number> {
  const kept: unknown[] = new Array<unknown>(count).fill(undefined);
  // Not counted: what the first ones alone need, and the array itself.
  for (let index = 0; index < Math.min(count, 1_000); index++) kept[index] = make();
  await end();
  kept.fill(undefined);
  const before = await heapUsed();
  for (let index = 0; index < count; index++) kept[index] = make();
  await settle();
  const after = await heapUsed();
  await end();
  // Alive until here.
  if (kept.length !== count) throw new Error("lost");
  return (after - before) / count;
}

/** Bytes of a waiting task, of one that reads its signal, and of a finished one that the user keeps. */
export async function memoryOf(peer: Peer, count: number): Promise<Record<string, number>> {
  /** What would end the waiting functions: the one thing that keeps them alive. */
  let resolvers: (() => void)[] = [];
  let running = 0;
  const wait: Fn = async () => {
    running++;
    await new Promise<void>((resolve) => void resolvers.push(resolve));
    running--;
  };
  const end = async (): Promise<void> => {
    const all = resolvers;
    resolvers = [];
    for (const resolve of all) resolve();
    await settled();
  };
  const begun = async (): Promise<void> => {
    while (running < count) await macrotask();
  };
  const settled = async (): Promise<void> => {
    for (let turn = 0; turn < 20; turn++) await macrotask();
  };

  const plain = await bytes(count, wait, begun, end);
  const keeper = peer.keeper!();
  const waiting = await bytes(count, () => keeper.start(wait, false), begun, end);
  const signal = await bytes(count, () => keeper.start(wait, true), begun, end);
  const plainFinished = await bytes(count, async () => {}, settled, settled);
  const finished = await bytes(count, () => keeper.start(async () => {}, false), settled, settled);
  await keeper.close();
  return { plain, waiting, signal, finished, plainFinished };
}
