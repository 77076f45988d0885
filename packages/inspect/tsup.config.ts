import { mkdir, writeFile } from "node:fs/promises";
import { type Options, defineConfig } from "tsup";
import shared from "../../tsup.config.base.ts";
import { buildPage } from "./build-page.ts";

const base = shared as Options;

/**
 * The library for every platform; what belongs to Node has entries of its own. They share what they have in common. The view,
 * with all that it consists of, is for any page; the one that is served is a script that stands alone.
 */
export default defineConfig({
  ...base,
  entry: {
    index: "src/index.ts",
    register: "src/register.ts",
    opentelemetry: "src/opentelemetry.ts",
    cli: "src/cli.ts",
    view: "web/view.ts",
  },
  splitting: true,
  esbuildOptions(options, context) {
    base.esbuildOptions?.(options, context);
    // A page that is rendered on a server first loads the view there too: this build of lit-html needs no DOM for that.
    options.conditions = ["node"];
  },
  external: [/^node:/],
  onSuccess: async () => {
    await mkdir("dist/web", { recursive: true });
    await writeFile("dist/web/page.js", await buildPage());
  },
});
