/**
 * What the packages cost a page, minified and gzipped. Each ceiling is a promise to users: raise it in the
 * commit that needs it, and say there what was bought.
 */
import { existsSync } from "node:fs";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { describe, expect, test } from "vitest";

const root = path.join(import.meta.dirname, "..", "..");

async function gzippedSize(code: string, external: string[] = []): Promise<number> {
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
  return gzipSync(file.contents, { level: 9 }).length;
}

const budgets = [
  { what: "@scope/core", code: 'export * from "@scope/core"', external: [], limit: 6000 },
  {
    what: "CancellationSource alone",
    code: 'export { CancellationSource } from "@scope/core"',
    external: [],
    limit: 2000,
  },
  {
    what: "@scope/taskgroup without core",
    code: 'export * from "@scope/taskgroup"',
    external: ["@scope/core"],
    limit: 1500,
  },
];

describe("size", () => {
  test.each(budgets)("$what is at most $limit bytes", async ({ what, code, external, limit }) => {
    expect(existsSync(path.join(root, "packages/core/dist/index.js")), "run `pnpm build` first").toBe(true);
    const size = await gzippedSize(code, external);
    console.log(`${what}: ${String(size)} of ${String(limit)} bytes`);
    expect(size).toBeGreaterThan(0);
    expect(size).toBeLessThanOrEqual(limit);
  });
});
