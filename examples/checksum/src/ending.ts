import { inspect } from "node:util";

import { type CancellationToken, TaskGroupError, TimeoutError } from "@scope/core";

import { FileError, OutputError, UsageError } from "./errors.ts";
import { type Progress, countOf } from "./progress.ts";
import { exitCodeOf } from "./signals.ts";

/** How the program ends: what it says on standard error, and its exit code. */
export interface Ending {
  readonly messages: readonly string[];
  readonly exitCode: number;
}

/** Every file has been tried. */
export function completed({ failures, summary }: Progress): Ending {
  return tell(summary, failures, failures.length === 0 ? 0 : 1);
}

/** An error has ended it early. If the token is cancelled, a signal has. */
export function cutShort(error: unknown, { failures, summary }: Progress, token: CancellationToken): Ending {
  if (error instanceof UsageError) return { messages: [`${error.message} (try --help)`], exitCode: 2 };
  if (error instanceof TimeoutError) return tell(`timed out: ${summary}`, failures, 124);

  // Groups in groups: what really went wrong are the leaves.
  const errors = error instanceof TaskGroupError ? error.leaves() : [error];
  if (errors.some((leaf) => leaf instanceof OutputError && leaf.isBrokenPipe)) {
    return { messages: [], exitCode: exitCodeOf("SIGPIPE") };
  }
  if (token.error === undefined) return tell(`stopped: ${summary}`, [...failures, ...errors], 1);

  const signal = String(token.error.reason);
  const others = errors.filter((leaf) => leaf !== token.error);
  return tell(`stopped by ${signal}: ${summary}`, [...failures, ...others], exitCodeOf(signal));
}

function tell(closing: string, failures: readonly unknown[], exitCode: number): Ending {
  if (failures.length === 0) return { messages: [closing], exitCode };
  const messages = failures.map((failure) =>
    // Of anything else the stack tells more.
    failure instanceof FileError || failure instanceof OutputError ? failure.message : inspect(failure),
  );
  return { messages: [...messages, `${closing}, ${countOf(failures.length, "failure")}`], exitCode };
}
