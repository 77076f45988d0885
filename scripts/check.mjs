// Runs everything that CI runs, in order, and stops at the first failure.
// `--after-tests` leaves out `pnpm test`, for a caller who has just run it.
import { spawnSync } from "node:child_process";
import { hasChromium, root } from "./lib.mjs";

const steps = [
  ...(process.argv.includes("--after-tests") ? [] : [["test"]]),
  ["lint"],
  ["format:check"],
  ["typecheck"],
  ["test:coverage"],
  ["model-check"],
  ["mutants", "--short"],
  ["fuzz"],
  ["soak", "--seconds", "20"],
  ["api"],
  ["check:package"],
  ["check:consumer"],
  ["check:versions"],
  ["check:release"],
  ["start", "--list"],
  ["start"],
  ["test:browser"],
  ["docs:check"],
  ["check:bundlers"],
  ["runtimes", "--short"],
  ["bench:packages", "--short"],
];

for (const step of steps) {
  if (
    ["test:browser", "docs:check", "check:bundlers"].includes(step[0]) &&
    !hasChromium &&
    process.env.CI === undefined
  ) {
    console.log(`\n==> ${step[0]}: skipped, there is no Chromium here`);
    continue;
  }
  const begin = performance.now();
  console.log(`\n==> ${step.join(" ")}`);
  const { status, error } = spawnSync("pnpm", ["run", ...step], {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (status !== 0) {
    console.error(`check: ${step.join(" ")} failed${error === undefined ? "" : `: ${error.message}`}`);
    process.exit(1);
  }
  console.log(`    ${((performance.now() - begin) / 1000).toFixed(1)} s`);
}
