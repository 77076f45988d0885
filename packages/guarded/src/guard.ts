import { Task, type TaskFunction, wrongType } from "@scope/core";
import { type Scopes, describe, registry, start } from "./background.ts";
import { checkEnding, leave, logFailure } from "./ending.ts";
import { SafeExitError, checkExitCode } from "./errors.ts";
import type { GuardOptions, Logger } from "./types.ts";

/** Of guarded tasks: the guard is their reporter. */
const silent: Scopes = /* @__PURE__ */ new WeakMap();

/**
 * Starts a background task whose failure ends the process: for work without which the program is of no use, and would
 * otherwise go on half dead.
 *
 * - **Begins, ends, is listed and cancelled** as a task of `spawn`.
 * - **It fails**: the traceback is logged, then the line `Exception in background task (name="…"): …`, and the process
 *   exits with code 1, its output flushed. Under `runMain` that is orderly: everything is cancelled and waited for
 *   first. Without a process (in a browser) the error goes to `reportError`. The log is the failure's report: the
 *   process-wide handler is not told.
 * - **It fails with an {@link ExitError}**: the same, with that error's code, and of the log only its message, if any.
 * - **It succeeds, is cancelled, or fails with a {@link SafeExitError}**: nothing happens.
 *
 * Awaiting the task shows its outcome as ever.
 *
 * The counterpart of proxystore's `spawn_guarded_background_task`.
 *
 * @throws TypeError, RangeError for a bad argument; the message names it.
 *
 * @example
 * ```ts
 * spawnGuarded((token) => relayMessages(token), { name: "relay", logger });
 * ```
 */
export function spawnGuarded<T>(fn: TaskFunction<T>, options: GuardOptions = {}): Task<T> {
  check(options);
  const task = start(fn, options, silent, "ignore");
  exitOnError(task, options);
  return task;
}

/**
 * Ends the process if a task has failed, as {@link spawnGuarded} says. A callback for the `onDone` of any task; a task
 * that still runs is looked at when it is done. Its owner reports the failure as well.
 *
 * The counterpart of proxystore's `exit_on_error`.
 *
 * @param options `name` is shown in place of the task's; `token` means nothing here.
 * @throws TypeError, RangeError for a bad argument; the message names it.
 *
 * @example
 * ```ts
 * group.spawn((token) => heartbeat(token), { name: "heartbeat" }).onDone(exitOnError);
 * ```
 */
export function exitOnError(task: Task<unknown>, options: GuardOptions = {}): void {
  if (!(task instanceof Task)) throw wrongType("task", "a task", task);
  const logger = check(options);
  const { done, status, error } = task;
  if (!done) {
    task.onDone(() => {
      exitOnError(task, options);
    });
  }
  if (status !== "failed" || error instanceof SafeExitError) return;
  const who = describe(options.name ?? task.name);
  const usual = logFailure(logger, error, who);
  const { exitCode = usual, exit } = options;
  const { main } = registry();
  if (exit !== undefined) exit(exitCode);
  else if (main) main.failed(error, who, exitCode);
  else void leave(exitCode, error);
}

function check(options: GuardOptions): Logger {
  const { exitCode } = options;
  if (exitCode !== undefined) checkExitCode(exitCode);
  return checkEnding(options);
}
