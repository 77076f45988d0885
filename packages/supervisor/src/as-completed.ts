import {
  CancelledError,
  type ScopeOptions,
  type Task,
  type TaskFunction,
  TaskScope,
  checkFunction,
  wrongType,
} from "@scope/core";
import { Bell } from "./bell.ts";
import { delivery, reportUndelivered } from "./delivery.ts";
import { Source } from "./source.ts";

/**
 * An `AsyncIterableIterator` of tasks, spelt out: by that name TypeScript takes the items of `for await` for what the tasks come
 * to, although they are handed out as they are.
 */
export interface CompletedTasks<T> extends AsyncDisposable {
  next(): Promise<IteratorResult<Task<T>, undefined>>;
  return(): Promise<IteratorResult<Task<T>, undefined>>;
  throw(error: unknown): Promise<IteratorResult<Task<T>, undefined>>;
  [Symbol.asyncIterator](): CompletedTasks<T>;
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
  if (!(Symbol.iterator in Object(fns)) && !(Symbol.asyncIterator in Object(fns))) {
    throw wrongType("fns", "an iterable or async iterable of functions", fns);
  }
  return new Completions(fns, options);
}

type Step<T> = IteratorResult<Task<T>, undefined>;

/** A hand-written iterator: an async generator would await the tasks that it yields. */
class Completions<T> implements CompletedTasks<T> {
  readonly #fns: Iterable<TaskFunction<T>> | AsyncIterable<TaskFunction<T>>;
  readonly #options: ScopeOptions;
  /** Opened by the first `next()`. */
  #scope: TaskScope | undefined;
  /** From then on until everything in the scope has ended. */
  #running = false;
  #left = false;
  /** Done, and not handed out. */
  readonly #ready = new Set<Task<T>>();
  /** What the scope ended in, until it has been thrown. */
  #failure: { readonly error: unknown } | undefined;
  readonly #leaving = new CancelledError("The loop was left", { source: "shutdown" });
  /** The latest step that was asked for: they are taken one after another. */
  #last: Promise<unknown> = Promise.resolve();
  /** Rung when a task has ended, and when everything has. */
  readonly #news = new Bell();

  constructor(fns: Iterable<TaskFunction<T>> | AsyncIterable<TaskFunction<T>>, options: ScopeOptions) {
    // Refuses bad options now; closed at once, it leaves nothing behind.
    new TaskScope(options).join().catch(noop);
    this.#fns = fns;
    this.#options = options;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<Step<T>> {
    if (this.#scope === undefined && !this.#left) {
      const onTaskDone = (task: Task<unknown>): void => {
        this.#ready.add(task as Task<T>);
        this.#news.ring();
      };
      this.#scope = new TaskScope({ ...this.#options, onTaskDone }, delivery("asCompleted"));
      this.#running = true;
      void this.#run(this.#scope);
    }
    const step = this.#last.then(() => this.#take());
    this.#last = step.then(noop, noop);
    return step;
  }

  /** Cancels the rest; once that has ended, a step finds nothing but the end. */
  return(): Promise<Step<T>> {
    this.#left = true;
    this.#scope?.cancel(this.#leaving);
    if (!this.#running) this.#drop();
    return this.next();
  }

  async throw(error: unknown): Promise<Step<T>> {
    await this.return();
    throw error;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  async #run(scope: TaskScope): Promise<void> {
    try {
      await scope.run(() => this.#spawnAll(scope));
    } catch (error) {
      if (error !== this.#leaving) this.#failure = { error };
    }
    if (this.#left || this.#failure !== undefined) this.#drop();
    this.#running = false;
    this.#news.ring();
  }

  /** What is done is not going to be handed out any more. */
  #drop(): void {
    reportUndelivered(this.#ready, this.#failure);
    this.#ready.clear();
  }

  async #spawnAll(scope: TaskScope): Promise<void> {
    const { token } = scope;
    const { concurrency = Infinity } = this.#options;
    const source = new Source<unknown>(this.#fns, token);
    try {
      for (let index = 0; ; index++) {
        while (scope.size >= concurrency) await token.race(this.#news.next());
        token.throwIfCancelled();
        const pulled = source.pull();
        // What is there already starts at once.
        const step = pulled instanceof Promise ? await pulled : pulled;
        if (step.done === true) return;
        token.throwIfCancelled();
        checkFunction(`fns[${index}]`, step.value);
        scope.spawn(step.value as TaskFunction<T>);
      }
    } finally {
      await source.close();
    }
  }

  async #take(): Promise<Step<T>> {
    // Once the scope is cancelled there is nothing to come but its end.
    while (this.#running && (this.#ready.size === 0 || this.#scope?.cancelRequested === true)) {
      await this.#news.next();
    }
    const [task] = this.#ready;
    if (task !== undefined) {
      this.#ready.delete(task);
      return { done: false, value: task };
    }
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure.error;
    return { done: true, value: undefined };
  }
}

function noop(): void {
  // Whatever it ends in, nothing ran there.
}
