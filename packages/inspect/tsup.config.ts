import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { defineConfig } from "tsup";
import base from "../../tsup.config.base.ts";
import { buildPage } from "./build-page.ts";

/**
 * The library for every platform; what belongs to Node has entries of its own. They share what they have in common. The view,
 * with all that it consists of, is for any page; the one that is served is a script that stands alone.
 */
export default defineConfig({
  ...base,
  entry: {
    ...Object.fromEntries(
      ["index", "register", "opentelemetry", "cli"]
        .map((name) => [name, `src/${name}.ts`] as const)
        .filter(([, file]) => existsSync(file)),
    ),
    view: "web/view.ts",
  },
  splitting: true,
  external: [/^node:/],
  onSuccess: async () => {
    await mkdir("dist/web", { recursive: true });
    await writeFile("dist/web/page.js", await buildPage());
  },
});
