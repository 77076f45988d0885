import path from "node:path";
import { defineConfig } from "vitest/config";

/** The tests of the packages, on what is installed beside them, in the runtime that runs this. */
export default defineConfig({
  root: path.join(import.meta.dirname, "..", ".."),
  test: {
    pool: "forks",
    setupFiles: ["scripts/vitest-setup.ts", "scripts/runtimes/setup.ts"],
    include: ["packages/*/test/**/*.test.ts"],
    exclude: ["**/*.browser.test.ts"],
  },
});
