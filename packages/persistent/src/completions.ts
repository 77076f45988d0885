/**
 * One iteration over what ends in a group.
 *
 * It holds what it has handed out until the loop comes back, which acknowledges it; a loop that is left puts it back. It ends
 * when nothing runs and nothing waits, when its time limit passes, or when it is left.
 */
import { CancellationSource, type Task } from "@scope/core";
import { type Entry, enter, isLinked, leave, openEntry } from "./ring.ts";
import type { Roster } from "./roster.ts";
import type { CompletedTasks } from "./types.ts";

type Step = IteratorResult<Task<unknown>, undefined>;

/** A hand-written iterator: an async generator would await the tasks that it yields. */
export function completions(roster: Roster, timeout: number): CompletedTasks {
  const { waiters } = roster;
  let held: Entry | undefined;
  let over = false;
  /** The last of the steps that somebody waits for. */
  let last: Promise<Step> | undefined;
  const waiter = openEntry();

  const step = (): Step => {
    over = !held;
    return { done: over, value: held?.task } as Step;
  };

  /** For the next end, the end of everything, the time limit, or the end of the loop. */
  const wait = (): Promise<void> =>
    new Promise((resolve) => {
      const limit = new CancellationSource({ timeout });
      waiter.wake = (entry) => {
        leave(waiter);
        limit[Symbol.dispose]();
        held = entry;
        resolve();
      };
      limit.token.onCancel(() => waiter.wake?.());
      enter(waiter, waiters);
    });

  const advance = (): Step | Promise<Step> => {
    if (held) roster.forget(held);
    held = over ? undefined : roster.take();
    return held || over || timeout === 0 || !isLinked(roster.running) ? step() : wait().then(step);
  };

  const iterator: CompletedTasks = {
    [Symbol.asyncIterator]: () => iterator,
    next() {
      // One step after another, should somebody not wait for the one before.
      const next = last ? last.then(advance) : advance();
      if (!(next instanceof Promise)) return Promise.resolve(next);
      last = next;
      void next.then(() => {
        if (last === next) last = undefined;
      });
      return next;
    },
    return() {
      over = true;
      if (isLinked(waiter)) waiter.wake?.();
      else if (held && isLinked(held)) roster.offer(held, true);
      held = undefined;
      return Promise.resolve(step());
    },
    async [Symbol.asyncDispose]() {
      await iterator.return();
    },
  };
  return iterator;
}
