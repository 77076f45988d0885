// What an installed package is to consist of.
import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { readJson } from "./lib.mjs";

/** Throws unless the package `name`, installed in `project`, holds what was promised, and nothing else. */
export function checkContents(project, name) {
  const folder = path.join(project, "node_modules", ...name.split("/"));
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
    .sort();
  const allowed =
    /^(package\.json|(README|API|CHANGELOG)\.md|LICENSE|llms\.txt|dist\/index\.(js|js\.map|d\.ts)|src\/.*\.ts)$/;
  assert.deepEqual(
    files.filter((file) => !allowed.test(file)),
    [],
    "files that nobody asked for",
  );
  for (const file of [
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
    "API.md",
    "llms.txt",
    "dist/index.js",
    "dist/index.d.ts",
    "src/index.ts",
  ]) {
    assert.ok(files.includes(file), `${file} is missing`);
  }

  const map = readJson(path.join(folder, "dist", "index.js.map"));
  assert.equal(map.sourcesContent, undefined, "the source map repeats the sources");
  for (const source of map.sources) {
    assert.ok(source.startsWith("../src/"), `the source map leaves the package: ${source}`);
    assert.ok(
      existsSync(path.join(folder, "dist", source)),
      `the source map names a missing file: ${source}`,
    );
  }

  const types = readFileSync(path.join(folder, "dist", "index.d.ts"), "utf8");
  assert.match(
    types,
    /^\/\/\/ <reference lib="esnext.disposable" \/>/,
    "the types do not bring AsyncDisposable",
  );
  assert.deepEqual(types.match(/\b_[a-z]\w*/g) ?? [], [], "internal names in the published types");

  const published = readJson(path.join(folder, "package.json"));
  assert.ok(!JSON.stringify(published).includes("workspace:"), "a workspace range was published");
  assert.equal(published.license, "MIT");
  assert.equal(published.publishConfig.provenance, true);
  const dependencies = Object.keys(published.dependencies ?? {});
  assert.deepEqual(dependencies, name === "@scope/core" ? [] : ["@scope/core"]);
  return `${files.length} files`;
}
