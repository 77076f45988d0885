import { checkDuration, checkFunction } from "./arguments.ts";
import { TaskScope } from "./task-scope.ts";
import type { TaskScopeOptions } from "./types.ts";

type Body<R> = (scope: TaskScope) => R | PromiseLike<R>;
type Options = Omit<TaskScopeOptions, "timeout">;

/**
 * Runs a body in a scope for at most `ms` milliseconds, and moves on: resolves with the body's value, or, once the time
 * ran out and all has ended, with `undefined`, even if a value came later. Errors count more than the time limit (L5), and
 * a `TimeoutError` of the body's own is an error like any other. As trio's `move_on_after`.
 *
 * Otherwise it behaves as {@link TaskScope.run}: 0 does not call the body.
 *
 * @example
 * ```ts
 * const cached = await moveOnAfter(50, (scope) => cache.get(key, scope.token));
 * ```
 */
export async function moveOnAfter<R>(ms: number, body: Body<R>, options?: Options): Promise<R | undefined> {
  const scope = open(ms, body, options);
  try {
    return await scope.run(body);
  } catch (error) {
    if (scope._expired !== undefined && error === scope._expired) return undefined;
    throw error;
  }
}

/**
 * Runs a body in a scope for at most `ms` milliseconds; once the time ran out and all has ended, rejects with
 * `TimeoutError`. As trio's `fail_after` and `asyncio.timeout`. Otherwise it behaves as {@link TaskScope.run}.
 */
export async function failAfter<R>(ms: number, body: Body<R>, options?: Options): Promise<R> {
  return open(ms, body, options).run(body);
}

function open(ms: number, body: unknown, options: Options = {}): TaskScope {
  checkDuration("ms", ms);
  checkFunction("body", body);
  return new TaskScope({ ...options, timeout: ms });
}
