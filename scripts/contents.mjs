// What a packed package holds, which `pnpm check:consumer` and `pnpm check:release` look at.
import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import path from "node:path";
import { readJson } from "./lib.mjs";

const everywhere =
  /^(package\.json|(README|API|CHANGELOG)\.md|LICENSE|llms\.txt|dist\/index\.(js|js\.map|d\.ts)|src\/[\w-]+\.ts)$/;

/** What a package has beyond that: entries with what they share, and the third parties' code in them. */
const besides = {
  "@scope/inspect":
    /^(THIRD-PARTY-LICENSES\.md|snapshot\.schema\.json|dist\/(register|opentelemetry|view|chunk-\w+)\.js(\.map)?|dist\/(register|opentelemetry|view|types-[\w-]+)\.d\.ts|dist\/cli\.js(\.map)?|dist\/web\/page\.js|web\/[\w-]+\.ts)$/,
};

/** Throws unless the package `name`, installed in `project`, holds what was promised, and nothing else. */
export function checkContents(project, name) {
  const folder = path.join(project, "node_modules", ...name.split("/"));
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
    .sort();
  assert.deepEqual(
    files.filter((file) => !everywhere.test(file) && besides[name]?.test(file) !== true),
    [],
    "files that nobody asked for",
  );
  const published = readJson(path.join(folder, "package.json"));
  const named = Object.values(published.exports).flatMap((target) =>
    typeof target === "string" ? [target] : Object.values(target),
  );
  const promised = ["README.md", "LICENSE", "CHANGELOG.md", "API.md", "llms.txt"]
    .concat(published.files.filter((file) => path.extname(file) !== ""))
    .concat([...named, ...Object.values(published.bin ?? {})].map((file) => path.normalize(file)));
  for (const file of promised) assert.ok(files.includes(file), `${file} is missing`);

  for (const file of files.filter((file) => /^dist\/[^/]*\.js$/.test(file))) checkScript(folder, file, files);
  for (const file of files.filter((file) => file.endsWith(".d.ts"))) checkTypes(folder, file);
  for (const file of Object.values(published.bin ?? {})) checkProgram(path.join(folder, file));

  assert.ok(!JSON.stringify(published).includes("workspace:"), "a workspace range was published");
  assert.equal(published.license, "MIT");
  assert.equal(published.publishConfig.provenance, true);
  const dependencies = Object.keys(published.dependencies ?? {});
  assert.deepEqual(dependencies, name === "@scope/core" ? [] : ["@scope/core"]);
  for (const peer of Object.keys(published.peerDependencies ?? {})) {
    assert.equal(published.peerDependenciesMeta[peer]?.optional, true, `${peer} is not optional`);
  }
  return `${files.length} files`;
}

/** What it imports of the package is there, and its map leads to sources that are there too. */
function checkScript(folder, file, files) {
  const text = readFileSync(path.join(folder, file), "utf8");
  for (const [, imported] of text.matchAll(/^(?:import|export)\b[^;'"]*['"](\.[^'"]+)['"]/gm)) {
    const wanted = path.join("dist", imported);
    assert.ok(files.includes(wanted), `${file} imports ${wanted}, which is missing`);
  }
  const map = readJson(path.join(folder, `${file}.map`));
  assert.equal(map.sourcesContent, undefined, `the source map of ${file} repeats the sources`);
  for (const source of map.sources.filter((source) => !source.startsWith("third-party/"))) {
    assert.match(source, /^\.\.\/(src|web)\//, `the source map of ${file} leaves the package`);
    assert.ok(
      existsSync(path.join(folder, "dist", source)),
      `the source map of ${file} names a missing file: ${source}`,
    );
  }
}

function checkTypes(folder, file) {
  const types = readFileSync(path.join(folder, file), "utf8");
  assert.match(
    types,
    /^\/\/\/ <reference lib="esnext.disposable" \/>/,
    `${file} does not bring AsyncDisposable`,
  );
  assert.deepEqual(types.match(/\b_[a-z]\w*/g) ?? [], [], `internal names in ${file}`);
}

function checkProgram(file) {
  assert.match(readFileSync(file, "utf8"), /^#!\/usr\/bin\/env node\n/, `${file} has no shebang`);
  assert.notEqual(statSync(file).mode & 0o111, 0, `${file} is not executable`);
}
