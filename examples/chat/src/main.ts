/** A chat server. Who owns what is in `chat-server.ts`, what becomes of one connection in `converse.ts`. */
import { type CancellationToken, TimeoutError, isCancellation, setTaskErrorHandler } from "@scope/core";
import type { Logger } from "pino";

import { type Options, UsageError, help, parseArguments } from "./arguments.ts";
import { ChatServer } from "./chat-server.ts";
import { demo } from "./demo.ts";
import { makeHandler } from "./handlers.ts";
import { makeLogger } from "./logger.ts";
import { catchSignals, exitCodeAfter } from "./signals.ts";

async function main(argv: readonly string[]): Promise<number> {
  using signals = catchSignals();
  const logger = makeLogger();
  setTaskErrorHandler(({ message, error }) => {
    logger.error({ err: error }, message);
  });
  try {
    const options = parseArguments(argv);
    if (options === "help") process.stdout.write(help);
    else if (options === "demo") await demo(tell, logger, signals.token);
    else await serve(options, logger, signals.token);
  } catch (error) {
    if (error instanceof UsageError) {
      process.stderr.write(`chat: ${error.message} (try --help)\n`);
      return 2;
    }
    if (!isCancellation(error)) {
      logger.fatal(
        { err: error },
        error instanceof TimeoutError ? "not everything has ended" : "cannot go on",
      );
      return 1;
    }
  }
  return exitCodeAfter(signals.token.error?.reason);
}

/** Until the token is cancelled: rejects with the cancellation, once everything has ended. */
async function serve(options: Options, logger: Logger, token: CancellationToken): Promise<void> {
  const { announceEvery, ...rest } = options;
  const server = await ChatServer.listen({
    ...rest,
    handle: makeHandler(options),
    announcer: {
      every: announceEvery,
      crashes: () => Math.random() < 0.2,
      backoff: { initial: 1_000, max: 30_000, jitter: 0.1 },
    },
    logger,
  });
  tell(`chat: ${server.url}`);
  try {
    await token.race(server.ended());
  } finally {
    await server.drain();
  }
}

function tell(line: string): void {
  process.stdout.write(`${line}\n`);
}

const argv = process.argv.slice(2);
if (argv[0] === "--") argv.shift();

// A reader that goes away is no reason to disconnect everybody.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);

const exitCode = await main(argv);
// A handler that is stuck must not keep the process.
if (exitCode === 1) process.exit(exitCode);
process.exitCode = exitCode;
