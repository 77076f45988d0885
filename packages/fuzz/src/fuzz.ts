/** Looks for cases that break a law. */
import * as fc from "fast-check";
import type { Door } from "./doors.ts";
import { type Case, Laboratory, type Outcome, caseOf, showCase } from "./laboratory.ts";

export interface Finding {
  readonly door: string;
  readonly seed: number;
  readonly path: string;
  readonly violations: readonly string[];
  /** The case, and what was seen of it. */
  readonly log: string;
}

export interface Fuzzed {
  readonly door: string;
  readonly runs: number;
  readonly outcomes: Readonly<Record<Outcome, number>>;
  readonly finding: Finding | undefined;
}

export interface FuzzOptions {
  readonly runs: number;
  readonly seed: number;
  readonly path?: string | undefined;
  /** Told before each run. */
  readonly begin?: (door: string, run: number) => void;
}

class Broken extends Error {
  readonly violations: readonly string[];
  readonly log: readonly string[];

  constructor(violations: readonly string[], log: readonly string[]) {
    super(violations.join("\n"));
    this.violations = violations;
    this.log = log;
  }
}

/** Tries so many cases of one door; the first that breaks a law is made as small as it gets. */
export async function fuzz(door: Door, { runs, seed, path, begin }: FuzzOptions): Promise<Fuzzed> {
  using laboratory = new Laboratory();
  const outcomes: Record<Outcome, number> = {
    refused: 0,
    "thrown by the user's code": 0,
    failed: 0,
    worked: 0,
  };
  let count = 0;
  let last: Broken | undefined;
  const property = fc.asyncProperty(caseOf(door), async (tried: Case) => {
    begin?.(door.name, count++);
    const { outcome, violations, log } = await laboratory.run(door, tried);
    outcomes[outcome]++;
    if (violations.length === 0) return;
    last = new Broken(violations, log);
    throw last;
  });
  const details = await fc.check(property, {
    numRuns: runs,
    seed,
    ...(path !== undefined && { path }),
    endOnFailure: false,
  });
  const { failed, counterexample, counterexamplePath } = details;
  if (!failed || counterexample === null)
    return { door: door.name, runs: count, outcomes, finding: undefined };
  const [found] = counterexample;
  // Once more, so that what is shown is what it does.
  const { violations, log } = await laboratory.run(door, found);
  const finding: Finding = {
    door: door.name,
    seed,
    path: counterexamplePath ?? "",
    violations:
      violations.length > 0 ? violations : [...(last?.violations ?? []), "(not when it runs alone)"],
    log: [showCase(door, found), ...log.map((line) => `  ${line}`)].join("\n"),
  };
  return { door: door.name, runs: count, outcomes, finding };
}
