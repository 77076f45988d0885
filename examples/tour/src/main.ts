/** Shows what the five packages are for. What is shown of the scenes is told by `observe`: see `happenings.ts`. */
import { CancellationSource, type CancellationToken } from "@scope/core";
import { ExitError, SafeExitError, runMain } from "@scope/guarded";

import { help, parseArguments } from "./arguments.ts";
import { UsageError } from "./errors.ts";
import { type Screen, openScreen } from "./screen.ts";
import { scenes } from "./scenes/index.ts";
import { Stage } from "./stage.ts";

const { stdout } = process;

async function main(argv: readonly string[], token: CancellationToken): Promise<void> {
  // Cancelled by the signals, and when nobody reads any more.
  using end = new CancellationSource({ parent: token });
  stdout.on("error", () => {
    end.cancel("nobody reads what is written");
  });
  try {
    const options = parseArguments(argv, names());
    if (options === "help") stdout.write(help);
    else if (options === "list") stdout.write(listing());
    else await play(options.scenes, openScreen(stdout, options.plain), end.token);
  } catch (error) {
    if (error instanceof UsageError) throw refusal(error);
    if (token.cancelRequested) {
      process.stderr.write(`tour: stopped by ${String(token.error?.reason)}\n`);
      throw token.error;
    }
    throw end.token.cancelRequested ? new SafeExitError() : error;
  }
}

async function play(wanted: readonly string[], screen: Screen, token: CancellationToken): Promise<void> {
  const began = performance.now();
  for (const [index, scene] of scenes.entries()) {
    if (!wanted.includes(scene.name)) continue;
    screen.print(`${index + 1}  @scope/${scene.name}: ${scene.title}`, "");
    await scene.play(new Stage(screen, token));
    screen.print("");
  }
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  screen.print(`Played in ${seconds} s. More programs: pnpm start --list`);
}

function names(): string[] {
  return scenes.map(({ name }) => name);
}

function listing(): string {
  const width = Math.max(...names().map((name) => name.length));
  return scenes.map(({ name, title }, index) => `${index + 1}  ${name.padEnd(width)}  ${title}\n`).join("");
}

function refusal(error: UsageError): ExitError {
  process.stderr.write(`tour: ${error.message} (try --help)\n`);
  return new ExitError(2);
}

const argv = process.argv.slice(2);
if (argv[0] === "--") argv.shift();

await runMain((token) => main(argv, token), { signals: ["SIGHUP", "SIGINT", "SIGTERM"] });
