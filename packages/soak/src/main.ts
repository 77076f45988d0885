/** `pnpm soak [--seconds N] [--seed N] [--episode N]`: see the README. */
import { parseArgs } from "node:util";
import type { CancellationToken } from "@scope/core";
import { ExitError, runMain } from "@scope/guarded";
import { report } from "./report.ts";
import { soak } from "./soak.ts";

const TEN_MINUTES = 600;

interface Settings {
  seconds: number;
  seed: number;
  episode: number | undefined;
}

function settings(args: string[]): Settings {
  try {
    const { values } = parseArgs({
      args: args.filter((argument) => argument !== "--"),
      options: { seconds: { type: "string" }, seed: { type: "string" }, episode: { type: "string" } },
    });
    const { seconds = TEN_MINUTES, seed = 1, episode } = values;
    return {
      seconds: number("seconds", seconds, 0.1),
      seed: number("seed", seed, 0),
      episode: episode === undefined ? undefined : number("episode", episode, 0),
    };
  } catch (error) {
    throw new ExitError(
      2,
      `${(error as Error).message}\nUsage: pnpm soak [--seconds N] [--seed N] [--episode N]`,
    );
  }
}

function number(name: string, text: string | number, least: number): number {
  const value = Number(text);
  const whole = name === "seconds" || Number.isSafeInteger(value);
  if (text !== "" && value >= least && Number.isFinite(value) && whole) return value;
  throw new Error(`--${name}: ${text} is no number from ${least} on`);
}

async function main(token: CancellationToken): Promise<void> {
  const { seconds, seed, episode } = settings(process.argv.slice(2));
  console.log(`soaking for ${seconds} s, seed ${seed}${episode === undefined ? "" : `, episode ${episode}`}`);
  const outcome = await soak({ seconds, seed, episode, token });
  console.log(report(outcome));
  if (outcome.findings.length === 0) return;
  throw new ExitError(
    1,
    `FOUND\n  ${outcome.findings.join("\n  ")}\n\n  again: pnpm soak --seconds ${seconds} --seed ${seed}\n  one episode alone: pnpm soak --seconds 5 --seed ${seed} --episode N`,
  );
}

// What nobody has caught is a finding, and no reason to stop.
await runMain(main, { uncaught: false });
