/**
 * `pnpm model-check [--program NAME] [--seed N] [--runs N] [--bound N] [--full] [--path PATH]`: see the README.
 */
import { parseArgs } from "node:util";
import { type Explored, type Finding, explore, replay } from "./explore.ts";
import { programs } from "./programs.ts";

const SHORT = 2_000;
const FULL = 60_000;

const { values } = parseArgs({
  options: {
    program: { type: "string" },
    seed: { type: "string", default: "1" },
    runs: { type: "string" },
    bound: { type: "string" },
    path: { type: "string" },
    full: { type: "boolean", default: false },
    bail: { type: "boolean", default: false },
    log: { type: "boolean", default: false },
  },
});

function show(finding: Finding): void {
  const { program, path, violations, log } = finding;
  console.error(`\nFOUND in "${program}"\n  ${violations.join("\n  ")}`);
  console.error(`\n${log.map((line) => `    ${line}`).join("\n")}`);
  console.error(`\n  again: pnpm model-check --program "${program}" --path "${path}"\n`);
}

function describe({ program, inOrder, sampled, exhaustive, finding }: Explored): string {
  const tried = `${inOrder + sampled}`.padStart(8);
  const how =
    exhaustive === undefined
      ? "at random"
      : `all ${inOrder} with ${exhaustive}${sampled > 100 ? `, ${sampled} at random` : ""}`;
  return `${finding === undefined ? "ok  " : "FAIL"}${tried}  ${program}  (${how})`;
}

async function main(): Promise<number> {
  const chosen = programs.filter(({ name }) => values.program === undefined || name.includes(values.program));
  const [first] = chosen;
  if (first === undefined) {
    console.error(`No program is named like "${String(values.program)}"`);
    return 2;
  }
  if (values.path !== undefined) {
    const finding = await replay(first, values.path);
    if (finding === undefined) {
      console.log(`ok    ${first.name}`);
      return 0;
    }
    show(finding);
    return 1;
  }
  const begin = process.hrtime.bigint();
  const bound = Number(values.bound ?? (values.full ? FULL : SHORT));
  const options = { bound, seed: Number(values.seed), runs: Number(values.runs ?? 0) };
  let failed = 0;
  let total = 0;
  for (const program of chosen) {
    const [explored] = await explore([program], options);
    console.log(describe(explored!));
    total += explored!.inOrder + explored!.sampled;
    if (explored!.finding === undefined) continue;
    failed++;
    show(explored!.finding);
    if (values.bail) break;
  }
  const seconds = Number(process.hrtime.bigint() - begin) / 1e9;
  console.log(`${chosen.length} programs, ${total} paths, ${failed} findings, ${seconds.toFixed(1)} s`);
  return failed > 0 ? 1 : 0;
}

process.exitCode = await main();
