// The API reference of the site: Markdown pages that typedoc makes of the comments in the sources, never committed.
import { existsSync, rmSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { publicPackages, root } from "./lib.mjs";

const docs = path.join(root, "docs");

/** What each published package exports: the name to import it by, and its source. */
export function doors() {
  return publicPackages().flatMap(({ folder, manifest }) =>
    Object.entries(manifest.exports)
      .filter(([, target]) => existsSync(path.join(folder, target["@scope/source"] ?? "?")))
      .map(([door, target]) => ({
        name: path.posix.join(manifest.name, door),
        source: path.join(folder, target["@scope/source"]),
      })),
  );
}

/** Writes `docs/api`, and a list of its pages for the sidebar. Throws if typedoc has anything to complain of. */
export async function writeApiReference() {
  const out = path.join(docs, "api");
  rmSync(out, { recursive: true, force: true });
  const { Application, Converter } = await import(
    pathToFileURL(path.join(docs, "node_modules", "typedoc", "dist", "index.js")).href
  );
  const packages = path.join(root, "packages");
  const names = new Map(
    doors().map(({ name, source }) => [path.relative(packages, source).replace(/(\/index)?\.ts$/, ""), name]),
  );
  const app = await Application.bootstrapWithPlugins({
    plugin: ["typedoc-plugin-markdown", "typedoc-vitepress-theme"].map((name) =>
      path.join(docs, "node_modules", name, "dist", "index.js"),
    ),
    tsconfig: path.join(docs, "typedoc.tsconfig.json"),
    entryPoints: doors().map(({ source }) => source),
    alwaysCreateEntryPointModule: true,
    displayBasePath: packages,
    basePath: packages,
    excludeInternal: true,
    excludePrivate: true,
    excludeExternals: true,
    disableSources: true,
    name: "API reference",
    readme: "none",
    out,
    docsRoot: docs,
    hideBreadcrumbs: true,
    hidePageHeader: true,
    useCodeBlocks: true,
    sanitizeComments: true,
    parametersFormat: "table",
    entryFileName: "index",
    logLevel: "Warn",
  });
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    for (const module of project.children ?? []) module.name = names.get(module.name) ?? module.name;
    // What `instanceof` calls is nobody's to call.
    for (const reflection of Object.values(project.reflections)) {
      if (reflection.name === "[hasInstance]") project.removeReflection(reflection);
    }
  });
  const project = await app.convert();
  if (project === undefined) throw new Error("typedoc: the sources do not compile");
  await app.generateOutputs(project);
  if (app.logger.hasErrors() || app.logger.hasWarnings()) throw new Error("typedoc has complained");
}

if (import.meta.main ?? process.argv[1] === import.meta.filename) await writeApiReference();
