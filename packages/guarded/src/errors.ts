import { FatalError, brand, wrongType } from "@scope/core";

/**
 * Ends a guarded task without ending the process: nothing is logged. Whoever awaits the task is thrown it. As the error
 * of a `runMain`'s main it means an orderly end with code 0. The counterpart of proxystore's `SafeTaskExitError`, which
 * logs a traceback.
 */
export class SafeExitError extends Error {
  declare readonly name: "SafeExitError";

  static override readonly [Symbol.hasInstance] = /* @__PURE__ */ brand(() => this, "SafeExitError");
}

/**
 * Ends the program with an exit code of its own, after an orderly shutdown: thrown by a guarded task, by the main of a
 * `runMain`, or under one by any background task. Being a `FatalError` it comes out of every scope on its way, bare.
 * Only its message is logged, if it has one. The counterpart of Python's `SystemExit`.
 *
 * @example
 * ```ts
 * if (config === undefined) throw new ExitError(78, "no configuration: see --help");
 * ```
 */
export class ExitError extends FatalError {
  declare readonly name: "ExitError";
  declare readonly exitCode: number;

  /** @throws TypeError, RangeError if `exitCode` is no integer from 0 to 255. */
  constructor(exitCode: number, message?: string) {
    checkExitCode(exitCode);
    super(message);
    this.exitCode = exitCode;
  }

  static override readonly [Symbol.hasInstance] = /* @__PURE__ */ brand(() => this, "ExitError");
}

export function checkExitCode(value: unknown): void {
  if (!Number.isInteger(value) || (value as number) < 0 || (value as number) > 255) {
    throw wrongType("exitCode", "an integer from 0 to 255", value, typeof value === "number");
  }
}
