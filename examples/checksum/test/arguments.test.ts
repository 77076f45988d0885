import { expectUsageError, temporaryDirectory } from "@scope/test-utils/node";
import { describe, expect, it } from "vitest";

import { parseArguments } from "../src/arguments.ts";
import { run } from "./program.ts";

describe("parseArguments", () => {
  it("has a default for everything", () => {
    expect(parseArguments([])).toEqual({
      paths: [],
      algorithm: "sha256",
      concurrency: 16,
      timeout: Infinity,
      output: undefined,
      keepGoing: false,
    });
  });

  it("takes long and short options, before, between and behind the paths", () => {
    const expected = {
      paths: ["a", "-b", "--c"],
      algorithm: "md5",
      concurrency: 3,
      timeout: 2000,
      output: "f",
      keepGoing: true,
    };
    const long = [
      "--algorithm=md5",
      "a",
      "--concurrency",
      "3",
      "--keep-going",
      "--output",
      "f",
      "--timeout=2",
    ];
    expect(parseArguments([...long, "--", "-b", "--c"])).toEqual(expected);
    expect(parseArguments(["-kamd5", "a", "-j3", "-o", "f", "--timeout", "2s", "--", "-b", "--c"])).toEqual(
      expected,
    );
  });

  it.each([
    ["30", 30_000],
    ["30s", 30_000],
    ["1.5", 1_500],
    [".5", 500],
    ["500ms", 500],
    ["2m", 120_000],
    ["1h", 3_600_000],
    ["1000000h", 3_600_000_000_000],
    ["0", Infinity],
    ["0ms", Infinity],
  ])("understands --timeout %s", (text, timeout) => {
    expect(parseArguments(["--timeout", text])).toMatchObject({ timeout });
  });

  it("takes - as the name of standard output", () => {
    expect(parseArguments(["--output", "-"])).toMatchObject({ output: undefined });
  });

  it.each([
    [["--bad"], "Unknown option '--bad'"],
    [["-x"], "Unknown option '-x'"],
    [["--output"], "Option '-o, --output <value>' argument missing"],
    [["--output="], "--output needs the name of a file"],
    [["--keep-going=yes"], "Option '-k, --keep-going' does not take an argument"],
    [["--algorithm", "sha0"], '--algorithm: unknown algorithm "sha0" (there are md5, sha1, sha256, sha512, '],
    [["--algorithm", "a\nb"], '--algorithm: unknown algorithm "a\\nb" '],
    ...["0", "-1", "1.5", "many", "", "1e3", "99999999999999999999"].map((text) => [
      [`--concurrency=${text}`],
      `--concurrency: expected a whole number from 1 up, got "${text}"`,
    ]),
    ...["", "soon", "-1", "1d", "1 s", "s", "1.", "1,5", "Infinity", "1ms2", "3constructor"].map((text) => [
      [`--timeout=${text}`],
      `--timeout: expected a time such as 30, 30s, 500ms, 2m or 1h, got "${text}"`,
    ]),
  ] as [string[], string][])("refuses %j in one line", (argv, message) =>
    expectUsageError(() => parseArguments(argv), message),
  );
});

describe("the command line", () => {
  it.each([
    ["an unknown option", ["--bad"]],
    ["a number for a name", ["--timeout", "-5"]],
    ["an output that is a directory", [".", "--output", "."]],
    ["an output in a directory that does not exist", [".", "--output", "no/such/file"]],
  ])("with %s is refused in one line with exit code 2", async (_, args) => {
    const cwd = await temporaryDirectory();

    const { code, stdout, stderr } = await run(args, { cwd });

    expect(stderr).toMatch(/^checksum: [^\n]+ \(try --help\)\n$/);
    expect(stdout).toBe("");
    expect(code).toBe(2);
  });

  it("with --help explains itself, and nothing else", async () => {
    const cwd = await temporaryDirectory();

    const { code, stdout, stderr } = await run(["--", "--help", "--output", "file"], { cwd });

    expect(stdout).toMatch(/^Usage: checksum /);
    for (const option of ["algorithm", "concurrency", "output", "keep-going", "timeout", "help"]) {
      expect(stdout).toContain(`--${option}`);
    }
    expect(stderr).toBe("");
    expect(code).toBe(0);
  });
});
