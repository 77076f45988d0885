/**
 * Compares the program with `find -print0 | xargs -0 -P2 sha256sum` on the same trees, in alternating rounds.
 *
 * `--tree=DIR` takes another tree, `--rounds=N` another number of rounds, `--short` three of them. The files are read once
 * before, so that all rounds find them in memory.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: {
    tree: { type: "string" },
    rounds: { type: "string" },
    short: { type: "boolean", default: false },
    full: { type: "boolean", default: false },
  },
});
const rounds = Number(values.rounds ?? (values.short ? 3 : 7));

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));
const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;

interface Contestant {
  readonly name: string;
  readonly command: readonly string[];
}

const ours = (...args: string[]): Contestant => ({
  name: `checksum ${args.slice(1).join(" ")}`.trim(),
  command: [process.execPath, "--conditions=@scope/source", "--import", tsx, main, ...args],
});
const theirs = (tree: string): Contestant => ({
  name: "find | xargs -P2 sha256sum",
  command: ["bash", "-c", 'find "$1" -type f -print0 | xargs -0 -P2 sha256sum', "bash", tree],
});

function run(
  { name, command }: Contestant,
  stdout: "pipe" | "ignore",
): { milliseconds: number; lines: string[] } {
  const [file = "", ...args] = command;
  const start = performance.now();
  const result = spawnSync(file, args, {
    stdio: ["ignore", stdout, "pipe"],
    encoding: "latin1",
    maxBuffer: Infinity,
  });
  const milliseconds = performance.now() - start;
  if (result.status !== 0) throw new Error(`${name} failed: ${result.stderr}`);
  return { milliseconds, lines: stdout === "pipe" ? result.stdout.split("\n").sort() : [] };
}

function compare(title: string, tree: string): void {
  const contestants = [theirs(tree), ours(tree), ours(tree, "--concurrency=4")];
  const [expected, ...others] = contestants.map((contestant) => run(contestant, "pipe").lines.join("\n"));
  if (others.some((lines) => lines !== expected)) throw new Error(`${tree}: the checksums differ`);

  const times = contestants.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    for (const [index, contestant] of contestants.entries()) {
      times[index]?.push(run(contestant, "ignore").milliseconds);
    }
  }
  const medians = times.map(median);
  console.log(
    `${title}, ${String((expected ?? "").split("\n").length - 1)} files, median of ${String(rounds)}:`,
  );
  for (const [index, { name }] of contestants.entries()) {
    const milliseconds = medians[index] ?? NaN;
    const ratio = (milliseconds / (medians[0] ?? NaN)).toFixed(2);
    const best = Math.min(...(times[index] ?? [])).toFixed(0);
    console.log(
      `  ${name.padEnd(28)} ${milliseconds.toFixed(0).padStart(6)} ms  (best ${best})  ratio ${ratio}`,
    );
  }
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}

const directory = mkdtempSync(path.join(tmpdir(), "checksum-bench-"));
try {
  const starts = Array.from({ length: rounds }, () => run(ours(directory), "ignore").milliseconds);
  console.log(`start of Node, tsx and the program, contained below: ${median(starts).toFixed(0)} ms`);
  if (values.tree !== undefined) {
    compare(values.tree, values.tree);
  } else {
    // Its files stay as they are while other tools run.
    compare(
      "node_modules/.pnpm, small files",
      fileURLToPath(new URL("../../../node_modules/.pnpm", import.meta.url)),
    );
    for (let file = 0; file < 8; file++)
      writeFileSync(path.join(directory, String(file)), Buffer.alloc(1 << 26, file));
    compare("64 MB each", directory);
  }
} finally {
  rmSync(directory, { recursive: true });
}
