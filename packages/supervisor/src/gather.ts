import { type ScopeOptions, type Task, type TaskFunction, TaskScope } from "@scope/core";
import { toFunctions, Delivery, reportUndelivered } from "./delivery.ts";

/** What each function came to, as `Promise.allSettled` tells it. */
export type Gathered<T extends readonly TaskFunction<unknown>[]> = {
  -readonly [K in keyof T]: PromiseSettledResult<Awaited<ReturnType<T[K]>>>;
};

/**
 * Runs functions together, waits for all, and tells what each came to, in their order: `Promise.allSettled` with
 * cancellation. It never rejects for the failure of one.
 *
 * Rejects, when all have ended: with the outer cancellation, with `TimeoutError` after `timeout`, with a `FatalError`, bare.
 * The failures that it then cannot hand out go to the process-wide handler (L2).
 *
 * The counterpart of `asyncio.gather(..., return_exceptions=True)`.
 *
 * @example
 * ```ts
 * const [user, orders] = await gather([(token) => fetchUser(id, token), (token) => fetchOrders(id, token)], { token });
 * if (user.status === "fulfilled") show(user.value, orders);
 * ```
 */
export async function gather<const T extends readonly TaskFunction<unknown>[]>(
  fns: T,
  options?: ScopeOptions,
): Promise<Gathered<T>> {
  const runners = toFunctions(fns);
  const scope = new TaskScope(options, new Delivery("gather"));
  const tasks: Task<unknown>[] = [];
  try {
    await scope.run(() => {
      for (const fn of runners) {
        if (scope.cancelRequested) return;
        tasks.push(scope.spawn(fn));
      }
    });
  } catch (error) {
    reportUndelivered(tasks, { error });
    throw error;
  }
  return (await Promise.allSettled(tasks)) as Gathered<T>;
}
