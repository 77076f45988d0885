import { type ScopePolicy, type Task, checkFunction, reportTaskError } from "@scope/core";

/** For calls that hand their tasks' failures out themselves: the scope only keeps the body's. Knows no scope. */
export function delivery(kind: string): ScopePolicy {
  let failure: unknown;
  return {
    kind,
    failed(error, task) {
      if (task === undefined) failure = error;
      return false;
    },
    outcome: () => failure,
  };
}

/** L2 for tasks whose failures nobody is going to be handed; but for the error that has just been thrown. */
export function reportUndelivered(
  tasks: Iterable<Task<unknown>>,
  thrown?: { readonly error: unknown },
): void {
  for (const task of tasks) {
    const { status, error, name } = task;
    if (status !== "failed" || (thrown !== undefined && thrown.error === error)) continue;
    reportTaskError({
      message: `Undelivered error in task "${name}"`,
      error,
      task,
    });
  }
}

/** Refuses a list that holds anything else, or has holes. */
export function checkFunctions(fns: readonly unknown[]): void {
  for (const [index, fn] of fns.entries()) checkFunction(`fns[${index}]`, fn);
}
