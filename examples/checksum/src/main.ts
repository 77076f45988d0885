/** Hashes every file of a tree. The heart of it, a `TaskGroup` at work, is in `checksum.ts`. */
import path from "node:path";
import { fileURLToPath } from "node:url";

import type { CancellationToken } from "@scope/core";

import { type Options, help, parseArguments } from "./arguments.ts";
import { pathFromText } from "./byte-path.ts";
import { checksum } from "./checksum.ts";
import { type Ending, completed, cutShort } from "./ending.ts";
import { FileHasher } from "./hash-file.ts";
import { fileOutput, standardOutput } from "./output.ts";
import { Progress, type ProgressDisplay, showLines } from "./progress.ts";
import { catchSignals } from "./signals.ts";

async function main(argv: readonly string[]): Promise<Ending> {
  using signals = catchSignals();
  const progress = new Progress();
  try {
    const options = parseArguments(argv);
    if (options === "help") {
      process.stdout.write(help);
      return { messages: [], exitCode: 0 };
    }
    await run(options, progress, signals.token);
    return completed(progress);
  } catch (error) {
    return cutShort(error, progress, signals.token);
  }
}

async function run(options: Options, progress: Progress, token: CancellationToken): Promise<void> {
  const hasher = new FileHasher(options.algorithm, (bytes) => progress.addBytes(bytes));
  using display = await showProgress(progress);
  await using output =
    options.output === undefined ? standardOutput(display.aside) : await fileOutput(options.output);
  await checksum(
    {
      ...options,
      paths: (options.paths.length > 0 ? options.paths : defaultPaths()).map(pathFromText),
      skip: output.owns,
      hash: (file, token) => hasher.hash(file, token),
      lines: output.lines,
      progress,
      wantsTotal: display.wantsTotal,
    },
    token,
  );
  await output.commit();
}

async function showProgress(progress: Progress): Promise<ProgressDisplay> {
  const canShowBar = process.stderr.isTTY && process.env["TERM"] !== "dumb";
  if (!canShowBar) return showLines(progress, process.stderr);
  const { showBar } = await import("./progress-bar.ts");
  return showBar(progress, process.stderr);
}

/** There is always something to hash: this repository. */
function defaultPaths(): string[] {
  const root = fileURLToPath(new URL("../../..", import.meta.url));
  return ["packages", "node_modules"].map(
    (name) => path.relative(process.cwd(), path.join(root, name)) || ".",
  );
}

const argv = process.argv.slice(2);
if (argv[0] === "--") argv.shift();

// A reader that goes away ends neither the help nor a message with a stack trace.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);

const { messages, exitCode } = await main(argv);
for (const message of messages) process.stderr.write(`checksum: ${message}\n`);
// Lines that nobody reads must not keep a program alive that has been told to end.
if (exitCode > 2) process.exit(exitCode);
process.exitCode = exitCode;
