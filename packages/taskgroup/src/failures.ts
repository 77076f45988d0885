import { type ScopePolicy, type Task, TaskGroupError } from "@scope/core";

/** Fail fast, as a policy: collects every failure, and has the first one cancel the siblings. */
export class Failures implements ScopePolicy {
  readonly kind = "TaskGroup";
  /**
   * What has failed, and the error objects among it: whoever awaits a failed sibling fails with the same one. Made for the first failure.
   */
  #found: { errors: unknown[]; tasks: (Task<unknown> | undefined)[]; seen: Set<unknown> } | undefined;

  failed(error: unknown, task: Task<unknown> | undefined): boolean {
    const { errors, tasks, seen } = (this.#found ??= { errors: [], tasks: [], seen: new Set() });
    if (typeof error !== "object" || error === null || !seen.has(error)) {
      seen.add(error);
      errors.push(error);
      tasks.push(task);
    }
    return true;
  }

  outcome(label: () => string): TaskGroupError | undefined {
    const found = this.#found;
    this.#found = undefined;
    return found && new TaskGroupError(found.errors, `unhandled errors in ${label()}`, found.tasks);
  }
}
