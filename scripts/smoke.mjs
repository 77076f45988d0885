// Runs a small program on the packed packages in every runtime they are made for, each from npm, and the process tests of
// @scope/guarded on the built packages.
// RUNTIMES names others: RUNTIMES="node@22.23.3 bun@1.4.4" pnpm check:runtimes
import { copyFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { stripVTControlCharacters } from "node:util";
import { emptyProject, packAll, root, run, runSteps } from "./lib.mjs";

const runtimes = (
  process.env.RUNTIMES ?? "node@22.23.3 node@24.21.0 node@26.10.0 bun@1.4.4 deno@2.9.6"
).split(" ");

const project = emptyProject(packAll());
const consumer = path.join(root, "scripts", "consumer");
for (const file of readdirSync(consumer)) copyFileSync(path.join(consumer, file), path.join(project, file));

function runOn(runtime, file) {
  const flags = runtime.startsWith("deno@") ? ["run", "--allow-all"] : [];
  return run("npx", ["--yes", runtime, ...flags, file], { cwd: project, timeout: 180_000 }).trim();
}

/** Signals, exit codes and pipes are what runtimes differ in. */
function testProcesses(runtime) {
  const file = "packages/guarded/test/processes.test.ts";
  const vitest = path.join(root, "node_modules", "vitest", "vitest.mjs");
  const env = { ...process.env, SCOPE_RUNTIME: runOn(runtime, "exec-path.mjs"), TEST_REPORT: undefined };
  const options = { cwd: root, env, timeout: 300_000 };
  const output = run(process.execPath, [vitest, "run", "--project", "packages", file], options);
  return /Tests .*?(\d+ passed)/.exec(stripVTControlCharacters(output))?.[1];
}

runSteps([
  [`node@${process.versions.node}`, () => run(process.execPath, ["smoke.mjs"], { cwd: project }).trim()],
  ...runtimes.flatMap((runtime) => [
    [`${runtime} import`, () => runOn(runtime, "smoke.mjs")],
    [`${runtime} require`, () => runOn(runtime, "require.cjs")],
    [`${runtime} processes`, () => testProcesses(runtime)],
  ]),
]);
