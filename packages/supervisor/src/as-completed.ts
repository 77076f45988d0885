import {
  CancelledError,
  type ScopeOptions,
  type Task,
  type TaskFunction,
  TaskScope,
  wrongType,
} from "@scope/core";
import { Bell } from "./bell.ts";
import { Delivery, checkMember, reportUndelivered } from "./delivery.ts";
import { noop } from "./noop.ts";
import { openSource } from "./source.ts";

/**
 * What a loop over tasks that have ended is made of: an `AsyncIterableIterator<Task<T>>`, spelt out. By that name TypeScript
 * takes the items of `for await` for what the tasks come to, although they are handed out as they are; and, before version 7, so it
 * does with any other name from the second loop of a program on, but for a union of types.
 */
export type CompletedTasks<T> = TaskIterator<T, "one"> | TaskIterator<T, "other">;

interface TaskIterator<T, Name extends string> extends AsyncDisposable {
  next(): Promise<IteratorResult<Task<T>, undefined>>;
  return(): Promise<IteratorResult<Task<T>, undefined>>;
  throw(error: unknown): Promise<IteratorResult<Task<T>, undefined>>;
  [Symbol.asyncIterator](): TaskIterator<T, Name>;
}

/**
 * Runs functions together and hands out their tasks, done, in the order in which they end. A failed one is handed out like
 * any other: look at its `status`, or take its `result()`.
 *
 * - **Begins** at the first `next()`; with `concurrency` the source is pulled only when a slot is free.
 * - **Leaving the loop early** (`break`, `throw`) cancels the rest, and the loop statement ends when they have.
 * - **An outer cancellation** does the same and rejects, as do `timeout` and a `FatalError`. Failures that are then not handed
 *   out go to the process-wide handler (L2).
 *
 * **Pitfall.** A task is thenable. An async generator that yields one, or an async function that returns one, hands out what
 * the task came to instead: pass tasks on with a hand-written iterator, or inside an object.
 *
 * The counterpart of `asyncio.as_completed`.
 *
 * @throws TypeError, RangeError for a bad argument; a source that gives anything but functions rejects.
 *
 * @example
 * ```ts
 * for await (const task of asCompleted(urls.map((url) => (token) => download(url, token)), { concurrency: 8 })) {
 *   if (task.status === "succeeded") show(task.result());
 * }
 * ```
 */
export function asCompleted<F extends TaskFunction<unknown>>(
  fns: Iterable<F> | AsyncIterable<F>,
  options?: ScopeOptions,
): CompletedTasks<Awaited<ReturnType<F>>>;
export function asCompleted<T>(
  fns: Iterable<TaskFunction<T>> | AsyncIterable<TaskFunction<T>>,
  options?: ScopeOptions,
): CompletedTasks<T>;
export function asCompleted<T>(
  fns: Iterable<TaskFunction<T>> | AsyncIterable<TaskFunction<T>>,
  options: ScopeOptions = {},
): CompletedTasks<T> {
  const methods = Object(fns) as Record<
    symbol,
    (() => Iterator<unknown> | AsyncIterator<unknown>) | undefined
  >;
  const open = methods[Symbol.asyncIterator] ?? methods[Symbol.iterator];
  if (!open) throw wrongType("fns", "an iterable of functions", fns);
  // Refuses bad options now; closed at once, it leaves nothing behind.
  new TaskScope(options).join().catch(noop);

  /** Opened by the first `next()`. */
  let scope: TaskScope | undefined;
  /** From then on until everything in the scope has ended. */
  let running = false;
  let left = false;
  const leaving = new CancelledError("The loop was left", { source: "shutdown" });
  /** What the scope ended in, until it has been thrown. */
  let failure: { readonly error: unknown } | undefined;
  /** Done, and not handed out. */
  const ready = new Set<Task<T>>();
  /** Its first one, time and again: never at an end, as it is asked only while there is one. A new look would pass over all that left. */
  const line = ready.values();
  /** Rung when a task has ended, and when everything has. */
  const news = new Bell();
  /** The latest step that was asked for: they are taken one after another. */
  let last: Promise<unknown> = Promise.resolve();

  const spawnAll = async (opened: TaskScope): Promise<void> => {
    const { token } = opened;
    const { concurrency = Infinity } = options;
    const pass = openSource(open.call(fns), token);
    try {
      for (let index = 0; ; index++) {
        while (opened.size >= concurrency) await token.race(news.next());
        token.throwIfCancelled();
        const pulled = pass.pull();
        // What is there already starts at once.
        const step = pulled instanceof Promise ? await pulled : pulled;
        if (step.done === true) return;
        token.throwIfCancelled();
        checkMember(step.value, index);
        opened.spawn(step.value as TaskFunction<T>);
      }
    } finally {
      await pass.close();
    }
  };

  async function run(opened: TaskScope): Promise<void> {
    running = true;
    try {
      await opened.run(() => spawnAll(opened));
    } catch (error) {
      if (error !== leaving) failure = { error };
    }
    if (left || failure !== undefined) drop();
    running = false;
    news.ring();
  }

  /** What is done is not going to be handed out any more. */
  function drop(): void {
    reportUndelivered(ready, failure);
    ready.clear();
  }

  async function take(): Promise<IteratorResult<Task<T>, undefined>> {
    // Once the loop is left, or the scope cancelled, there is nothing to come but its end.
    while (running && (left || ready.size === 0 || scope?.cancelRequested)) await news.next();
    if (ready.size > 0) {
      const { value: task } = line.next() as IteratorYieldResult<Task<T>>;
      ready.delete(task);
      return { done: false, value: task };
    }
    const end = failure;
    failure = undefined;
    if (end) throw end.error;
    return { done: true, value: undefined };
  }

  // Hand-written: an async generator would await the tasks that it yields.
  const iterator: TaskIterator<T, "one"> = {
    next() {
      if (!scope && !left) {
        const onTaskDone = (task: Task<unknown>): void => {
          ready.add(task as Task<T>);
          news.ring();
        };
        scope = new TaskScope({ ...options, onTaskDone }, new Delivery("asCompleted"));
        void run(scope);
      }
      const step = last.then(take);
      last = step.then(noop, noop);
      return step;
    },
    // Cancels the rest; once that has ended, a step finds nothing but the end.
    return() {
      left = true;
      scope?.cancel(leaving);
      if (!running) drop();
      return iterator.next();
    },
    async throw(error) {
      await iterator.return();
      throw error;
    },
    async [Symbol.asyncDispose]() {
      await iterator.return();
    },
    [Symbol.asyncIterator]: () => iterator,
  };
  return iterator;
}
