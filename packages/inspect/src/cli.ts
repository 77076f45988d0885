#!/usr/bin/env node
/** `scope-inspect`: what it can do is in `cli-commands.ts`, what it may be told in `cli-arguments.ts`. */
import { readFileSync } from "node:fs";
import { constants } from "node:os";

import { CancellationSource, type CancellationToken } from "@scope/core";

import { type Command, UsageError, help, parseArguments } from "./cli-arguments.ts";
import { ps, pstree, top, web } from "./cli-commands.ts";

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

async function main(argv: readonly string[]): Promise<number> {
  using interruption = new CancellationSource();
  const { token } = interruption;
  const interrupt = (signal: NodeJS.Signals): void => {
    // Who asks twice does not want to wait.
    if (token.cancelRequested) process.exit(128 + constants.signals[signal]);
    interruption.cancel(signal);
  };
  for (const signal of signals) process.on(signal, interrupt);
  try {
    await run(parseArguments(argv), token);
    return 0;
  } catch (error) {
    if (token.cancelRequested) return 128 + constants.signals[token.error?.reason as NodeJS.Signals];
    const usage = error instanceof UsageError;
    const message = error instanceof Error ? error.message : String(error);
    process.stderr.write(`scope-inspect: ${message}${usage ? " (try --help)" : ""}\n`);
    return usage ? 2 : 1;
  }
}

async function run(command: Command, token: CancellationToken): Promise<void> {
  switch (command.command) {
    case "help":
      process.stdout.write(help);
      return;
    case "version":
      process.stdout.write(`${version()}\n`);
      return;
    case "ps":
      return ps(command, token);
    case "pstree":
      return pstree(command, token);
    case "top":
      return top(command, token);
    case "web":
      return web(command, token);
  }
}

/** Of the package that this file is in: `src` and `dist` are as deep. */
function version(): string {
  const file = new URL("../package.json", import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}

// Whoever has read enough of it (`| head`) wants no more.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  process.exit(error.code === "EPIPE" ? 0 : 1);
});
process.stderr.on("error", () => undefined);

process.exitCode = await main(process.argv.slice(2));
