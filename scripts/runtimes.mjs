// `pnpm runtimes`: runs the packed packages on every runtime they are made for. First a small program, by `import` and by
// `require()`, then the tests of the packages, which see what was installed and no source. Tests that need what a runtime
// lacks are left out there, and told by what they need.
import { spawn } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, symlinkSync } from "node:fs";
import { availableParallelism } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { emptyProject, hasChromium, packAll, readJson, root } from "./lib.mjs";

/** From npm, but for Chromium, which is the system's. */
const known = [
  "node@20.19.5",
  "node@22.23.3",
  "node@24.21.0",
  "node@26.10.0",
  "bun@1.4.4",
  "deno@2.9.6",
  "chromium",
];

const usage = `usage: pnpm runtimes [--runtimes NAMES] [--short]

  --runtimes NAMES  chromium, or node, bun or deno with a version: "node@22.23.3,bun@1.4.4". RUNTIMES in the
                    environment says the same. All of them by default.
  --short           without the tests that watch memory, and with those of processes on the last of each kind only`;

function refuse(message) {
  console.error(`${message}\n\n${usage}`);
  process.exit(2);
}

function parse() {
  try {
    return parseArgs({
      args: process.argv.slice(2).filter((argument) => argument !== "--"),
      options: {
        runtimes: { type: "string" },
        short: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    return refuse(error.message);
  }
}

const { runtimes: named = process.env.RUNTIMES ?? known.join(), short, help } = parse();
if (help) {
  console.log(usage);
  process.exit();
}
const runtimes = named.split(/[\s,]+/).filter((name) => name !== "");
if (named === known.join() && !hasChromium && process.env.CI === undefined) {
  console.log("chromium: left out, there is none here");
  runtimes.splice(runtimes.indexOf("chromium"), 1);
}
if (runtimes.length === 0) refuse("which runtimes?");
for (const name of runtimes) {
  if (!/^(chromium|(node|bun|deno)@\d[\w.-]*)$/.test(name)) refuse(`no such runtime: ${name}`);
}

const project = emptyProject(packAll());
layOut();

/** Beside what is installed: the programs, the tests of the packages with their helpers, and links to their tools. */
function layOut() {
  const consumer = path.join(root, "scripts", "consumer");
  cpSync(consumer, project, { recursive: true });
  const copied = [
    "scripts/leftovers.ts",
    "scripts/vitest-setup.ts",
    "scripts/runtimes",
    "packages/test-utils/src",
    "packages/test-utils/package.json",
    ...readdirSync(path.join(project, "node_modules", "@scope")).map((name) => `packages/${name}/test`),
  ];
  for (const name of copied) {
    cpSync(path.join(root, name), path.join(project, name), { recursive: true });
  }
  mkdirSync(path.join(project, "node_modules", "@vitest"));
  const tools = [
    ...["vitest", "@vitest/browser-playwright", "playwright", "fast-check", "tsx", "esbuild"],
    ...["ajv", "@opentelemetry"],
  ];
  for (const name of tools) link(`node_modules/${name}`, `node_modules/${name}`);
  link("packages/test-utils/node_modules/pg", "node_modules/pg");
  for (const name of ["src", "snapshot.schema.json"]) {
    symlinkSync(`../../node_modules/@scope/inspect/${name}`, path.join(project, "packages/inspect", name));
  }
  symlinkSync("../../packages/test-utils", path.join(project, "node_modules/@scope/test-utils"));
}

function link(from, to) {
  symlinkSync(path.join(root, from), path.join(project, to));
}

const children = new Set();
for (const [signal, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
]) {
  process.on(signal, () => {
    // Each leads a group of its own, with the workers in it.
    for (const child of children) process.kill(-child.pid, "SIGKILL");
    process.exit(code);
  });
}

/** Runs a command in the project; resolves with its exit code and its output. */
function execute(command, args, env = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: project,
      env: { ...process.env, NO_COLOR: "1", TEST_REPORT: undefined, ...env },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    children.add(child);
    const timer = setTimeout(() => {
      output += "\nIt took too long.";
      process.kill(-child.pid, "SIGKILL");
    }, 900_000);
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => (output += text));
    }
    child.once("error", reject);
    child.once("close", (code) => {
      clearTimeout(timer);
      children.delete(child);
      resolve({ code, output });
    });
  });
}

async function succeed(command, args) {
  const { code, output } = await execute(command, args);
  if (code !== 0) throw new Error(`${[command, ...args].join(" ")}: ${code}\n${output}`);
  return output.trim();
}

/** The words that run a program, on what npm brings. */
async function commandOf(runtime) {
  const kind = runtime.split("@")[0];
  const words = { node: [], bun: ["--bun"], deno: ["run", "--allow-all", "--quiet"] }[kind];
  const asked = ["--yes", runtime, ...(kind === "deno" ? ["run", "--allow-all"] : []), "exec-path.mjs"];
  const output = await succeed("npx", asked);
  return [output.split("\n").at(-1), ...words];
}

// As in `vitest.config.ts`.
const v8Flags = ["--execArgv=--expose-gc", "--execArgv=--no-concurrent-recompilation"];
/** V8 collects all that is garbage when it is told to; JavaScriptCore leaves what looks like a reference on the stack. */
const collector = { node: v8Flags, deno: v8Flags, bun: [] };
const processTests = "packages/guarded/test/processes.test.ts";

async function testOn(runtime) {
  const tally = { passed: 0, leftOut: new Map(), failures: [] };
  const [kind] = runtime.split("@");
  const exclude = ["--exclude=**/processes.test.ts", ...(short ? ["--exclude=**/leaks.test.ts"] : [])];
  if (kind === "chromium") {
    await vitest(
      tally,
      [process.execPath],
      ["--config=scripts/runtimes/vitest.browser.config.ts", ...exclude],
    );
    return tally;
  }
  const command = await commandOf(runtime);
  for (const program of ["smoke.mjs", "require.cjs"]) {
    try {
      await succeed(command[0], [...command.slice(1), program]);
      tally.passed += 1;
    } catch (error) {
      tally.failures.push(error.message);
    }
  }
  const config = "--config=scripts/runtimes/vitest.config.ts";
  await vitest(tally, command, [config, ...collector[kind], ...exclude]);
  // Signals, exit codes and pipes of a process, as Node sees it from outside.
  if (!short || runtime === runtimes.findLast((other) => other.startsWith(kind))) {
    await vitest(tally, [process.execPath], [config, processTests], { SCOPE_RUNTIME: command[0] });
  }
  return tally;
}

let reports = 0;

/** Runs Vitest by a command, and adds what it has written to a tally. */
async function vitest(tally, [command, ...words], args, env) {
  const { leftOut, failures } = tally;
  const begin = failures.length;
  const report = path.join(project, `report-${reports++}.json`);
  const all = ["run", "--reporter=json", `--outputFile=${report}`, "--maxWorkers=1", ...args];
  const { code, output } = await execute(command, [...words, "node_modules/vitest/vitest.mjs", ...all], env);
  let files;
  try {
    ({ testResults: files } = readJson(report));
  } catch {
    failures.push(`no report, exit code ${code}\n${output}`);
    return;
  }
  let passed = 0;
  for (const { name, status, message, assertionResults } of files) {
    const file = path.relative(project, name);
    // Before its tests, or after them: what it has left behind.
    if (status !== "passed" && !assertionResults.some((one) => one.status === "failed")) {
      failures.push(`${file}: ${message || "fails outside of its tests"}`);
    }
    for (const { fullName, status: outcome, failureMessages, meta } of assertionResults) {
      if (outcome === "passed") passed += 1;
      else if (outcome === "skipped" && meta.lacks !== undefined) {
        leftOut.set(meta.lacks, (leftOut.get(meta.lacks) ?? 0) + 1);
      } else failures.push(`${file}: ${fullName}: ${failureMessages?.join("\n") || outcome}`);
    }
  }
  // An error outside of the tests.
  if (code !== 0 && failures.length === begin) failures.push(`exit code ${code}\n${output}`);
  if (passed === 0) failures.push("no test has passed");
  tally.passed += passed;
}

let failed = 0;
const queue = [...runtimes];

async function work() {
  for (let runtime = queue.shift(); runtime !== undefined; runtime = queue.shift()) {
    const begin = performance.now();
    const { passed, leftOut, failures } = await testOn(runtime).catch((error) => ({
      passed: 0,
      leftOut: new Map(),
      failures: [error.message],
    }));
    const seconds = (performance.now() - begin) / 1000;
    const sum = [...leftOut.values()].reduce((total, count) => total + count, 0);
    const words = `${passed} passed, ${failures.length} failed, ${sum} left out`;
    console.log(`${failures.length === 0 ? "ok  " : "FAIL"}  ${runtime}: ${words} (${seconds.toFixed(1)} s)`);
    const byCount = [...leftOut].sort(([, a], [, b]) => b - a);
    for (const [what, count] of byCount) console.log(`        ${count} left out: it lacks ${what}`);
    for (const failure of failures) console.error(`        ${failure.replaceAll("\n", "\n          ")}`);
    if (failures.length > 0) failed += 1;
  }
}

await Promise.all(Array.from({ length: Math.min(availableParallelism(), 2) }, work));
if (failed > 0) {
  console.error(`${failed} of ${runtimes.length} runtimes failed`);
  process.exitCode = 1;
}
