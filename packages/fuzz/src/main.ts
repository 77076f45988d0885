/**
 * `pnpm fuzz [--target NAME] [--seed N] [--runs N] [--path PATH] [--full] [--list]`: see the README.
 */
import { parseArgs } from "node:util";
import { type Door, doors } from "./doors.ts";
import { type Finding, type Fuzzed, fuzz } from "./fuzz.ts";
import { Watchdog } from "./watchdog.ts";

const SHORT = 150;
const FULL = 10_000;

function usage(problem: string): number {
  console.error(
    `${problem}\n\npnpm fuzz [--target NAME] [--seed N] [--runs N] [--path PATH] [--full] [--list]`,
  );
  return 2;
}

function show({ door, seed, path, violations, log }: Finding): void {
  console.error(`\nFOUND in ${door}\n  ${violations.join("\n  ")}\n`);
  for (const line of log.split("\n")) console.error(`    ${line.slice(0, 400)}`);
  console.error(`\n  again: pnpm fuzz --target "${door}" --seed ${seed} --path "${path}"\n`);
}

function describe({ door, runs, outcomes, finding }: Fuzzed): string {
  const counts = Object.entries(outcomes)
    .filter(([, count]) => count > 0)
    .map(([outcome, count]) => `${count} ${outcome}`);
  return `${finding === undefined ? "ok  " : "FAIL"}${`${runs}`.padStart(7)}  ${door}  (${counts.join(", ")})`;
}

function whole(value: string): number | undefined {
  return /^\d{1,9}$/.test(value) ? Number(value) : undefined;
}

async function main(): Promise<number> {
  let values;
  try {
    ({ values } = parseArgs({
      options: {
        target: { type: "string" },
        seed: { type: "string", default: "1" },
        runs: { type: "string" },
        path: { type: "string" },
        full: { type: "boolean", default: false },
        list: { type: "boolean", default: false },
      },
    }));
  } catch (error) {
    return usage((error as Error).message);
  }
  const { target, path, full } = values;
  const seed = whole(values.seed);
  const runs = whole(values.runs ?? `${full ? FULL : SHORT}`);
  if (seed === undefined) return usage(`--seed is no whole number: ${values.seed}`);
  if (runs === undefined || runs === 0) return usage(`--runs is no number of runs: ${values.runs!}`);
  if (path !== undefined && !/^\d+(:\d+)*$/.test(path)) return usage(`--path is no path: ${path}`);
  const exact = doors.filter(({ name }) => name === target);
  const chosen: readonly Door[] =
    exact.length > 0 ? exact : doors.filter(({ name }) => target === undefined || name.includes(target));
  if (chosen.length === 0) return usage(`No target is named like "${target!}"`);
  if (path !== undefined && chosen.length > 1) return usage("--path is of one --target");
  if (values.list) {
    for (const { name } of chosen) console.log(name);
    return 0;
  }

  const begin = process.hrtime.bigint();
  using watchdog = new Watchdog(
    chosen.map(({ name }) => name),
    seed,
  );
  let findings = 0;
  let total = 0;
  const outcomes: Record<string, number> = {};
  for (const door of chosen) {
    const fuzzed = await fuzz(door, {
      runs,
      seed,
      path,
      begin: (name, run) => {
        watchdog.begin(name, run);
      },
    });
    console.log(describe(fuzzed));
    total += fuzzed.runs;
    for (const [outcome, count] of Object.entries(fuzzed.outcomes)) {
      outcomes[outcome] = (outcomes[outcome] ?? 0) + count;
    }
    if (fuzzed.finding === undefined) continue;
    findings++;
    show(fuzzed.finding);
  }
  const seconds = Number(process.hrtime.bigint() - begin) / 1e9;
  const counts = Object.entries(outcomes).map(([outcome, count]) => `${count} ${outcome}`);
  console.log(`${chosen.length} targets, ${total} runs: ${counts.join(", ")}`);
  console.log(`${findings} findings, ${seconds.toFixed(1)} s`);
  return findings > 0 ? 1 : 0;
}

process.exitCode = await main();
