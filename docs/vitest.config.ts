import { defineConfig } from "vitest/config";

const report = process.env["SITE_TEST_REPORT"];

/** Tests that drive a Chromium over the site as it was built: `pnpm docs:check`. */
export default defineConfig({
  root: import.meta.dirname,
  resolve: { conditions: ["@scope/source"] },
  ssr: { resolve: { conditions: ["@scope/source"] } },
  test: {
    name: "site",
    include: ["test/**/*.chromium.test.ts"],
    setupFiles: ["../scripts/vitest-setup.ts"],
    testTimeout: 30_000,
    reporters: report === undefined ? ["default"] : ["default", ["json", { outputFile: report }]],
  },
});
