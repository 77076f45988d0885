/**
 * How a program tells its failure, and ends.
 *
 * Invariants
 * - E1. What is written before the end is read by whoever reads: a logger that writes in later turns has some, then
 *   stdout and stderr are flushed, and only then the process exits.
 * - E2. Nothing holds the end up for ever: not a logger that throws, not a pipe that is closed, not a reader that has
 *   stopped reading.
 * - E3. The process is looked for when it is needed: there may be none, and tests put another one in its place.
 */
import { checkFunction, reportTaskError, sleep } from "@scope/core";
import { ExitError } from "./errors.ts";
import type { EndingOptions, Logger } from "./types.ts";

/** What is used of Node's `process`, which Bun and Deno have as well. */
export interface Process {
  exitCode?: unknown;
  readonly stdout: Output;
  readonly stderr: Output;
  exit(code: number): void;
  on(event: string, listener: (...args: unknown[]) => void): unknown;
  off(event: string, listener: (...args: unknown[]) => void): unknown;
  getBuiltinModule?(name: "util"): { inspect(value: unknown): string };
  getBuiltinModule?(name: "os"): { constants: { signals: Record<string, number> } };
}

interface Output {
  write(text: string, written: () => void): unknown;
  end(written: () => void): unknown;
  on(event: "error", listener: () => void): unknown;
  off(event: "error", listener: () => void): unknown;
}

export function platform(): Process | undefined {
  const { process } = globalThis as { process?: Process };
  return typeof process?.exit === "function" ? process : undefined;
}

/** Returns the logger. */
export function checkEnding({ logger = console, exit }: EndingOptions): Logger {
  checkFunction("logger.error", (logger as Partial<Logger> | null)?.error);
  if (exit !== undefined) checkFunction("exit", exit);
  return logger;
}

/** Logs a failure, and returns the exit code that it stands for. */
export function logFailure(logger: Logger, error: unknown, who: string): number {
  if (error instanceof ExitError) {
    if (error.message !== "") log(logger, error, error.message);
    return error.exitCode;
  }
  const [traceback, summary] = render(error);
  log(logger, error, traceback, `Exception in ${who}: ${summary}`);
  return 1;
}

/** One entry per text. What the logger throws is reported, and so is the error that the entries were about (L2, L9). */
export function log(logger: Logger, error: unknown, ...texts: string[]): void {
  try {
    for (const text of texts) logger.error(text);
  } catch (thrown) {
    reportTaskError({ message: "Error in the logger", error: thrown });
    reportTaskError({ message: texts.join("\n"), error });
  }
}

/** Ends the process, or, where there is none, has the platform report the error (E1, E2). */
export async function leave(exitCode: number, error: unknown): Promise<void> {
  const process = platform();
  if (!process) {
    reportError(error);
    return;
  }
  // Should the program come to its natural end meanwhile.
  process.exitCode = exitCode;
  const flushed = (["stdout", "stderr"] as const).map(async (name) => {
    const output = process[name];
    // At once, before the log that is being written fails: without a listener a closed pipe is an uncaught error.
    const broken = new Promise<void>((resolve) => output.on("error", resolve));
    // A few turns for the logger.
    await sleep(20);
    const written = new Promise<void>((resolve) => {
      // Bun calls back at once for an empty text, and ending its stream does not keep others from writing.
      if ("Bun" in globalThis) output.end(resolve);
      else output.write("", resolve);
    });
    await Promise.race([broken, written]);
  });
  // Whoever has not read by then does not read.
  await Promise.race([Promise.allSettled(flushed), sleep(5_000)]);
  process.exit(exitCode);
}

/** One turn of the event loop, which no test clock holds up. */
export function turn(): Promise<void> {
  return sleep(Infinity, AbortSignal.timeout(0)).catch(() => undefined);
}

/**
 * The stack, with causes, members and details where the platform shows them, and the first line of the error's own
 * text. All as text: not every logger takes an error.
 */
function render(error: unknown): [traceback: string, summary: string] {
  try {
    const inspected = platform()?.getBuiltinModule?.("util").inspect(error);
    return [
      inspected ?? String((error as Error | undefined)?.stack ?? error),
      String(error).split("\n")[0] as string,
    ];
  } catch {
    const text = `an unprintable ${typeof error}`;
    return [text, text];
  }
}
