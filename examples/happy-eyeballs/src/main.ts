/** Connects to the first address of a host that answers. The heart of it, `race` at work, is in `dial.ts`. */
import { type CancellationToken, setTaskErrorHandler } from "@scope/core";

import { type Options, help, parseArguments } from "./arguments.ts";
import { demonstrate } from "./demo.ts";
import { dial } from "./dial.ts";
import { type Ending, endingOf } from "./ending.ts";
import { AttemptError, endpoint } from "./errors.ts";
import { catchSignals } from "./signals.ts";
import { Timeline } from "./timeline.ts";

async function main(argv: readonly string[]): Promise<Ending> {
  using signals = catchSignals();
  const timeline = new Timeline();
  try {
    const options = parseArguments(argv);
    if (options === "help") {
      process.stdout.write(help);
    } else {
      const closing = await run(options, timeline, signals.token);
      for (const line of [...timeline.draw(), closing]) print(line);
    }
    return { messages: [], exitCode: 0 };
  } catch (error) {
    for (const line of timeline.draw()) print(line);
    return endingOf(error, timeline, signals.token);
  }
}

/** Resolves with what there is to say in the end. */
async function run(options: Options, timeline: Timeline, token: CancellationToken): Promise<string> {
  const { target, tls, timeout } = options;
  if (target === undefined) return demonstrate({ token, timeout, onEvent: timeline.note, print });
  const socket = await dial(target.host, target.port, { token, timeout, tls, onEvent: timeline.note });
  const { remoteAddress = target.host } = socket;
  await new Promise((resolve) => socket.once("close", resolve).destroy());
  return `connected to ${endpoint(remoteAddress, target.port)}`;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

const argv = process.argv.slice(2);
if (argv[0] === "--") argv.shift();

// A reader that goes away ends neither the drawing nor a message with a stack trace.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);

// Of a race that is cut short, the failures until then come here. The timeline has them.
setTaskErrorHandler(({ message, error }) => {
  if (!(error instanceof AttemptError)) console.error(message, error);
});

const { messages, exitCode } = await main(argv);
for (const message of messages) process.stderr.write(`happy-eyeballs: ${message}\n`);
// A lookup cannot be cancelled, and must not keep a program alive that has been told to end.
if (exitCode > 2) process.exit(exitCode);
process.exitCode = exitCode;
