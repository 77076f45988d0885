import { expectUsageError } from "@scope/test-utils/node";
import { describe, expect, it } from "vitest";

import { help, parseArguments } from "../src/arguments.ts";
import { Run, makeTargets } from "./program.ts";

describe(parseArguments, () => {
  it("means the demonstration without a file, at any port that is free", () => {
    expect(parseArguments([])).toEqual({
      targets: undefined,
      database: undefined,
      host: "127.0.0.1",
      port: 0,
      duration: Infinity,
      stopTimeout: 5_000,
      verbose: false,
    });
  });

  it("has a port and a file for the history of real targets", () => {
    expect(parseArguments(["targets.yaml"])).toMatchObject({
      targets: "targets.yaml",
      port: 8080,
      database: "monitor.db",
    });
  });

  it("takes every option, before and behind the file", () => {
    const argv = ["--data=h.db", "--port", "0", "t.yaml", "--host=::", "--duration", "10"];
    expect(parseArguments([...argv, "--stop-timeout=1.5m", "--verbose"])).toEqual({
      targets: "t.yaml",
      database: "h.db",
      host: "::",
      port: 0,
      duration: 10_000,
      stopTimeout: 90_000,
      verbose: true,
    });
  });

  it.each([
    [[], { DATABASE_URL: "postgres://h/d" }, "postgres://h/d"],
    [["t.yaml"], { DATABASE_URL: "postgresql://h/d" }, "postgresql://h/d"],
    [["t.yaml"], { DATABASE_URL: "" }, "monitor.db"],
    [["--data", "f.db"], { DATABASE_URL: "postgres://h/d" }, "f.db"],
  ] as [string[], Record<string, string>, string][])(
    "%j with %j keeps the history in %s",
    (argv, env, place) => {
      expect(parseArguments(argv, env)).toMatchObject({ database: place });
    },
  );

  it("prefers the help to anything else", () => {
    expect(parseArguments(["one", "two", "-h"])).toBe("help");
  });

  it.each([
    [["--bad"], "Unknown option '--bad'"],
    [["a.yaml", "b.yaml"], 'too many arguments: "b.yaml"'],
    [[""], "TARGETS needs a name"],
    [["--data="], "--data needs a name"],
    [["--host="], "--host needs a name"],
    [["--port"], "Option '--port <value>' argument missing"],
    ...["-1", "65536", "http", "", "80.5"].map((text) => [
      [`--port=${text}`],
      `--port: expected a whole number from 0 to 65535, got "${text}"`,
    ]),
    ...["0", "-1", "soon", ""].flatMap((text) =>
      ["--duration", "--stop-timeout"].map((option) => [
        [`${option}=${text}`],
        `${option}: expected a time such as 30, 30s or 500ms, got "${text}"`,
      ]),
    ),
  ] as [string[], string][])("refuses %j in one line", (argv, message) =>
    expectUsageError(() => parseArguments(argv), message),
  );

  it("refuses a DATABASE_URL of something else", () => {
    expect(() => parseArguments([], { DATABASE_URL: "mysql://h/d" })).toThrow(
      "DATABASE_URL: expected postgres://… or postgresql://…",
    );
  });
});

describe("the command line", () => {
  it("with bad arguments is refused with exit code 2", async () => {
    const run = new Run(["--port", "many"]);

    expect(await run.ended()).toBe(2);
    expect(run.stderr).toMatch(/^monitor: --port: [^\n]+\nmonitor: try --help\n$/);
    expect(run.stdout).toBe("");
  });

  it("with a bad file is refused with a message per bad line, and exit code 2", async () => {
    const file = await makeTargets("every: soon\ntargets:\n  - tcp: nowhere\n");
    const run = new Run([file]);

    expect(await run.ended()).toBe(2);
    expect(run.stderr.split("\n")).toEqual([
      `monitor: ${file}:1: every: expected a time such as 10s or 500ms, got "soon"`,
      `monitor: ${file}:3: targets[0].tcp: expected HOST:PORT, got "nowhere"`,
      "monitor: try --help",
      "",
    ]);
    expect(run.stdout).toBe("");
  });

  it("with a file that is not there is refused with exit code 2", async () => {
    const run = new Run(["none.yaml"]);

    expect(await run.ended()).toBe(2);
    expect(run.stderr).toMatch(/^monitor: cannot read none.yaml: ENOENT/);
  });

  it("with --help explains itself, and nothing else", async () => {
    const run = new Run(["--", "--help", "--port", "many"]);

    expect(await run.ended()).toBe(0);
    expect(run.stdout).toBe(help);
    for (const option of ["data", "port", "host", "duration", "stop-timeout", "verbose", "help"]) {
      expect(help).toContain(`--${option}`);
    }
    expect(run.stderr).toBe("");
  });
});
