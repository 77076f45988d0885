import path from "node:path";
import { playwright } from "@vitest/browser-playwright";
import { defineConfig, type Plugin } from "vitest/config";
import { chromiumOptions } from "../../packages/test-utils/src/chromium.ts";

/** In the tests and their helpers, puts the stand-ins of `browser-setup.ts` in the place of Node's modules and `process`. */
const standIns: Plugin = {
  name: "stand-ins",
  transform(code, id) {
    if (!id.includes("/packages/")) return undefined;
    const transformed = code.replaceAll(
      /^import (.+?) from "(node:[\w/]+|esbuild)";/gm,
      (_, names: string, module: string) => {
        const pattern = names.startsWith("{") ? names.replaceAll(" as ", ": ") : names.replace("* as ", "");
        return `const ${pattern} = globalThis.absentHere("${module}");`;
      },
    );
    const usesProcess = /(?<![.\w"])process(?=[.,])/.test(transformed);
    return {
      code: `${usesProcess ? 'const process = globalThis.absentHere("process");' : ""}${transformed}`,
      map: null,
    };
  },
};

/** The tests of the packages, on what is installed beside them, in Chromium. */
export default defineConfig({
  root: path.join(import.meta.dirname, "..", ".."),
  plugins: [standIns],
  // As they were packed, each in its own file.
  optimizeDeps: {
    exclude: ["core", "guarded", "persistent", "supervisor", "taskgroup", "test-utils"].map(
      (name) => `@scope/${name}`,
    ),
    include: ["fast-check"],
  },
  // The tools are links that lead out of here.
  server: { fs: { strict: false } },
  test: {
    setupFiles: ["scripts/runtimes/browser-setup.ts", "scripts/runtimes/setup.ts"],
    // The inspector's page has tests of its own in Chromium.
    include: ["packages/{core,guarded,persistent,supervisor,taskgroup}/test/**/*.test.ts"],
    browser: {
      enabled: true,
      headless: true,
      screenshotFailures: false,
      provider: playwright({ launchOptions: chromiumOptions() }),
      instances: [{ browser: "chromium" }],
    },
  },
});
