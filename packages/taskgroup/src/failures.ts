import { type ScopePolicy, type Task, TaskGroupError } from "@scope/core";

/** Fail fast, as a policy: collects every failure, and has the first one cancel the siblings. */
export class Failures implements ScopePolicy {
  readonly kind = "TaskGroup";
  #errors: unknown[] = [];
  #tasks: (Task<unknown> | undefined)[] = [];
  /** Error objects told already: whoever awaits a failed sibling fails with the same one. Made for the first failure. */
  #seen: Set<unknown> | undefined;

  failed(error: unknown, task: Task<unknown> | undefined): boolean {
    const seen = (this.#seen ??= new Set());
    if (typeof error !== "object" || error === null || !seen.has(error)) {
      seen.add(error);
      this.#errors.push(error);
      this.#tasks.push(task);
    }
    return true;
  }

  outcome(label: () => string): TaskGroupError | undefined {
    if (this.#seen === undefined) return undefined;
    const error = new TaskGroupError(this.#errors, `unhandled errors in ${label()}`, this.#tasks);
    this.#errors = [];
    this.#tasks = [];
    this.#seen = undefined;
    return error;
  }
}
