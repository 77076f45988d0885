/**
 * What the packages cost a page, minified and gzipped. Each ceiling in `budgets.json` is a promise to users: raise it
 * in the commit that needs it, and say there what was bought. `pnpm check:bundlers` holds other bundlers to it.
 */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { describe, expect, test } from "vitest";

const root = path.join(import.meta.dirname, "..", "..");

async function bundle(code: string, external: string[] = []): Promise<Uint8Array> {
  const result = await build({
    stdin: { contents: code, resolveDir: root },
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    target: "es2022",
    platform: "neutral",
    external,
  });
  const [file] = result.outputFiles;
  if (file === undefined) throw new Error("esbuild wrote nothing");
  return file.contents;
}

interface Budget {
  readonly what: string;
  readonly code: string;
  readonly external: string[];
  readonly limit: number;
}

const budgets = JSON.parse(readFileSync(path.join(root, "scripts/budgets.json"), "utf8")) as Budget[];

describe("size", () => {
  test.each(budgets)("$what is at most $limit bytes", async ({ what, code, external, limit }) => {
    expect(existsSync(path.join(root, "packages/core/dist/index.js")), "run `pnpm build` first").toBe(true);
    const size = gzipSync(await bundle(code, external), { level: 9 }).length;
    console.log(`${what}: ${String(size)} of ${String(limit)} bytes`);
    expect(size).toBeGreaterThan(0);
    expect(size).toBeLessThanOrEqual(limit);
  });

  /** Texts that no minifier takes away, and where they come from. */
  const traces = {
    supervisor: ["rest-for-one", "one-for-all", "gave-up"],
    core: ["shutting down: check"],
    asCompleted: ["The loop was left"],
    race: ["Another was first"],
  };

  test.each([
    { name: "gather", without: ["supervisor", "asCompleted", "race"], with: ["core"] },
    { name: "race", without: ["supervisor", "asCompleted"], with: ["core", "race"] },
    { name: "asCompleted", without: ["supervisor", "race"], with: ["core", "asCompleted"] },
    { name: "Supervisor", without: ["asCompleted", "race"], with: ["core", "supervisor"] },
  ] as const)("importing only $name of @scope/supervisor pulls in none of $without", async (row) => {
    const contents = await bundle(`export { ${row.name} } from "@scope/supervisor"`);
    const text = new TextDecoder().decode(contents);
    for (const part of row.with) for (const trace of traces[part]) expect(text).toContain(trace);
    for (const part of row.without) for (const trace of traces[part]) expect(text).not.toContain(trace);
  });

  /** The same of @scope/guarded. */
  const guardedTraces = {
    spawn: ["@scope/guarded"],
    spawnGuarded: ["Exception in "],
    runMain: ["uncaughtException", "SIGTERM", "Forced exit"],
    "the process": ["process", "stdout", "node:", "getBuiltinModule"],
  };

  test.each([
    { name: "spawn", without: ["spawnGuarded", "runMain", "the process"], with: ["spawn"] },
    { name: "spawnGuarded", without: ["runMain"], with: ["spawn", "spawnGuarded", "the process"] },
    { name: "runMain", without: [], with: ["spawn", "spawnGuarded", "runMain"] },
  ] as const)("importing only $name of @scope/guarded pulls in none of $without", async (row) => {
    const contents = await bundle(`export { ${row.name} } from "@scope/guarded"`, ["@scope/core"]);
    const text = new TextDecoder().decode(contents);
    const found = Object.entries(guardedTraces).flatMap(([part, traces]) =>
      traces.some((trace) => text.includes(trace)) ? [part] : [],
    );
    expect(found).toEqual(expect.arrayContaining([...row.with]));
    expect(found.filter((part) => (row.without as readonly string[]).includes(part))).toEqual([]);
    expect(text).not.toContain("node:");
  });
});
