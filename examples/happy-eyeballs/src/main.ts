/** Connects to the first address of a host that answers. The heart of it, `race` at work, is in `dial.ts`. */
import { type CancellationToken, setTaskErrorHandler } from "@scope/core";
import { ExitError, runMain } from "@scope/guarded";

import { type Options, help, parseArguments } from "./arguments.ts";
import { demonstrate } from "./demo.ts";
import { dial } from "./dial.ts";
import { endingOf } from "./ending.ts";
import { AttemptError, endpoint } from "./errors.ts";
import { Timeline } from "./timeline.ts";

async function main(argv: readonly string[], token: CancellationToken): Promise<void> {
  const timeline = new Timeline();
  try {
    const options = parseArguments(argv);
    if (options === "help") {
      process.stdout.write(help);
      return;
    }
    const closing = await run(options, timeline, token);
    for (const line of [...timeline.draw(), closing]) print(line);
  } catch (error) {
    for (const line of timeline.draw()) print(line);
    if (error === token.error) {
      tell(`stopped by ${String(token.error?.reason)}`);
      throw error;
    }
    const { messages, exitCode } = endingOf(error, timeline);
    for (const message of messages) tell(message);
    throw new ExitError(exitCode);
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

function tell(message: string): void {
  process.stderr.write(`happy-eyeballs: ${message}\n`);
}

const argv = process.argv.slice(2);
if (argv[0] === "--") argv.shift();

// A reader that goes away ends neither the drawing nor a message with a stack trace.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);

// Of a race that is cut short, the failures until then come here. The timeline has them.
setTaskErrorHandler(({ message, error }) => {
  if (!(error instanceof AttemptError)) console.error(message, error);
});

// The exit code after a signal is up to `runMain`; and that a lookup, which cannot be cancelled, keeps nobody waiting.
await runMain((token) => main(argv, token), { signals: ["SIGHUP", "SIGINT", "SIGTERM"] });
