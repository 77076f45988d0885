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
    const lateness = this.late.size === 0 ? undefined : late(label(), [...this.late]);
    this.limit = undefined;
    this.late.clear();
    if (limit !== undefined && lateness !== undefined) {
      reportTaskError({ message: lateness.message, error: lateness });
    }
    return limit ?? lateness;
  }
}

/** The error that names who did not stop in time. */
export function late(label: string, children: readonly Late[]): TimeoutError {
  const names = children.map(({ name, stopTimeout }) => `"${name}" (${stopTimeout} ms)`).join(", ");
  const longest = Math.max(...children.map(({ stopTimeout }) => stopTimeout));
  return new TimeoutError(longest, `Children of ${label} did not stop in time: ${names}`);
}
