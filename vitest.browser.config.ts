import { existsSync } from "node:fs";
import { playwright } from "@vitest/browser-playwright";
import { defineConfig } from "vitest/config";

const candidates = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const executablePath = process.env["CHROMIUM_PATH"] ?? candidates.find((file) => existsSync(file));
if (executablePath === undefined) {
  throw new Error("no Chromium found: install one, or name it in CHROMIUM_PATH");
}

const report = process.env["BROWSER_TEST_REPORT"];

export default defineConfig({
  resolve: { conditions: ["@scope/source"] },
  test: {
    name: "browser",
    include: ["packages/*/test/**/*.browser.test.ts", "packages/*/test/contract*.test.ts"],
    reporters: report === undefined ? ["default"] : ["default", ["json", { outputFile: report }]],
    browser: {
      enabled: true,
      headless: true,
      screenshotFailures: false,
      provider: playwright({
        launchOptions: {
          executablePath,
          args: [
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
          ],
        },
      }),
      instances: [{ browser: "chromium" }],
    },
  },
});
