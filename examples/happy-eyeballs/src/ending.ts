import { inspect } from "node:util";

import { TaskGroupError, TimeoutError } from "@scope/core";

import { AttemptError, LookupError, UsageError, describe } from "./errors.ts";
import type { Timeline } from "./timeline.ts";

/** How the program fails: what it says on standard error, and its exit code. */
export interface Ending {
  readonly messages: readonly string[];
  readonly exitCode: number;
}

export function endingOf(error: unknown, timeline: Timeline): Ending {
  if (error instanceof UsageError) return { messages: [`${error.message} (try --help)`], exitCode: 2 };
  if (error instanceof TimeoutError) {
    const messages = timeline.failures.map(({ address, error }) => `${address}: ${describe(error)}`);
    const silent = timeline.unanswered.map((address) => `${address}: no answer`);
    return { messages: [...messages, ...silent, "timed out"], exitCode: 124 };
  }
  const errors = error instanceof TaskGroupError ? error.leaves() : [error];
  return { messages: errors.map(messageOf), exitCode: 1 };
}

function messageOf(error: unknown): string {
  // Of anything else the stack tells more.
  return error instanceof AttemptError || error instanceof LookupError ? error.message : inspect(error);
}
