// Adds up Vitest's JSON reports into the closing line of a run.
import { readFileSync } from "node:fs";

const reports = process.argv.slice(2);
let passed = 0;
let failed = 0;
let skipped = 0;

for (const file of reports) {
  const report = JSON.parse(readFileSync(file, "utf8"));
  passed += report.numPassedTests;
  skipped += report.numPendingTests + report.numTodoTests;
  // A run may fail without a failed test: a file that cannot be loaded, an error outside of the tests.
  failed += report.success ? 0 : Math.max(1, report.numFailedTests);
}

if (passed + failed === 0) {
  console.error("no test ran");
  process.exitCode = 1;
}
if (failed > 0) process.exitCode = 1;
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
