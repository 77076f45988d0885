import { type CancellationToken, wrongType } from "@scope/core";
import { openSource } from "./source.ts";
import type { TaskGroup } from "./task-group.ts";

export type Opener<T> = () => Iterator<T> | AsyncIterator<T>;

/** How to begin an iteration; an asynchronous one where there are both. */
export function openerOf<T>(items: Iterable<T> | AsyncIterable<T>): Opener<T> {
  const { [Symbol.asyncIterator]: openAsync, [Symbol.iterator]: open = openAsync } = Object(items) as Partial<
    AsyncIterable<T> & Iterable<T>
  >;
  const opener = (openAsync ?? open) as Opener<T> | undefined;
  if (opener === undefined) throw wrongType("items", "an iterable or an async iterable", items);
  return opener.bind(items);
}

/** The body of `TaskGroup.map`: pulls items while there is room, and spawns a task for each. */
export async function mapItems<T, R>(
  group: TaskGroup,
  open: Opener<T>,
  fn: (item: T, token: CancellationToken, index: number) => R | PromiseLike<R>,
  concurrency: number,
): Promise<R[]> {
  const { token } = group;
  const results: R[] = [];
  const source = openSource(open(), token);
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
      // As a loop of the language's; it would never end.
      if (Object(step) !== step) throw wrongType("items", "an iterator whose steps are objects", step);
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
