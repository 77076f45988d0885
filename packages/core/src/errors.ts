/**
 * The error catalogue: one class per situation, each saying who did it and what to do.
 *
 * | class | name | who | what to do |
 * |---|---|---|---|
 * | `CancelledError` | AbortError | whoever holds a source, a task or a scope | clean up and let it pass |
 * | `TimeoutError` | TimeoutError | a deadline of yours | retry, or report: it is a failure |
 * | `InvalidStateError` | InvalidStateError | the calling code | mend the call |
 * | `FatalError` | FatalError | the program | nothing: no scope contains it |
 * | `TaskGroupError` | TaskGroupError | several failed tasks | `split` and `leaves` |
 */
import { brand } from "./brand.ts";
import { debugging } from "./debug.ts";
import type { CancelSource } from "./types.ts";

/**
 * An error class that captures no stack frames unless debugging is on ({@link setDebug}): V8 keeps the functions and
 * receivers of a captured stack alive, and so, for as long as somebody stores the error, the work that it was about.
 * For errors that are made in a callback of ours, where the frames tell nothing.
 */
export function frameless<C extends ErrorConstructor | AggregateErrorConstructor>(Base: C): C {
  const Framed = Base as unknown as new (first: unknown, second: unknown) => Error;
  const Frameless = class extends Framed {
    constructor(first: unknown, second: unknown) {
      const { stackTraceLimit } = Error as { stackTraceLimit?: number };
      // Not by assignment, which throws where Error is frozen.
      if (!debugging) Reflect.set(Error, "stackTraceLimit", 0);
      try {
        super(first, second);
      } finally {
        Reflect.set(Error, "stackTraceLimit", stackTraceLimit);
      }
    }
  };
  return Frameless as unknown as C;
}

/**
 * A cancellation that was asked for, and the reason. Its name and code are the platform's, so every library that knows
 * aborts knows this one; the counterpart of `asyncio.CancelledError` and `trio.Cancelled`.
 *
 * One cancellation is one object: every descendant token has it as its `error`, and everybody who waits is thrown it.
 * It captures no stack frames unless debugging is on ({@link setDebug}): frames would keep the cancelled work alive for
 * as long as somebody stores the reason.
 *
 * Let it pass. Whoever catches it to clean up rethrows it; swallowing it turns the task into one that succeeded.
 */
export class CancelledError extends /* @__PURE__ */ frameless(Error) {
  declare readonly name: "AbortError";
  declare readonly code: "ABORT_ERR";
  /** What was passed to `cancel()`; the message if a string, the message and `cause` if an `Error`. */
  declare readonly reason: unknown;
  declare readonly source: CancelSource;

  /** A `CancelledError` given as the reason is used as it is: `new` then returns that very object. */
  constructor(reason?: unknown, options?: { source?: CancelSource | undefined }) {
    let message = typeof reason === "string" ? reason : "Cancelled";
    let cause: ErrorOptions | undefined;
    try {
      if (reason instanceof Cancelled) {
        // Whoever prints it or asks whose it is must be able to.
        message = String(reason) + reason.source;
        return reason;
      }
      if (reason instanceof Error) {
        message = String((reason as { message: unknown }).message);
        cause = { cause: reason };
      }
    } catch {
      // A reason may be anything, even unreadable.
    }
    super(message, cause);
    this.reason = reason;
    this.source = options?.source ?? "explicit";
  }

  static override readonly [Symbol.hasInstance] = /* @__PURE__ */ brand(() => this, "CancelledError", {
    name: "AbortError",
    code: "ABORT_ERR",
  });
}

// A class that mentions itself by its own name is renamed by bundlers, and shows that in every stack.
const Cancelled = CancelledError;

/**
 * Whether an error is a cancellation: a `CancelledError` of any copy of this package, or an error named "AbortError",
 * which is what `fetch`, `timers/promises`, `events.once`, `fs`, `stream` and `child_process` throw.
 *
 * Whose cancellation it is, the error does not tell: ask the token (`token.cancelRequested`).
 */
export function isCancellation(error: unknown): boolean {
  try {
    return (
      typeof error === "object" && (error instanceof CancelledError || (error as Error).name === "AbortError")
    );
  } catch {
    return false; // null; or a getter that throws, a revoked proxy: nobody can tell.
  }
}

/** A deadline passed. An ordinary failure, not a cancellation: it must not be mistaken for one and swallowed. */
export class TimeoutError extends /* @__PURE__ */ frameless(Error) {
  declare readonly name: "TimeoutError";
  /** The time limit, in milliseconds. */
  declare readonly timeout: number;

  constructor(timeout: number, message = `Timed out after ${timeout} ms`) {
    super(message);
    this.timeout = timeout;
  }

  static override readonly [Symbol.hasInstance] = /* @__PURE__ */ brand(() => this, "TimeoutError");
}

/** Misuse: the message names the object, its state and the way out. The counterpart of `asyncio.InvalidStateError`. */
export class InvalidStateError extends Error {
  declare readonly name: "InvalidStateError";

  static override readonly [Symbol.hasInstance] = /* @__PURE__ */ brand(() => this, "InvalidStateError");
}

/**
 * An error that no scope contains: it cancels everything on its way up and comes out of every `run` and `join` bare,
 * never wrapped. Throw it, or a subclass, when the program as a whole must end. The counterpart of `SystemExit` and
 * `KeyboardInterrupt`, which `asyncio.TaskGroup` lets through in the same way.
 */
export class FatalError extends Error {
  declare readonly name: string;

  static override readonly [Symbol.hasInstance] = /* @__PURE__ */ brand(() => this, "FatalError");
}
