// `pnpm mutants [--short] [NAME ...]`: breaks one line of the packages at a time, and sees to it that somebody notices: the
// model checker, or else the tests of that package, in a copy of the workspace. A mutant that nobody notices fails the run.
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { bundle, root, temporaryFolder } from "./lib.mjs";
import { mutants, short } from "./mutants/list.mjs";

const { values, positionals } = parseArgs({
  options: { short: { type: "boolean", default: false } },
  allowPositionals: true,
});

/** Longer than this, and the mutant runs for ever: that is noticed. */
const LIMIT = 120_000;
const BOUND = "1500";

const folder = temporaryFolder("mutants");

/** The text of a file with the mutant in it. Throws unless it applies exactly once. */
function mutate({ name, file, find, replace }) {
  const parts = readFileSync(path.join(root, file), "utf8").split(find);
  if (parts.length !== 2) throw new Error(`"${name}" applies ${parts.length - 1} times to ${file}, not once`);
  return parts.join(replace);
}

/** The model checker, with the sources of the packages and this one in the place of its file. */
async function modelCheck(mutant, text) {
  const outfile = path.join(folder, "model-check.mjs");
  const replaced = path.join(root, mutant.file);
  const plugin = {
    name: "mutant",
    setup({ onLoad }) {
      onLoad({ filter: /\.ts$/ }, (loaded) =>
        loaded.path === replaced ? { contents: text, loader: "ts" } : undefined,
      );
    },
  };
  await bundle(path.join(root, "packages/model-check/src/main.ts"), outfile, { plugins: [plugin] });
  const args = ["--bound", BOUND, "--bail"];
  const { status, stderr, error } = spawnSync(process.execPath, [outfile, ...args], {
    encoding: "utf8",
    timeout: LIMIT,
    maxBuffer: 1 << 28,
  });
  if (error?.code === "ETIMEDOUT") return "it runs for ever";
  if (status === 0) return undefined;
  return /FOUND in "(.*)"/.exec(stderr)?.[1] ?? stderr.trim().split("\n").at(-1);
}

/** A copy of the workspace whose packages see each other, and share what is installed. */
function copyWorkspace() {
  const copy = path.join(folder, "workspace");
  mkdirSync(path.join(copy, "node_modules"), { recursive: true });
  for (const name of readdirSync(path.join(root, "node_modules"))) {
    if (name.startsWith(".vite") || name === "@scope") continue;
    symlinkSync(path.join(root, "node_modules", name), path.join(copy, "node_modules", name));
  }
  cpSync(path.join(root, "node_modules/@scope"), path.join(copy, "node_modules/@scope"), {
    recursive: true,
    verbatimSymlinks: true,
  });
  for (const name of [
    "packages",
    "scripts",
    "package.json",
    "tsconfig.json",
    "tsconfig.base.json",
    "vitest.config.ts",
  ]) {
    cpSync(path.join(root, name), path.join(copy, name), { recursive: true, verbatimSymlinks: true });
  }
  return copy;
}

let workspace;

/** The tests that are named, in a copy. */
function test(mutant, text) {
  workspace ??= copyWorkspace();
  const file = path.join(workspace, mutant.file);
  const original = readFileSync(file, "utf8");
  writeFileSync(file, text);
  const vitest = path.join(root, "node_modules/vitest/vitest.mjs");
  const flags = [
    "run",
    "--bail",
    "1",
    "--project",
    "packages",
    "--typecheck.enabled=false",
    "--reporter",
    "tap-flat",
  ];
  const { status, stdout, error } = spawnSync(process.execPath, [vitest, ...flags, ...mutant.tests], {
    cwd: workspace,
    encoding: "utf8",
    timeout: LIMIT,
    maxBuffer: 1 << 28,
    env: { ...process.env, FUZZ_RUNS: "200", NO_COLOR: "1" },
  });
  writeFileSync(file, original);
  if (error?.code === "ETIMEDOUT") return "it runs for ever";
  if (status === 0) return undefined;
  if (/No test files found/.test(stdout)) throw new Error(`"${mutant.name}": no such test`);
  return /^not ok \d+ - (.*?)(?: #.*)?$/m.exec(stdout)?.[1] ?? "a failure outside of the tests";
}

const wanted = mutants.filter(({ name }) =>
  values.short
    ? short.includes(name)
    : positionals.length === 0 || positionals.some((part) => name.includes(part)),
);
const tally = { "model checker": 0, tests: 0, survived: 0, equivalent: 0 };
const survivors = [];
const begin = performance.now();

// First all of them, so that one that no longer applies is not found out at the end.
const texts = new Map(mutants.map((mutant) => [mutant, mutate(mutant)]));
const unknown = short.filter((name) => !mutants.some((mutant) => mutant.name === name));
if (unknown.length > 0 || wanted.length === 0)
  throw new Error(`No such mutant: ${[...unknown, ...positionals]}`);

const [first] = wanted;
const sane = await modelCheck(first, readFileSync(path.join(root, first.file), "utf8"));
if (sane !== undefined) throw new Error(`The model checker finds something without a mutant: ${sane}`);

for (const mutant of wanted) {
  const text = texts.get(mutant);
  const { name, equivalent } = mutant;
  const found = await modelCheck(mutant, text);
  const failed = found === undefined && !values.short ? test(mutant, text) : undefined;
  if (found !== undefined) tally["model checker"]++;
  else if (failed !== undefined) tally.tests++;
  else if (equivalent !== undefined) tally.equivalent++;
  else {
    tally.survived++;
    survivors.push(name);
  }
  const by = found === undefined ? "tests" : "model checker";
  const why = found ?? failed;
  if (why === undefined)
    console.log(
      `${equivalent === undefined ? "SURVIVED  " : "equivalent"} ${name}${equivalent === undefined ? "" : `: ${equivalent}`}`,
    );
  else console.log(`killed     ${name}\n             by the ${by}: ${why}`);
  if (why !== undefined && equivalent !== undefined) survivors.push(`${name} is not equivalent`);
}

const seconds = ((performance.now() - begin) / 1000).toFixed(0);
const sums = Object.entries(tally).map(([what, count]) => `${what} ${count}`);
console.log(`${wanted.length} mutants: ${sums.join(", ")} (${seconds} s)`);
if (survivors.length > 0) {
  console.error(`Nobody notices:\n  ${survivors.join("\n  ")}`);
  process.exitCode = 1;
}
