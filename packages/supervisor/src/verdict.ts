import { type ScopePolicy, TimeoutError } from "@scope/core";

/** What a supervisor ends in, beside the failures that were told at once. Knows no supervisor. */
export class Verdict implements ScopePolicy {
  readonly kind = "Supervisor";
  error: Error | undefined;

  outcome(): Error | undefined {
    const { error } = this;
    this.error = undefined;
    return error;
  }
}

/** The error that names who did not stop in time. */
export function late(
  label: string,
  children: readonly { readonly name: string; readonly stopTimeout: number }[],
): TimeoutError {
  const longest = Math.max(...children.map(({ stopTimeout }) => stopTimeout));
  return new TimeoutError(longest, `Children of ${label} did not stop in time: ${namesOf(children)}`);
}

export function namesOf(named: Iterable<{ readonly name: string }>): string {
  return Array.from(named, ({ name }) => `"${name}"`).join(", ");
}
