/** What it costs to have a library: its import in a fresh process, and its size in a bundle (k). */
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { type Import, type Size, spread } from "./results.ts";
import type { Runtime } from "./runtimes.ts";

const here = import.meta.dirname;

/** Two packages in place of core and taskgroup that hold nothing: what it takes to find and read them. */
export const EMPTY_PACKAGES = "two empty packages";

/** As published: each by its name, ours from `dist`. */
const imported = [
  { name: EMPTY_PACKAGES, specifier: "@empty/taskgroup" },
  { name: "core + taskgroup", specifier: "@scope/taskgroup" },
  { name: "core + supervisor", specifier: "@scope/supervisor" },
  ...[
    "effect",
    "effection",
    "p-limit",
    "p-queue",
    "p-map",
    "nursery",
    "abort-controller-x",
    "js-concurrent",
  ].map((name) => ({ name, specifier: name })),
];

/** A program that uses nothing else of it. Of effect, the three modules that the works take. */
const bundled = [
  { name: "everything of core and taskgroup", code: all("@scope/core", "@scope/taskgroup") },
  { name: "TaskGroup, with what it needs of core", code: all("@scope/taskgroup") },
  { name: "TaskScope", code: 'export { TaskScope } from "@scope/core"' },
  { name: "Supervisor, with what it needs of core", code: 'export { Supervisor } from "@scope/supervisor"' },
  { name: "effect (Effect, Fiber, FiberSet)", code: 'export { Effect, Fiber, FiberSet } from "effect"' },
  ...["effection", "abort-controller-x", "js-concurrent"].map((name) => ({ name, code: all(name) })),
  ...["p-limit", "p-queue", "p-map", "nursery"].map((name) => ({
    name,
    code: `export * from "${name}"; export { default } from "${name}"`,
  })),
];

function all(...names: string[]): string {
  return names.map((name) => `export * from "${name}"`).join("; ");
}

/** Into the folder of the bundles, from where imports find them. */
function writeEmptyPackages(folder: string): void {
  const write = (name: string, code: string): void => {
    const dist = path.join(folder, "node_modules", "@empty", name, "dist");
    mkdirSync(dist, { recursive: true });
    const exports = { ".": { types: "./dist/index.d.ts", default: "./dist/index.js" } };
    const manifest = {
      name: `@empty/${name}`,
      version: "0.0.0",
      type: "module",
      sideEffects: false,
      exports,
    };
    writeFileSync(path.join(dist, "..", "package.json"), JSON.stringify(manifest));
    writeFileSync(path.join(dist, "index.js"), code);
  };
  write("core", "export const nothing = undefined;\n");
  write("taskgroup", 'export { nothing } from "@empty/core";\n');
  copyFileSync(path.join(here, "import.mjs"), path.join(folder, "import.mjs"));
}

function importOnce({ executable }: Runtime, specifier: string, from = here): number {
  const { stdout, stderr, status } = spawnSync(executable, [path.join(from, "import.mjs"), specifier], {
    encoding: "utf8",
  });
  if (status !== 0) {
    throw new Error(
      stderr.split("\n").find((line) => /^\w*Error|^error/.test(line)) ?? `exit ${String(status)}`,
    );
  }
  return Number(stdout);
}

/** Every round imports each of them once, and an empty module. */
export function measureImports(
  bundles: string,
  runtimes: readonly Runtime[],
  rounds: number,
  tell: (progress: string) => void,
): Import[] {
  writeEmptyPackages(bundles);
  return runtimes.flatMap((runtime) => {
    const empty: number[] = [];
    const times = imported.map((): number[] => []);
    const failures: (string | undefined)[] = imported.map(() => undefined);
    for (let round = 0; round < rounds; round++) {
      tell(`${runtime.name} (k) imports ${round + 1}/${rounds}`);
      empty.push(importOnce(runtime, "./empty.mjs"));
      for (const [index, { specifier }] of imported.entries()) {
        if (failures[index] !== undefined) continue;
        try {
          const from = specifier.startsWith("@empty/") ? bundles : here;
          times[index]!.push(importOnce(runtime, specifier, from));
        } catch (error) {
          failures[index] = (error as Error).message;
        }
      }
    }
    const least = spread(empty).median;
    return imported.map(({ name }, index): Import => {
      const failure = failures[index];
      if (failure !== undefined) return { runtime: runtime.name, name, failure: withoutPaths(failure) };
      return { runtime: runtime.name, name, time: spread(times[index]!.map((time) => time - least)) };
    });
  });
}

/** The paths of this machine are no part of an error. */
function withoutPaths(message: string): string {
  return message.replace(/'\/[^']*node_modules\//g, "'").replace(/ imported from .*/, "");
}

export async function measureSizes(): Promise<Size[]> {
  const sizes: Size[] = [];
  for (const { name, code } of bundled) {
    const result = await build({
      stdin: { contents: code, resolveDir: here },
      bundle: true,
      minify: true,
      write: false,
      format: "esm",
      target: "es2022",
      platform: "browser",
      external: ["node:*"],
      logLevel: "silent",
    });
    sizes.push({ name, bytes: gzipSync(result.outputFiles[0]!.contents, { level: 9 }).length });
  }
  return sizes;
}
