import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

const report = process.env["TEST_REPORT"];

export default defineConfig({
  // Tests run on the sources: no build stands between an edit and its test.
  resolve: { conditions: ["@scope/source"] },
  ssr: { resolve: { conditions: ["@scope/source"] } },
  test: {
    pool: "forks",
    // Tests of processes wait more than they work: two at a time also where there are two cores.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    // A function that V8 optimises on another thread is held meanwhile, with all that it sees: once in a hundred times something was
    // not collected for that.
    execArgv: ["--expose-gc", "--no-concurrent-recompilation"],
    setupFiles: ["./scripts/vitest-setup.ts"],
    reporters: report === undefined ? ["default"] : ["default", ["json", { outputFile: report }]],
    projects: [
      {
        extends: true,
        test: {
          name: "packages",
          include: ["packages/*/test/**/*.test.ts"],
          exclude: ["**/*.browser.test.ts", "**/*.chromium.test.ts"],
          typecheck: {
            enabled: true,
            include: ["packages/*/test/**/*.test-d.ts"],
            tsconfig: "./tsconfig.json",
            // `pnpm typecheck` reports the errors of all other files.
            ignoreSourceErrors: true,
          },
        },
      },
      {
        extends: true,
        test: {
          name: "examples",
          include: ["examples/*/test/**/*.test.ts"],
          // They need a browser: `pnpm test:browser`.
          exclude: ["**/*.chromium.test.ts"],
        },
      },
      { extends: true, test: { name: "bench", include: ["bench/test/**/*.test.ts"] } },
      { extends: true, test: { name: "scripts", include: ["scripts/test/**/*.test.ts"] } },
      {
        extends: true,
        test: {
          name: "docs",
          include: ["docs/test/**/*.test.ts"],
          // They need a browser: `pnpm docs:check`.
          exclude: ["**/*.chromium.test.ts"],
        },
      },
    ],
    coverage: {
      provider: "v8",
      include: ["core", "guarded", "inspect", "persistent", "supervisor", "taskgroup"].map(
        (name) => `packages/${name}/src/**/*.ts`,
      ),
      // They run in processes of their own, where nobody counts: packages/inspect/test/{register,cli,examples}.test.ts.
      exclude: ["cli", "cli-commands", "register", "socket-thread", "top-terminal"].map(
        (name) => `packages/inspect/src/${name}.ts`,
      ),
      reporter: ["text", "json-summary"],
      thresholds: {
        "packages/{core,guarded,persistent,supervisor,taskgroup}/src/**": {
          branches: 98,
          functions: 98,
          lines: 98,
          statements: 98,
        },
        // What fails in a socket or a terminal fails in those processes, too.
        "packages/inspect/src/**": { branches: 92, functions: 98, lines: 98, statements: 97 },
      },
    },
  },
});
