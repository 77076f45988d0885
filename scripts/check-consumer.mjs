// Installs the packed packages in an empty npm project and uses them as a stranger would:
// by `import`, by `require()`, through their types, and in the tests of its own, under Vitest and Jest.
import assert from "node:assert/strict";
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { checkContents } from "./contents.mjs";
import { emptyProject, packAll, readJson, root, run, runSteps } from "./lib.mjs";

const packed = packAll();
const project = emptyProject(packed);
const consumer = path.join(root, "scripts", "consumer");
cpSync(consumer, project, { recursive: true });

function checkInstalled() {
  const names = readdirSync(path.join(project, "node_modules")).filter((name) => !name.startsWith("."));
  assert.deepEqual(names, ["@scope"]);
  const scoped = readdirSync(path.join(project, "node_modules", "@scope")).sort();
  assert.deepEqual(
    scoped.map((name) => `@scope/${name}`),
    packed.map(({ manifest }) => manifest.name).sort(),
  );
  return scoped.join(", ");
}

/** The types of the platform a consumer may have. The last row has no AbortSignal: it type-checks a smaller program. */
const platforms = {
  dom: { lib: ["es2022", "dom"], types: [] },
  "node types": { lib: ["es2022"], types: ["node"] },
  "nothing but es2022": { lib: ["es2022"], types: [], program: "types-bare.ts" },
};

function typeCheck(compiler, moduleResolution, platform) {
  const folder = path.join(project, `types-${compiler}-${moduleResolution}-${platform.replaceAll(" ", "-")}`);
  mkdirSync(folder);
  const program = platforms[platform].program ?? "types.ts";
  copyFileSync(path.join(consumer, program), path.join(folder, program));
  writeFileSync(path.join(folder, "package.json"), '{ "type": "module" }\n');
  if (platform === "node types") {
    mkdirSync(path.join(folder, "node_modules", "@types"), { recursive: true });
    symlinkSync(path.join(root, "node_modules/@types/node"), path.join(folder, "node_modules/@types/node"));
  }
  const compilerOptions = {
    lib: platforms[platform].lib,
    types: platforms[platform].types,
    target: "es2022",
    module: moduleResolution === "bundler" ? "esnext" : moduleResolution,
    moduleResolution,
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    noEmit: true,
  };
  writeFileSync(path.join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: [program] }));
  const { bin } = readJson(path.join(root, "node_modules", compiler, "package.json"));
  const tsc = path.join(root, "node_modules", compiler, bin.tsc);
  run(process.execPath, [tsc, "-p", folder]);
}

/** Jest runs CommonJS: what it imports is transformed as well, where a pattern lets it. */
const jest = ["jest@30.5.2", "@swc/jest@0.2.39", "@swc/core@1.16.22"];

/** The pattern that the guide tells users of Jest. */
function documentedPattern() {
  const guide = readFileSync(path.join(root, "docs", "guide", "core.md"), "utf8");
  const [, pattern] = /transformIgnorePatterns: \[("[^"`]+")\]/.exec(guide) ?? [];
  assert.ok(pattern !== undefined, "docs/guide/core.md tells no transformIgnorePatterns");
  return JSON.parse(pattern);
}

/** A project in the project: what it imports from the packages is that of the outer one. */
function runJest() {
  const folder = path.join(project, "jest");
  mkdirSync(folder);
  writeFileSync(path.join(folder, "package.json"), '{ "private": true }\n');
  cpSync(path.join(consumer, "suite"), folder, { recursive: true });
  run("npm", ["install", "--no-audit", "--no-fund", "--prefer-offline", ...jest], { cwd: folder });
  const configuration = {
    transform: { "\\.[jt]s$": "@swc/jest" },
    transformIgnorePatterns: [documentedPattern()],
  };
  writeFileSync(path.join(folder, "jest.config.json"), JSON.stringify(configuration));
  const report = path.join(folder, "report.json");
  const args = ["node_modules/jest/bin/jest.js", "--json", `--outputFile=${report}`];
  run(process.execPath, args, { cwd: folder });
  return `${passedTests(report)} passed`;
}

function runVitest() {
  const modules = path.join(project, "suite", "node_modules");
  mkdirSync(modules);
  symlinkSync(path.join(root, "node_modules", "vitest"), path.join(modules, "vitest"));
  const report = path.join(project, "suite", "report.json");
  const vitest = path.join(modules, "vitest", "vitest.mjs");
  const args = [vitest, "run", "--globals", "--reporter=json", `--outputFile=${report}`];
  run(process.execPath, args, { cwd: path.join(project, "suite") });
  return `${passedTests(report)} passed`;
}

function passedTests(report) {
  const { numPassedTests, numTotalTests } = readJson(report);
  assert.deepEqual([numPassedTests, numTotalTests], [3, 3]);
  return numPassedTests;
}

const compilers = ["typescript-5", "typescript", "typescript-7"];
const matrix = compilers.flatMap((compiler) =>
  ["nodenext", "bundler"].flatMap((resolution) =>
    Object.keys(platforms).map((platform) => [compiler, resolution, platform]),
  ),
);

await runSteps([
  ...packed.map(({ manifest }) => [
    `contents of ${manifest.name}`,
    () => checkContents(project, manifest.name),
  ]),
  ["installed in an empty project", checkInstalled],
  ["import", () => run(process.execPath, ["smoke.mjs"], { cwd: project }).trim()],
  ["require", () => run(process.execPath, ["require.cjs"], { cwd: project }).trim()],
  ["scope-inspect", () => run(process.execPath, ["inspect.mjs"], { cwd: project }).trim()],
  ["vitest", runVitest],
  [`${jest[0]}, transformed to CommonJS by ${jest[1]}`, runJest],
  ...matrix.map(([compiler, resolution, platform]) => {
    const { version } = readJson(path.join(root, "node_modules", compiler, "package.json"));
    return [
      `types: TypeScript ${version}, ${resolution}, ${platform}`,
      () => {
        typeCheck(compiler, resolution, platform);
      },
    ];
  }),
]);
