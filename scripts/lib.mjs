// What the checks have in common: running commands, and an empty npm project with the packed packages in it.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";

export const root = path.join(import.meta.dirname, "..");

export function readJson(file) {
  return JSON.parse(readFileSync(file, "utf8"));
}

/** Runs a command quietly. Prints its output and throws when it fails. */
export function run(command, args, options = {}) {
  const result = spawnSync(command, args, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    maxBuffer: 1 << 28,
    ...options,
  });
  if (result.error !== undefined) throw result.error;
  if (result.status !== 0) {
    const how = result.signal ?? `exit code ${String(result.status)}`;
    throw new Error(`${[command, ...args].join(" ")}: ${how}\n${result.stdout}${result.stderr}`);
  }
  return result.stdout;
}

/** Ends the program over arguments that `parseArgs` has refused. */
export function usageError(error, usage) {
  console.error(`${error.message}\nusage: ${usage}`);
  process.exit(2);
}

export const hasPnpm = spawnSync("pnpm", ["--version"], { stdio: "ignore" }).status === 0;

/** Runs pnpm: the one that runs this script, or the pinned one when called by plain `node`. */
export function pnpm(args, options) {
  if (hasPnpm) return run("pnpm", args, options);
  const { packageManager } = readJson(path.join(root, "package.json"));
  return run("npx", ["--yes", packageManager, ...args], options);
}

/** The packages that are published: their folders and manifests. */
export function publicPackages() {
  return readdirSync(path.join(root, "packages"))
    .map((folder) => path.join(root, "packages", folder))
    .map((folder) => ({ folder, manifest: readJson(path.join(folder, "package.json")) }))
    .filter(({ manifest }) => manifest.private !== true);
}

export function temporaryFolder(name) {
  const folder = mkdtempSync(path.join(tmpdir(), `scope-${name}-`));
  process.on("exit", () => {
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}

/** Packs every public package as it would be published. */
export function packAll() {
  const folder = temporaryFolder("pack");
  return publicPackages().map((found) => {
    pnpm(["pack", "--pack-destination", folder], { cwd: found.folder });
    const { name, version } = found.manifest;
    const tarball = path.join(folder, `${name.replace("@", "").replace("/", "-")}-${version}.tgz`);
    return { ...found, tarball };
  });
}

/** An npm project that has nothing but the packed packages. */
export function emptyProject(packed) {
  const folder = temporaryFolder("consumer");
  writeFileSync(path.join(folder, "package.json"), `${JSON.stringify({ private: true, type: "module" })}\n`);
  run("npm", ["install", "--no-audit", "--no-fund", ...packed.map(({ tarball }) => tarball)], {
    cwd: folder,
  });
  return folder;
}

/**
 * Runs named steps one after another; a failed one does not stop the rest, unless each needs those before it. Sets the exit
 * code.
 */
export function runSteps(steps, { chained = false } = {}) {
  let failed = 0;
  for (const [name, step] of steps) {
    const begin = performance.now();
    try {
      const note = step();
      const seconds = ((performance.now() - begin) / 1000).toFixed(1);
      console.log(`ok    ${name}${note ? `: ${note}` : ""} (${seconds} s)`);
    } catch (error) {
      failed += 1;
      console.error(`FAIL  ${name}\n${error instanceof Error ? error.message : String(error)}`);
      if (chained) break;
    }
  }
  if (failed > 0) {
    console.error(`${failed} of ${steps.length} failed`);
    process.exitCode = 1;
  }
}

/**
 * Bundles a program with the sources of the packages. tsx would have every inner function keep its name, by a call each
 * time one is made.
 */
export async function bundle(source, outfile, options = {}) {
  await build({
    entryPoints: [source],
    outfile,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "es2022",
    conditions: ["@scope/source"],
    external: ["bun:*"],
    define: { "import.meta.url": JSON.stringify(pathToFileURL(source).href) },
    sourcemap: "inline",
    logLevel: "warning",
    ...options,
  });
}
