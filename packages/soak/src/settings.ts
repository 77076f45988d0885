import { parseArgs } from "node:util";

export interface Settings {
  readonly seconds: number;
  readonly seed: number;
  readonly episode: number | undefined;
}

export const USAGE = "Usage: pnpm soak [--seconds N] [--seed N] [--episode N]";

const TEN_MINUTES = "600";

/** What the arguments say; throws an error that names the one that it cannot use. */
export function settingsOf(args: readonly string[]): Settings {
  const { values } = parseArgs({
    args: args.filter((argument) => argument !== "--"),
    options: {
      seconds: { type: "string", default: TEN_MINUTES },
      seed: { type: "string", default: "1" },
      episode: { type: "string" },
    },
  });
  const { seconds, seed, episode } = values;
  return {
    seconds: numberOf("seconds", seconds, 0.1),
    seed: wholeNumberOf("seed", seed),
    episode: episode === undefined ? undefined : wholeNumberOf("episode", episode),
  };
}

function numberOf(name: string, text: string, least: number): number {
  const value = Number(text);
  if (text.trim() !== "" && value >= least && value < Infinity) return value;
  throw new Error(`--${name}: expected a number from ${least} on, got "${text}"`);
}

function wholeNumberOf(name: string, text: string): number {
  const value = numberOf(name, text, 0);
  if (Number.isSafeInteger(value)) return value;
  throw new Error(`--${name}: expected a whole number, got "${text}"`);
}
