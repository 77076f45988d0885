// Runs everything that CI runs, in order, and stops at the first failure.
// `--after-tests` leaves out `pnpm test`, for a caller who has just run it.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { root } from "./lib.mjs";

const chromium = [
  process.env.CHROMIUM_PATH,
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
].some((file) => file !== undefined && existsSync(file));

const steps = [
  ...(process.argv.includes("--after-tests") ? [] : [["test"]]),
  ["lint"],
  ["format:check"],
  ["typecheck"],
  ["test:coverage"],
  ["model-check"],
  ["mutants", "--short"],
  ["api"],
  ["check:package"],
  ["check:consumer"],
  ["check:versions"],
  ["check:release"],
  ["start", "--list"],
  ["start"],
  ["test:browser"],
  // Its tests need a browser too.
  [chromium || process.env.CI !== undefined ? "docs:check" : "docs:build"],
  ["check:runtimes"],
  ["bench:packages", "--short"],
];

for (const step of steps) {
  if (step[0] === "test:browser" && !chromium && process.env.CI === undefined) {
    console.log("\n==> test:browser: skipped, there is no Chromium here");
    continue;
  }
  const begin = performance.now();
  console.log(`\n==> ${step.join(" ")}`);
  // The checksums of all files are not worth a log; what the program says about them is on stderr.
  const stdout = step.length === 1 && step[0] === "start" ? "ignore" : "inherit";
  const { status, error } = spawnSync("pnpm", ["run", ...step], {
    cwd: root,
    stdio: ["ignore", stdout, "inherit"],
  });
  if (status !== 0) {
    console.error(`check: ${step.join(" ")} failed${error === undefined ? "" : `: ${error.message}`}`);
    process.exit(1);
  }
  console.log(`    ${((performance.now() - begin) / 1000).toFixed(1)} s`);
}
