/** An uptime monitor. What it consists of is in `monitor.ts`, how probes are restarted in `probe-service.ts`. */
import { readFile } from "node:fs/promises";

import { type CancellationToken, TimeoutError, isCancellation, setTaskErrorHandler } from "@scope/core";
import type { Logger } from "pino";

import { type Options, help, parseArguments } from "./arguments.ts";
import { openDemo } from "./demo.ts";
import { ProbeError, UsageError, describe } from "./errors.ts";
import { makeLogger } from "./logger.ts";
import { makeMonitor } from "./monitor.ts";
import { report, summaryOf } from "./reporter.ts";
import { catchSignals, exitCodeAfter } from "./signals.ts";
import { type Config, parseTargets } from "./targets.ts";

async function main(argv: readonly string[]): Promise<number> {
  using signals = catchSignals();
  const logger = makeLogger();
  setTaskErrorHandler(({ message, error, task }) => {
    // What a target does wrong is no fault of this program.
    if (error instanceof ProbeError) logger.warn({ task: task?.name, reason: error.message }, message);
    else logger.error({ err: error, task: task?.name }, message);
  });
  try {
    const options = parseArguments(argv, process.env);
    if (options === "help") process.stdout.write(help);
    else await watch(options, logger, signals.token);
  } catch (error) {
    if (error instanceof UsageError) {
      for (const line of error.messages) process.stderr.write(`monitor: ${line}\n`);
      process.stderr.write("monitor: try --help\n");
      return 2;
    }
    if (!isCancellation(error)) {
      logger.fatal(
        { err: error },
        error instanceof TimeoutError ? "not everything has stopped" : "cannot go on",
      );
      return 1;
    }
  }
  return exitCodeAfter(signals.token.error?.reason);
}

/** Until the token is cancelled, or the time is over: then it resolves, once everything has stopped. */
async function watch(options: Options, logger: Logger, signals: CancellationToken): Promise<void> {
  using course = signals.child({ timeout: options.duration });
  const { token } = course;
  await using demo = options.targets === undefined ? await openDemo(options.database, token) : undefined;
  const config = demo?.config ?? (await readTargets(String(options.targets)));
  const database = demo?.database ?? options.database ?? "monitor.db";
  const { services, web, board } = makeMonitor({ ...options, config, database, logger, tell });
  const leave = report(board, options.verbose, tell);
  services.start();
  try {
    await token.race(services.ready());
    for (const { name, address } of board.states) tell(`watching ${name}: ${address}`);
    tell(`page: ${web.url}`);
    await token.race(services.ended());
  } catch (error) {
    // What keeps the services from going on, `stop` tells.
    if (!isCancellation(error)) logger.debug({ err: error }, "not everything is ready");
  } finally {
    const { source, reason } = token.error ?? {};
    if (token.cancelRequested)
      tell(`stopping: ${source === "timeout" ? "the time is over" : String(reason)}`);
    await services.stop({ reason });
    leave();
  }
  for (const state of board.states) tell(summaryOf(state));
}

async function readTargets(file: string): Promise<Config> {
  const source = await readFile(file, "utf8").catch((error: unknown) => {
    throw new UsageError(`cannot read ${file}: ${describe(error)}`, { cause: error });
  });
  return parseTargets(source, file);
}

function tell(line: string): void {
  process.stdout.write(`${line}\n`);
}

const argv = process.argv.slice(2);
if (argv[0] === "--") argv.shift();

// A reader that goes away is no reason to stop watching.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);

const exitCode = await main(argv);
// Whatever did not stop must not keep the process.
if (exitCode === 1) process.exit(exitCode);
process.exitCode = exitCode;
