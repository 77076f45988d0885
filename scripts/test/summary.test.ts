import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const script = path.join(import.meta.dirname, "..", "summary.mjs");
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "scope-summary-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

interface Counts {
  passed?: number;
  failed?: number;
  pending?: number;
  success?: boolean;
}

function summarize(...reports: Counts[]): { status: number | null; stdout: string } {
  const files = reports.map(({ passed = 0, failed = 0, pending = 0, success = failed === 0 }, index) => {
    const file = path.join(folder, `${String(index)}.json`);
    const counts = {
      numPassedTests: passed,
      numFailedTests: failed,
      numPendingTests: pending,
      numTodoTests: 0,
    };
    writeFileSync(file, JSON.stringify({ ...counts, success }));
    return file;
  });
  return spawnSync(process.execPath, [script, ...files], { encoding: "utf8" });
}

describe("summary", () => {
  test("adds up the reports", () => {
    const { status, stdout } = summarize({ passed: 3 }, { passed: 4, pending: 1 });
    expect(stdout).toBe("7 passed, 0 failed, 1 skipped\n");
    expect(status).toBe(0);
  });

  test("fails when a test failed", () => {
    const { status, stdout } = summarize({ passed: 3, failed: 2 });
    expect(stdout).toBe("3 passed, 2 failed\n");
    expect(status).toBe(1);
  });

  test("fails when a run failed without a failed test", () => {
    const { status, stdout } = summarize({ passed: 3, success: false });
    expect(stdout).toBe("3 passed, 1 failed\n");
    expect(status).toBe(1);
  });

  test("fails when no test ran", () => {
    expect(summarize({}).status).toBe(1);
  });
});
