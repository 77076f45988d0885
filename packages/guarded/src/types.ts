/** What the functions of this package are given. */
import type { SpawnOptions, TokenLike } from "@scope/core";

export interface BackgroundOptions extends SpawnOptions {
  /** Cancels the task. @default the root token of the running `runMain`, if there is one */
  token?: TokenLike | undefined;
}

/** Where failures are logged: the console, a pino, a winston or anything else with this one method. */
export interface Logger {
  error(...args: unknown[]): void;
}

/** What guards and mains have in common. */
export interface EndingOptions {
  /** Is given texts, one a call: the traceback, then a line. @default console */
  logger?: Logger | undefined;
  /**
   * Called instead of `process.exit`, at once: flushing is then its own business. It may return.
   * @default flushes stdout and stderr, and exits
   */
  exit?: ((code: number) => void) | undefined;
}

export interface GuardOptions extends BackgroundOptions, EndingOptions {
  /** From 0 to 255. @default the `exitCode` of an `ExitError`; 1 for any other error */
  exitCode?: number | undefined;
}

export interface MainOptions extends EndingOptions {
  /** What cancels the root token, by name. @default ["SIGINT", "SIGTERM"] */
  signals?: readonly string[] | undefined;
  /**
   * Milliseconds that everything has to end in, from the moment that it was asked to; then the process exits hard.
   * @default 10_000
   */
  graceMs?: number | undefined;
  /**
   * Whether an `uncaughtException` or `unhandledRejection`, from wherever, is logged and ends the program in the
   * orderly way, with code 1. A cancellation that nobody caught is none, once everything has been cancelled. @default
   * true
   */
  uncaught?: boolean | undefined;
}
