import { readFile } from "node:fs/promises";

import { expectUsageError } from "@scope/test-utils/node";
import { describe, expect, it } from "vitest";

import { help, parseArguments } from "../src/arguments.ts";
import { Tour } from "./program.ts";

const known = ["core", "taskgroup", "supervisor"];

describe(parseArguments, () => {
  it("means all scenes when there is nothing", () => {
    expect(parseArguments([], known)).toEqual({ scenes: known, plain: false });
  });

  it("takes scenes by number and by name, and keeps the order of the tour", () => {
    expect(parseArguments(["--scene", "3", "--scene=core", "--scene=1", "--plain"], known)).toEqual({
      scenes: ["core", "supervisor"],
      plain: true,
    });
  });

  it("knows --help and --list", () => {
    expect(parseArguments(["-h"], known)).toBe("help");
    expect(parseArguments(["--list"], known)).toBe("list");
  });

  it.each([
    [["--bad"], "Unknown option '--bad'"],
    [["core"], "Unexpected argument 'core'"],
    [["--scene"], "Option '--scene <value>' argument missing"],
    [["--plain=yes"], "Option '--plain' does not take an argument"],
    ...["0", "4", "-1", "1.5", "", "Core", "constructor"].map((text) => [
      [`--scene=${text}`],
      `--scene: expected a number from 1 to 3 or one of core, taskgroup, supervisor, got "${text}"`,
    ]),
  ] as [string[], string][])("refuses %j in one line", (argv, message) =>
    expectUsageError(() => parseArguments(argv, known), message),
  );
});

describe("README.md", () => {
  it("names every option, and none that there is not", async () => {
    const readme = await readFile(new URL("../README.md", import.meta.url), "utf8");
    expect(new Set(readme.match(/(?<=[ `])--[a-z]+/g))).toEqual(new Set(help.match(/--[a-z]+/g)));
  });
});

describe("the command line", () => {
  it.each([
    ["an unknown option", ["--bad"], "--bad"],
    ["a scene that is none", ["--scene", "6"], "--scene"],
    ["a word", ["core"], "core"],
  ])("with %s is refused in one line with exit code 2", async (_, args, named) => {
    const { code, stdout, stderr } = await new Tour(args).finished();
    expect(stderr).toMatch(/^tour: [^\n]+ \(try --help\)\n$/);
    expect(stderr).toContain(named);
    expect(stdout).toBe("");
    expect(code).toBe(2);
  });

  it("with --help explains itself, and nothing else", async () => {
    const { code, stdout, stderr } = await new Tour(["--", "--help"]).finished();
    expect(stdout).toMatch(/^Usage: tour /);
    expect(stderr).toBe("");
    expect(code).toBe(0);
  });

  it("with --list names the scenes", async () => {
    const { code, stdout, stderr } = await new Tour(["--list"]).finished();
    expect(stdout.match(/^\d {2}\w+/gm)).toEqual([
      "1  core",
      "2  taskgroup",
      "3  supervisor",
      "4  persistent",
      "5  guarded",
    ]);
    expect(stderr).toBe("");
    expect(code).toBe(0);
  });
});
