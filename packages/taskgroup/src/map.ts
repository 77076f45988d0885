import { type CancellationToken, wrongType } from "@scope/core";
import { Source } from "./source.ts";
import type { TaskGroup } from "./task-group.ts";

export function checkItems(items: unknown): void {
  const object: object = Object(items) as object;
  if (
    items === undefined ||
    items === null ||
    !(Symbol.asyncIterator in object || Symbol.iterator in object)
  ) {
    throw wrongType("items", "an iterable or an async iterable", items);
  }
}

/** The body of `TaskGroup.map`: pulls items while there is room, and spawns a task for each. */
export async function mapItems<T, R>(
  group: TaskGroup,
  items: Iterable<T> | AsyncIterable<T>,
  fn: (item: T, token: CancellationToken, index: number) => R | PromiseLike<R>,
  concurrency: number,
): Promise<R[]> {
  const { token } = group;
  const results: R[] = [];
  const source = new Source(items, token);
  let roomMade = (): void => undefined;
  try {
    for (let index = 0; ; index++) {
      while (group.size >= concurrency) {
        const room = new Promise<void>((resolve) => {
          roomMade = resolve;
        });
        await token.race(room);
      }
      token.throwIfCancelled();
      const pulled = source.pull();
      // No turn of the microtask queue for what is there already.
      const step = pulled instanceof Promise ? await pulled : pulled;
      if (step.done === true) return results;
      token.throwIfCancelled();
      const { value } = step;
      const task = group.spawn(async (own) => {
        results[index] = await fn(value, own, index);
      });
      if (concurrency !== Infinity) {
        task.onDone(() => {
          roomMade();
        });
      }
    }
  } finally {
    await source.close();
  }
}
