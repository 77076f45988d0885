/** The command from end to end: a few tasks each. What it measures is not looked at, what it says and writes is. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";

const root = path.join(import.meta.dirname, "..", "..");
const folder = mkdtempSync(path.join(tmpdir(), "scope-bench-test-"));

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

function bench(...args: string[]): string {
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ["--import", "tsx", path.join("bench", "src", "main.ts"), ...args],
    { cwd: root, encoding: "utf8" },
  );
  expect(status, stderr).toBe(0);
  return stdout;
}

const json = path.join(folder, "results.json");

describe("pnpm bench", () => {
  test("prints who did what and which goals are met", () => {
    const said = bench(
      "--tiny",
      "--work",
      "a,d,i",
      "--peer",
      "taskgroup",
      "--peer",
      "p-limit",
      "--json",
      json,
    );
    expect(said).toContain("(a) spawn and join no-op async functions");
    expect(said).toMatch(/│ TaskGroup +│ +[\d.,]+ (ns|us)/);
    expect(said).toMatch(/│ p-limit +│ +[\d.,]+ (ns|us)/);
    expect(said).toMatch(/\(i\) │ +a waiting task, above the bare promise/);
    expect(said).toMatch(/\d+ met, \d+ missed/);
  }, 60_000);

  test("writes the same as a document with charts", () => {
    bench("--full", "--from", json, "--docs", folder);
    const page = readFileSync(path.join(folder, "performance.md"), "utf8");
    expect(page).toContain(`Node ${process.versions.node}`);
    expect(page).toContain("p-queue 9.");
    expect(page).toMatch(/^\| TaskGroup +\| +[\d.,]+ (ns|us) \|/m);
    const charts = Array.from(page.matchAll(/!\[.*\]\((.*\.svg)\)/g), ([, file]) => file);
    expect(charts).not.toEqual([]);
    expect(readdirSync(folder)).toEqual(expect.arrayContaining(charts));
    for (const file of charts) {
      expect(readFileSync(path.join(folder, file!), "utf8")).toMatch(/^<svg [^]*TaskGroup[^]*<\/svg>\n$/);
    }
  }, 60_000);
});
