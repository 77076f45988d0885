import { type CancellationToken, type ScopeOptions, type Task, TaskScope, wrongType } from "@scope/core";
import { Failures } from "./failures.ts";
import { type Source, openSource } from "./source.ts";

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

/**
 * `TaskGroup.map`: pulls items while there is room, and spawns a task for each. The end of a task pulls the next item there
 * and then: a loop that waited for room would cost half as much again.
 */
export function mapItems<T, R>(
  open: Opener<T>,
  fn: (item: T, token: CancellationToken, index: number) => R | PromiseLike<R>,
  concurrency: number,
  options: ScopeOptions,
): Promise<R[]> {
  /** The results; in the places that `places` names, the tasks that are to give them. */
  const results: (R | Task<R>)[] = [];
  const places: number[] = [];
  let roomMade = noop;
  const scope = new TaskScope({ ...options, onTaskDone }, new Failures());
  const { token } = scope;

  function onTaskDone({ status }: Task<unknown>): void {
    // Now and then, so O(1) for each: what is kept is a few times what is live, however long the oldest takes (L7).
    if (places.length >= 4 * scope.size) collect();
    // Who fails makes no room: the others are cancelled next.
    if (status !== "failed") roomMade();
  }

  function collect(): void {
    let live = 0;
    for (const place of places) {
      const task = results[place] as Task<R>;
      if (task.status === "succeeded") results[place] = task.result();
      else places[live++] = place;
    }
    places.length = live;
  }

  /** Settles when nothing more is to be pulled. */
  function pullAll(source: Source<T>): Promise<void> {
    return new Promise((resolve, reject) => {
      token.onCancel(() => {
        roomMade();
      });

      /** Returns whether there may be more. */
      function take(step: IteratorResult<T>): boolean {
        // As a loop of the language's; it would never end.
        if (Object(step) !== step) throw wrongType("items", "an iterator whose steps are objects", step);
        if (step.done === true) {
          resolve();
          return false;
        }
        token.throwIfCancelled();
        const { value } = step;
        const index = results.length;
        results.push(scope.spawn((own) => fn(value, own, index)));
        places.push(index);
        return true;
      }

      function arrive(step: IteratorResult<T>): void {
        try {
          if (take(step)) fill();
        } catch (error) {
          reject(error);
        }
      }

      function fill(): void {
        roomMade = noop;
        try {
          while (scope.size < concurrency || token.cancelRequested) {
            token.throwIfCancelled();
            const step = source.pull();
            if (step instanceof Promise) {
              step.then(arrive, reject);
              return;
            }
            if (!take(step)) return;
          }
          roomMade = fill;
        } catch (error) {
          reject(error);
        }
      }

      fill();
    });
  }

  return scope.run(async () => {
    const source = openSource(open(), token);
    try {
      await pullAll(source);
    } finally {
      await source.close();
    }
    return results as R[];
  });
}

function noop(): void {
  // Nobody waits for room.
}
