import { spawnSync } from "node:child_process";
import path from "node:path";
import { describe, expect, it } from "vitest";

const script = path.join(import.meta.dirname, "..", "docs.mjs");

function docs(...args: string[]): { status: number | null; stderr: string; stdout: string } {
  return spawnSync(process.execPath, [script, ...args], { encoding: "utf8" });
}

describe("docs.mjs", () => {
  it.each([[[]], [["biuld"]], [["build", "more"]], [["build", "--base", "scope"]], [["build", "--fast"]]])(
    "refuses %j, and says how it is used",
    (args) => {
      const { status, stderr } = docs(...args);
      expect(status).toBe(2);
      expect(stderr).toMatch(/^docs\.mjs: .+\nusage: docs\.mjs build/);
    },
  );

  it("says how it is used when asked", () => {
    expect(docs("--help")).toMatchObject({ status: 0, stdout: expect.stringMatching(/^usage: /) as string });
  });
});
