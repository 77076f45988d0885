import { wrongType } from "./arguments.ts";
import { CancellationToken, toToken } from "./cancellation-token.ts";
import { InvalidStateError } from "./errors.ts";
import { TaskGroupError } from "./task-group-error.ts";
import { Task } from "./task.ts";
import type { TokenLike } from "./types.ts";

/**
 * Cancels tasks and waits until they have ended. Their own cancellation is what was wanted, and is swallowed; tasks that
 * are done already are passed over.
 *
 * Rejects, when all have ended, with what else came of them: the failure of the one task given, or a
 * {@link TaskGroupError} of several given as an iterable. Their owners still report it (L2). A task that took the request
 * and returned a value all the same counts as `InvalidStateError`: whoever relies on its end should know.
 *
 * If `token` is cancelled meanwhile, it rejects with that cancellation at once, and leaves the tasks to finish what they
 * do about the first request: cancelling the waiter must not cut their clean-up short.
 *
 * Idea: aiotools' `cancel_and_wait`.
 *
 * Rejects with TypeError if `tasks` is neither a task nor an iterable of tasks.
 */
export async function cancelAndWait(
  tasks: Task<unknown> | Iterable<Task<unknown>>,
  options: { reason?: unknown; token?: TokenLike | undefined } = {},
): Promise<void> {
  const { reason, token = CancellationToken.none } = options;
  const watched = toToken("token", token);
  const given = [
    ...new Set(
      Symbol.iterator in Object(tasks) ? (tasks as Iterable<Task<unknown>>) : [tasks as Task<unknown>],
    ),
  ];
  for (const task of given) if (!(task instanceof Task)) throw wrongType("tasks", "a task, or tasks", task);
  const live = given.filter(({ done }) => !done);
  if (live.length === 0) return;
  for (const task of live) task.cancel(reason);
  await watched.race(Promise.allSettled(live));
  const failed = live.filter(({ status }) => status !== "cancelled");
  const errors = failed.map(({ name, status, error }) =>
    status === "failed" ? error : new InvalidStateError(`Task "${name}" was cancelled, but returned a value`),
  );
  if (errors.length === 0) return;
  throw tasks instanceof Task ? errors[0] : new TaskGroupError(errors, "errors in cancelled tasks", failed);
}
