import { type ScopePolicy, type Task, reportTaskError } from "@scope/core";

/** For calls that hand their tasks' failures out themselves: the scope only keeps the body's. Knows no scope. */
export class Delivery implements ScopePolicy {
  readonly kind: string;
  #body: { readonly error: unknown } | undefined;

  constructor(kind: string) {
    this.kind = kind;
  }

  failed(error: unknown, task: Task<unknown> | undefined): boolean {
    if (task === undefined) this.#body = { error };
    return false;
  }

  outcome(): unknown {
    const error = this.#body?.error;
    this.#body = undefined;
    return error;
  }
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
      message: `Error in task "${name}", which nobody was waiting for any more`,
      error,
      task,
    });
  }
}
