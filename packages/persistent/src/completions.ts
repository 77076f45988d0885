/**
 * One iteration over what ends in a group.
 *
 * It holds what it has handed out until the loop comes back, which acknowledges it; a loop that is left puts it back. It ends
 * when nothing runs and nothing waits, when its time limit passes, or when it is left.
 */
import { CancellationSource, type Task } from "@scope/core";
import type { Roster } from "./roster.ts";
import type { CompletedTasks } from "./types.ts";

type Step = IteratorResult<Task<unknown>, undefined>;

/** A hand-written iterator: an async generator would await the tasks that it yields. */
export function completions({ ledger, running, waiters, offer }: Roster, timeout: number): CompletedTasks {
  let held: Task<unknown> | undefined;
  let last: Promise<Step | undefined> = Promise.resolve(undefined);
  let over = false;
  /** Ends the wait that goes on. */
  let wake: ((task?: Task<unknown>) => void) | undefined;

  /** For the next end, the end of everything, the time limit, or the end of the loop. */
  const wait = (): Promise<void> =>
    new Promise((resolve) => {
      const limit = new CancellationSource({ timeout });
      const woken = (task?: Task<unknown>): void => {
        waiters.delete(woken);
        limit[Symbol.dispose]();
        held = task;
        resolve();
      };
      limit.token.onCancel(() => {
        woken();
      });
      waiters.add(woken);
      wake = woken;
    });

  const advance = async (): Promise<Step> => {
    if (held) ledger.acknowledge(held);
    held = over ? undefined : ledger.take();
    if (!held && !over && timeout > 0 && running.size > 0) await wait();
    over = !held;
    return { done: over, value: held } as Step;
  };

  const iterator: CompletedTasks = {
    [Symbol.asyncIterator]: () => iterator,
    next() {
      // One step after another, should somebody not wait for the one before.
      return (last = last.then(advance)) as Promise<Step>;
    },
    return() {
      over = true;
      if (!held) wake?.();
      else if (ledger.all.has(held)) offer(held, true);
      held = undefined;
      return advance();
    },
    async [Symbol.asyncDispose]() {
      await iterator.return();
    },
  };
  return iterator;
}
