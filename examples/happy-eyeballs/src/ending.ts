import { inspect } from "node:util";

import { type CancellationToken, TaskGroupError, TimeoutError } from "@scope/core";

import { AttemptError, LookupError, UsageError, describe } from "./errors.ts";
import { exitCodeOf } from "./signals.ts";
import type { Timeline } from "./timeline.ts";

/** How the program ends: what it says on standard error, and its exit code. */
export interface Ending {
  readonly messages: readonly string[];
  readonly exitCode: number;
}

/** If the token is cancelled, a signal has ended it. */
export function endingOf(error: unknown, timeline: Timeline, token: CancellationToken): Ending {
  if (error instanceof UsageError) return { messages: [`${error.message} (try --help)`], exitCode: 2 };
  if (error === token.error) {
    const signal = String(token.error?.reason);
    return { messages: [`stopped by ${signal}`], exitCode: exitCodeOf(signal) };
  }
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
