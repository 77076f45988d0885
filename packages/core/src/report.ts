/** The last reporter (L2): one handler per process, shared by every copy of this package. */
import { checkFunction } from "./arguments.ts";
import type { TaskErrorContext } from "./types.ts";

export type TaskErrorHandler = (context: TaskErrorContext) => void;

const HANDLER = /* @__PURE__ */ Symbol.for("@scope/report");

interface Shared {
  [HANDLER]?: TaskErrorHandler | undefined;
}

/**
 * Replaces the process-wide handler, which is told about every failure that has no other reporter: tasks of a scope
 * with `onError: "report"`, background tasks, callbacks that throw, errors that a fatal one outranks.
 * `undefined` restores the default, `console.error(message, error)`. Returns the previous handler (`undefined`: the
 * default). The counterpart of asyncio's `loop.set_exception_handler`.
 *
 * A handler that throws is rethrown from a microtask, the platform's path for uncaught errors.
 *
 * @throws TypeError if `handler` is neither a function nor `undefined`.
 *
 * @example
 * ```ts
 * const previous = setTaskErrorHandler(({ message, error }) => logger.error({ error }, message));
 * ```
 */
export function setTaskErrorHandler(handler: TaskErrorHandler | undefined): TaskErrorHandler | undefined {
  if (handler !== undefined) checkFunction("handler", handler);
  const shared = globalThis as Shared;
  const previous = shared[HANDLER];
  shared[HANDLER] = handler;
  return previous;
}

/** Tells the process-wide handler. For owners built on top; never throws. */
export function reportTaskError(context: TaskErrorContext): void {
  try {
    const handler = (globalThis as Shared)[HANDLER];
    if (handler === undefined) console.error(context.message, context.error);
    else handler(context);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

/** Calls somebody else's callback: what it throws is reported and stops nothing (L9). Returns whether it went well. */
export function callSafely<A>(
  callback: (argument: A) => void,
  argument: A,
  what: string,
  owner: { toString(): string },
): boolean {
  try {
    callback(argument);
    return true;
  } catch (error) {
    reportTaskError({ message: `Error in ${what} of ${String(owner)}`, error });
    return false;
  }
}
