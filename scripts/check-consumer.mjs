// Installs the packed packages in an empty npm project and uses them as a stranger would:
// by `import`, by `require()`, and through their types.
import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { checkContents } from "./contents.mjs";
import { emptyProject, packAll, readJson, root, run, runSteps } from "./lib.mjs";

const packed = packAll();
const project = emptyProject(packed);
const consumer = path.join(root, "scripts", "consumer");
for (const file of readdirSync(consumer)) copyFileSync(path.join(consumer, file), path.join(project, file));

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

const compilers = ["typescript-5", "typescript", "typescript-7"];
const matrix = compilers.flatMap((compiler) =>
  ["nodenext", "bundler"].flatMap((resolution) =>
    Object.keys(platforms).map((platform) => [compiler, resolution, platform]),
  ),
);

runSteps([
  ...packed.map(({ manifest }) => [
    `contents of ${manifest.name}`,
    () => checkContents(project, manifest.name),
  ]),
  ["installed in an empty project", checkInstalled],
  ["import", () => run(process.execPath, ["smoke.mjs"], { cwd: project }).trim()],
  ["require", () => run(process.execPath, ["require.cjs"], { cwd: project }).trim()],
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
