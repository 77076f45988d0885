import path from "node:path";
import { build } from "esbuild";

const folder = import.meta.dirname;

/** Bundles a script for a page with all that it needs: of the folder `web`, or of one that is named from there. */
export async function buildPage(file = "page.ts"): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [path.join(folder, "web", file)],
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    target: "es2022",
    conditions: ["@scope/source"],
    legalComments: "eof",
  });
  return outputFiles.map(({ text }) => text).join("");
}
