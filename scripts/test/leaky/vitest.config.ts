import { defineConfig } from "vitest/config";

/** The test files of this folder, which leave something behind: `leftovers.test.ts` runs them, and nobody else. */
export default defineConfig({
  resolve: { conditions: ["@scope/source"] },
  ssr: { resolve: { conditions: ["@scope/source"] } },
  test: {
    pool: "forks",
    execArgv: ["--expose-gc"],
    setupFiles: ["../../vitest-setup.ts"],
    include: ["*.leaky.ts"],
    reporters: ["json"],
  },
});
