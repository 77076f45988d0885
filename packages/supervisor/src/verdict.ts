import type { ScopePolicy } from "@scope/core";

/** What an owner ends in, beside what was told at once: one error, handed out once. Knows no owner. */
export class Verdict implements ScopePolicy {
  declare readonly kind: string;
  declare error: unknown;

  constructor(kind: string) {
    this.kind = kind;
  }

  outcome(): unknown {
    const { error } = this;
    this.error = undefined;
    return error;
  }
}

export function namesOf(named: Iterable<{ readonly name: string }>): string {
  return Array.from(named, ({ name }) => `"${name}"`).join(", ");
}
