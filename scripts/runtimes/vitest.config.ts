import path from "node:path";
import { defineConfig } from "vitest/config";

/** The tests of the packages, on what is installed beside them, in the runtime that runs this. */
export default defineConfig({
  root: path.join(import.meta.dirname, "..", ".."),
  test: {
    pool: "forks",
    // What tests leave behind is looked for on Node: others list handles that hold nobody, and keep listeners that were taken off.
    env: { LEFTOVERS: "unchecked" },
    setupFiles: ["scripts/vitest-setup.ts", "scripts/runtimes/setup.ts"],
    include: [
      "packages/{core,guarded,persistent,supervisor,taskgroup}/test/**/*.test.ts",
      // The rest of the inspector's look into its sources, a page, or processes of Node, which its command is for.
      "packages/inspect/test/{diagnostics,opentelemetry,snapshot,snapshot-function,timeline,waits}.test.ts",
    ],
    exclude: ["**/*.browser.test.ts"],
  },
});
