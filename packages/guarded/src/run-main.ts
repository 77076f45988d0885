/**
 * The main of a process, and its states.
 *
 * ```text
 *              a signal; a failure of main, of a guarded task, a fatal one
 *              of any background task; an uncaught error; the end of main
 *   running ─────────────────────────────────────────────────────────────▶ stopping
 *                                                                             │
 *                    main has ended, and then every background task           │
 *                    a second signal, or graceMs gone: the rest is named      ▼
 *                    (ended: the listeners are gone, the exit code is set)  ended
 * ```
 *
 * "stopping" is the root token being cancelled. Tasks with a token of their own are asked when main has ended: it may
 * still need them to put its things away.
 *
 * Invariants
 * - M1. Everything that ends the program goes through `end`; what comes after the first can only change the exit code.
 * - M2. The exit code is chosen by rank (L5), the first of a rank stays: an `ExitError`, a failure, a signal; otherwise
 *   it is 0.
 * - M3. Every failure is logged when it happens, whatever becomes of the exit code (L2).
 * - M4. While main or a background task runs, so does the event loop, whatever they wait for.
 * - M5. The listeners are gone when the process, or `exit`, is called to end: a signal then ends the process as it ends any.
 * - M6. A failure that Node tells a turn later than it happened, as it does rejections that nobody handles, still counts.
 */
import {
  CancellationSource,
  type CancellationToken,
  CancelledError,
  InvalidStateError,
  checkDuration,
  checkFunction,
  isCancellation,
  wrongType,
} from "@scope/core";
import { backgroundTasks, registry, stillRunning, stopAll } from "./background.ts";
import { type Process, checkEnding, leave, log, logFailure, platform, turn } from "./ending.ts";
import { ExitError, SafeExitError } from "./errors.ts";
import type { MainOptions } from "./types.ts";

/** M2: 0 an `ExitError`, 1 a failure, 2 a signal, or being forced to end, 3 the end of main, 4 not yet. */
type Rank = 0 | 1 | 2 | 3 | 4;

/**
 * Runs the main function of a program, and ends the process in an orderly way, whatever happens.
 *
 * - **Begins** with the call: `main` is handed the root token, which is also that of every background task without one
 *   of its own. Until the end the event loop is kept alive.
 * - **Ends** when `main` and then all background tasks have ended: when `main` returns they are cancelled and waited
 *   for.
 * - **It is cancelled** by SIGINT or SIGTERM. The exit code is then 128 and the signal's number, also if `main`
 *   returns.
 * - **It fails**: `main`'s error, a guarded task's, a `FatalError` of any background task, or an uncaught one is logged
 *   at once, and everything is cancelled and waited for. The exit code is 1, or that of an {@link ExitError}, or of the
 *   guard. A {@link SafeExitError} of `main` ends it silently, with 0.
 * - **It does not end**: a second signal, or `graceMs` after the first request, exits at once, and names what still
 *   runs.
 *
 * With code 0, no `exit` and no `ExitError` the process is left to end by itself; in every other case it exits, its
 * output flushed. So the promise resolves after a good end, and if `exit` was given and has returned.
 *
 * Idea: Python's `asyncio.run` with `SystemExit`; effection's and Effect's `main`.
 *
 * @throws TypeError, RangeError (as rejections) for a bad argument; the message names it.
 * @throws InvalidStateError (as a rejection) if a `runMain` runs already: a process has one main.
 *
 * @example
 * ```ts
 * await runMain(async (token) => {
 *   const server = await listen(8080);
 *   spawnGuarded((own) => relayMessages(own), { name: "relay" });
 *   await sleep(Infinity, token).finally(() => server.close());
 * });
 * ```
 */
export async function runMain<R>(
  main: (token: CancellationToken) => R | PromiseLike<R>,
  options: MainOptions = {},
): Promise<void> {
  const { signals = ["SIGINT", "SIGTERM"], graceMs = 10_000, exit, uncaught = true } = options;
  checkFunction("main", main);
  checkDuration("graceMs", graceMs);
  const logger = checkEnding(options);
  const process = platform();
  const numbers = checkSignals(signals, process);
  const shared = registry();
  if (shared.main) throw new InvalidStateError("runMain is running already");

  const root = new CancellationSource();
  const clock = new CancellationSource();
  const { token } = root;
  const running = ["main"];
  let rank = 4 as Rank;
  let code = 0;
  let cause: unknown;
  let heard = 0;

  const end = (as: Rank, exitCode: number, reason: string, error?: unknown): void => {
    if (as < rank) {
      rank = as;
      code = exitCode;
      cause = error;
    }
    if (token.cancelRequested) return;
    root.cancel(new CancelledError(reason, { source: as < 2 ? "sibling" : "shutdown" }));
    clock.cancelAfter(graceMs);
  };
  const failed = (error: unknown, who: string, exitCode: number): void => {
    end(error instanceof ExitError ? 0 : 1, exitCode, `${who} has failed`, error);
  };
  const fail = (error: unknown, who: string): void => {
    if (error instanceof SafeExitError) end(3, 0, `${who} has ended`);
    // A cancellation is the answer to ours (L4).
    else if (!token.cancelRequested || !isCancellation(error))
      failed(error, who, logFailure(logger, error, who));
  };
  const work = async (): Promise<void> => {
    try {
      await main(token);
    } catch (error) {
      fail(error, "main");
    }
    running.pop();
    if (clock.token.cancelRequested) return;
    end(3, 0, "main has ended");
    await stopAll(new CancelledError(token.error), clock.token);
    // Rejections that nobody handles are told after the microtasks, and the last may have come just now.
    await turn();
  };
  const listeners: [event: string, listener: (error: unknown) => void][] = signals.map((name) => [
    name,
    () => {
      end(2, 128 + (numbers?.[name] ?? 0), name);
      if (++heard > 1) clock.cancel(`a second signal, ${name}`);
    },
  ]);
  for (const event of uncaught ? ["uncaughtException", "unhandledRejection"] : []) {
    listeners.push([
      event,
      (error) => {
        fail(error, event);
      },
    ]);
  }

  // Nobody is left to be told that nobody reads what is told.
  const ignore = (): void => undefined;
  shared.main = { token, fail, failed };
  const alive = setInterval(ignore, 2 ** 30);
  try {
    process?.stderr.on("error", ignore);
    for (const [event, listener] of listeners) process?.on(event, listener);
    await clock.token.race(work());
  } catch (error) {
    if (error !== clock.token.error) throw error;
    const line = `Forced exit: ${(error as Error).message}${stillRunning(running, backgroundTasks())}`;
    log(logger, error, line);
    end(2, 1, line, error);
  } finally {
    shared.main = undefined;
    clearInterval(alive);
    clock[Symbol.dispose]();
    process?.stderr.off("error", ignore);
    for (const [event, listener] of listeners) process?.off(event, listener);
  }
  if (exit !== undefined) exit(code);
  else if (rank !== 3) await leave(code, cause);
}

/** The numbers of all signals, where there are signals; refuses names that are none (L11). */
function checkSignals(names: unknown, process: Process | undefined): Record<string, number> | undefined {
  const known = process?.getBuiltinModule?.("os").constants.signals;
  if (
    !Array.isArray(names) ||
    !names.every((name: string) => known === undefined || (known[name] as number) > 0)
  ) {
    throw wrongType("signals", "an array of signal names", String(names));
  }
  return known;
}
