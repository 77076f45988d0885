import { type ScopePolicy, TimeoutError, reportTaskError } from "@scope/core";
import type { RestartLimitError } from "./restart-limit-error.ts";

interface Late {
  readonly name: string;
  readonly stopTimeout: number;
}

/** What a supervisor ends in, beside the failures that were told at once. Knows no supervisor. */
export class Verdict implements ScopePolicy {
  readonly kind = "Supervisor";
  limit: RestartLimitError | undefined;
  /** Who did not stop in time. */
  readonly late = new Set<Late>();

  outcome(label: () => string): Error | undefined {
    const { limit } = this;
    const children = [...this.late];
    this.limit = undefined;
    this.late.clear();
    if (limit === undefined) return children.length === 0 ? undefined : late(label(), children);
    if (children.length > 0) reportLate(label(), children);
    return limit;
  }
}

/** The error that names who did not stop in time. */
export function late(label: string, children: readonly Late[]): TimeoutError {
  const names = children.map(({ name, stopTimeout }) => `"${name}" (${stopTimeout} ms)`).join(", ");
  const longest = Math.max(...children.map(({ stopTimeout }) => stopTimeout));
  return new TimeoutError(longest, `Children of ${label} did not stop in time: ${names}`);
}

/** Tells the process-wide handler, where nobody is to be handed the error. */
export function reportLate(label: string, children: readonly Late[]): void {
  const error = late(label, children);
  reportTaskError({ message: error.message, error });
}
