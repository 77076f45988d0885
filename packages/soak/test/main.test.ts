import path from "node:path";
import { Program } from "@scope/test-utils/node";
import { describe, expect, it } from "vitest";
import { settingsOf } from "../src/settings.ts";

const script = path.join(import.meta.dirname, "../../../scripts/soak.mjs");

function soak(...args: string[]): Program {
  return new Program([process.execPath, script, ...args]);
}

describe("pnpm soak", () => {
  it("prints what it has tried, and ends with 0 if it finds nothing", async () => {
    const { code, stdout, stderr } = await soak("--seconds", "1", "--seed", "7").finished();
    expect(stderr).toBe("");
    expect(stdout).toMatch(/^soaking for 1 s, seed 7$/m);
    expect(stdout).toMatch(/^PersistentTaskGroup +\d+ +\d+ +\d+ +\d+ +\d+$/m);
    expect(stdout).toMatch(/^heap: -?\d+ bytes a second, /m);
    expect(stdout).toMatch(/^\d+ episodes in .*; 0 findings$/m);
    expect(code).toBe(0);
  });

  it("refuses what it does not know with 2, and says how it is called", async () => {
    const { code, stdout, stderr } = await soak("--depth", "3").finished();
    expect(code).toBe(2);
    expect(stdout).toBe("");
    expect(stderr).toContain("'--depth'");
    expect(stderr).toContain("Usage: pnpm soak");
  });

  it("ends in order when it is interrupted: with what was done so far, and 130", async () => {
    const program = soak("--seconds", "60");
    await program.printed(/soaking/);
    program.kill("SIGINT");
    const { code, stdout } = await program.finished();
    expect(stdout).toMatch(/^\d+ episodes in .*; 0 findings$/m);
    expect(code).toBe(130);
  });
});

describe("settingsOf", () => {
  it("takes ten minutes and the seed 1 unless told otherwise", () => {
    expect(settingsOf([])).toEqual({ seconds: 600, seed: 1, episode: undefined });
    const args = ["--", "--seconds", "0.5", "--seed", "7", "--episode", "12"];
    expect(settingsOf(args)).toEqual({ seconds: 0.5, seed: 7, episode: 12 });
  });

  it.each([
    ["--seconds", "soon", '--seconds: expected a number from 0.1 on, got "soon"'],
    ["--seconds", "", '--seconds: expected a number from 0.1 on, got ""'],
    ["--seconds", "Infinity", '--seconds: expected a number from 0.1 on, got "Infinity"'],
    ["--seed", "1.5", '--seed: expected a whole number, got "1.5"'],
    ["--episode", "-1", "'--episode' argument is ambiguous"],
  ])("refuses %s %s", (name, value, message) => {
    expect(() => settingsOf([name, value])).toThrow(message);
  });
});
