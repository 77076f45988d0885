import {
  CancelledError,
  type ScopeOptions,
  type Task,
  type TaskFunction,
  TaskGroupError,
  TaskScope,
  checkDuration,
  reportTaskError,
  sleep,
  wrongType,
} from "@scope/core";
import { toFunctions, Delivery, reportUndelivered } from "./delivery.ts";
import { noop } from "./noop.ts";

export interface RaceOptions extends ScopeOptions {
  /** The first success decides, not the first end. @default false; true with `stagger` */
  continueOnError?: boolean | undefined;
  /**
   * Milliseconds between one start and the next, unless one fails sooner: then the next starts at once, and the interval
   * begins anew. As RFC 8305 ("happy eyeballs") has it. @default all start together
   */
  stagger?: number | undefined;
}

export interface RaceResult<T> {
  value: T;
  /** Which function won. */
  index: number;
  /** What failed before that (`continueOnError`), in the order in which it did. */
  errors: unknown[];
}

/**
 * Runs functions against each other: the first to finish decides, the others are cancelled *and waited for*
 * (`Promise.race` leaves them running).
 *
 * - By default the first error rejects, as it is. With `continueOnError` the first success wins, and earlier errors come
 *   along; if all fail, it rejects with a `TaskGroupError` of them.
 * - A loser that succeeds all the same has its value disposed of (`Symbol.asyncDispose`, `Symbol.dispose`), which is
 *   waited for. A loser that fails is told to the process-wide handler (L2).
 * - Rejects, when all have ended, with the outer cancellation, `TimeoutError` after `timeout`, or a `FatalError`, bare.
 *
 * Rejects with TypeError if there is no function, or something else in its place. The counterpart of
 * `asyncio.wait(..., return_when=FIRST_COMPLETED)` and aiohappyeyeballs' `staggered_race`.
 *
 * @example
 * ```ts
 * const { value } = await race([(token) => ask(primary, token), (token) => ask(replica, token)], { stagger: 50, token });
 * ```
 */
export function race<F extends TaskFunction<unknown>>(
  fns: Iterable<F>,
  options?: RaceOptions,
): Promise<RaceResult<Awaited<ReturnType<F>>>>;
export function race<T>(fns: Iterable<TaskFunction<T>>, options?: RaceOptions): Promise<RaceResult<T>>;
export async function race<T>(
  fns: Iterable<TaskFunction<T>>,
  options: RaceOptions = {},
): Promise<RaceResult<T>> {
  const { continueOnError = false, stagger } = options;
  const runners = toFunctions(fns);
  if (runners.length === 0) throw wrongType("fns", "at least one function", fns);
  if (stagger !== undefined) checkDuration("stagger", stagger);
  const firstSuccess = continueOnError || stagger !== undefined;

  const tasks: Task<T>[] = [];
  /** Done before there was a winner, and after. */
  const failed: Task<T>[] = [];
  const losers: Task<T>[] = [];
  let winner: Task<T> | undefined;
  let startNext = noop;
  const onTaskDone = (task: Task<unknown>): void => {
    const decides = task.status === "succeeded" || !firstSuccess;
    // Once the scope is cancelled there is a winner, or there will be none.
    if (decides && !scope.cancelRequested) {
      winner = task as Task<T>;
      scope.cancel(new CancelledError("Another was first", { source: "sibling" }));
    } else (winner ? losers : failed).push(task as Task<T>);
    startNext();
  };
  const scope = new TaskScope({ ...options, onTaskDone }, new Delivery("race"));

  try {
    await scope.run(async () => {
      for (const fn of runners) {
        if (scope.cancelRequested) return;
        tasks.push(scope.spawn(fn));
        if (stagger === undefined || tasks.length === runners.length) continue;
        const interval = scope.token.child();
        startNext = () => {
          interval.cancel();
        };
        await sleep(stagger, interval.token).catch(startNext);
        interval[Symbol.dispose]();
      }
    });
  } catch (error) {
    await disposeOfLate(tasks);
    reportUndelivered(tasks, { error });
    throw error;
  }

  const errors = failed.map(({ error }) => error);
  if (!winner) throw new TaskGroupError(errors, `all functions failed in race "${scope.name}"`, failed);
  await disposeOfLate(tasks, winner);
  reportUndelivered(losers, winner.status === "failed" ? winner : undefined);
  return { value: winner.result(), index: tasks.indexOf(winner), errors };
}

/** Values that nobody is going to see: closed, and waited for, one after another. */
async function disposeOfLate(tasks: readonly Task<unknown>[], winner?: Task<unknown>): Promise<void> {
  const kept = winner?.status === "succeeded" ? winner.result() : undefined;
  for (const task of tasks) {
    if (task.status !== "succeeded") continue;
    const value = task.result() as Partial<AsyncDisposable & Disposable> | null | undefined;
    if (value === kept) continue;
    try {
      const dispose = value?.[Symbol.asyncDispose] ?? value?.[Symbol.dispose];
      await (dispose?.call(value) as unknown);
    } catch (error) {
      reportTaskError({
        message: `Error in disposing of task "${task.name}"`,
        error,
        task,
      });
    }
  }
}
