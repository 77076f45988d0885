import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const root = path.join(import.meta.dirname, "..", "..");
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "scope-start-"));
  mkdirSync(path.join(folder, "inner"));
  writeFileSync(path.join(folder, "inner", "greeting"), "hello\n");
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** Runs the script as pnpm does: at the root, with the caller's folder in INIT_CWD. */
function start(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const node = ["--conditions=@scope/source", "--import", "tsx", "scripts/start.ts"];
  return spawnSync(process.execPath, [...node, ...args], {
    cwd: root,
    encoding: "utf8",
    env: { ...process.env, INIT_CWD: folder },
  });
}

describe("pnpm start", { timeout: 20_000 }, () => {
  test("lists the programs with their descriptions", () => {
    const { status, stdout } = start("--list");
    expect(status).toBe(0);
    expect(stdout).toMatch(/^checksum +\S.*sha256sum/m);
    expect(stdout).toMatch(/^tour +\S/m);
  });

  test.each([[["--help"]], [["--", "--help"]], [["tour", "--help"]], [["tour", "--", "--help"]]])(
    "means the tour unless a program is named: %j",
    (args) => {
      const { status, stdout } = start(...args);
      expect(stdout).toMatch(/^Usage: tour /);
      expect(status).toBe(0);
    },
  );

  test("lists the scenes of the tour, after --", () => {
    const { status, stdout } = start("--", "--list");
    expect(stdout).toMatch(/^1 {2}core +\S/);
    expect(status).toBe(0);
  });

  test("refuses an unknown program in one line that names the known ones", () => {
    const { status, stdout, stderr } = start("nonsense");
    expect(status).toBe(2);
    expect(stdout).toBe("");
    expect(stderr).toMatch(/^pnpm start: no program "nonsense" \(there is .*checksum.*\)\n$/);
  });

  test.each([[["checksum", "inner"]], [["checksum", "--", "inner"]]])(
    "takes relative paths from the caller's folder: %j",
    (args) => {
      const { status, stdout } = start(...args);
      expect(stdout).toBe(
        "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03  inner/greeting\n",
      );
      expect(status).toBe(0);
    },
  );

  test("ends with the program's exit code", () => {
    expect(start("checksum", "missing").status).toBe(1);
    expect(start("checksum", "--nonsense").status).toBe(2);
    expect(start("--nonsense").status).toBe(2);
  });
});
