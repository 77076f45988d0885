import { playwright } from "@vitest/browser-playwright";
import { defineConfig } from "vitest/config";
import { chromiumOptions } from "./packages/test-utils/src/chromium.ts";

const report = process.env["BROWSER_TEST_REPORT"];

export default defineConfig({
  resolve: { conditions: ["@scope/source"] },
  test: {
    name: "browser",
    include: ["packages/*/test/**/*.browser.test.ts", "packages/*/test/contract*.test.ts"],
    setupFiles: ["./scripts/vitest-setup.ts"],
    reporters: report === undefined ? ["default"] : ["default", ["json", { outputFile: report }]],
    browser: {
      enabled: true,
      headless: true,
      screenshotFailures: false,
      provider: playwright({ launchOptions: chromiumOptions() }),
      instances: [{ browser: "chromium" }],
    },
  },
});
