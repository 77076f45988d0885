import type { ScopePolicy } from "@scope/core";

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

export function namesOf(named: Iterable<{ readonly name: string }>): string {
  return Array.from(named, ({ name }) => `"${name}"`).join(", ");
}
