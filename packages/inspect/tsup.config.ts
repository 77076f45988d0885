import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
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
  dts: {
    ...(base.dts as object),
    entry: {
      index: "src/index.ts",
      register: "src/register.ts",
      opentelemetry: "src/opentelemetry.ts",
      view: "web/view.ts",
    },
  },
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
    const maps = (await readdir("dist")).filter((file) => file.endsWith(".js.map"));
    await Promise.all(maps.map((file) => nameThirdParties(`dist/${file}`)));
  },
});

/** Their sources are not in the package: the map says whose they are, and not where they lay when it was built. */
async function nameThirdParties(file: string): Promise<void> {
  const map = JSON.parse(await readFile(file, "utf8")) as { sources: string[] };
  map.sources = map.sources.map((source) => source.replace(/^.*\/node_modules\//, "third-party/"));
  await writeFile(file, JSON.stringify(map));
}
