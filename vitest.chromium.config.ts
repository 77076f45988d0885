import { defineConfig } from "vitest/config";

const report = process.env["CHROMIUM_TEST_REPORT"];

/** Tests that run on Node and drive a Chromium by Playwright; those that run inside it are in `vitest.browser.config.ts`. */
export default defineConfig({
  resolve: { conditions: ["@scope/source"] },
  ssr: { resolve: { conditions: ["@scope/source"] } },
  test: {
    name: "chromium",
    include: ["{examples,packages}/*/test/**/*.chromium.test.ts"],
    setupFiles: ["./scripts/vitest-setup.ts"],
    testTimeout: 30_000,
    reporters: report === undefined ? ["default"] : ["default", ["json", { outputFile: report }]],
  },
});
