// Runs a small program on the packed packages in every runtime they are made for, each from npm.
// RUNTIMES names others: RUNTIMES="node@22.23.3 bun@1.4.4" pnpm check:runtimes
import { copyFileSync, readdirSync } from "node:fs";
import path from "node:path";
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

runSteps([
  [`node@${process.versions.node}`, () => run(process.execPath, ["smoke.mjs"], { cwd: project }).trim()],
  ...runtimes.flatMap((runtime) => [
    [`${runtime} import`, () => runOn(runtime, "smoke.mjs")],
    [`${runtime} require`, () => runOn(runtime, "require.cjs")],
  ]),
]);
