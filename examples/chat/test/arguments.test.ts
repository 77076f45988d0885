import { expectUsageError } from "@scope/test-utils/node";
import { describe, expect, it } from "vitest";

import { parseArguments } from "../src/arguments.ts";
import { Run } from "./program.ts";

describe(parseArguments, () => {
  it("means the demonstration when there is nothing", () => {
    expect(parseArguments([])).toBe("demo");
  });

  it("has a default for everything else once there is something", () => {
    expect(parseArguments(["--port", "8081"])).toEqual({
      host: "127.0.0.1",
      port: 8081,
      announceEvery: 10_000,
      drainTimeout: 10_000,
      bugs: false,
    });
  });

  it("takes every option", () => {
    const argv = ["--port=0", "--host=::1", "--announce-every=.5", "--drain-timeout", "2m", "--bugs"];
    expect(parseArguments(argv)).toEqual({
      host: "::1",
      port: 0,
      announceEvery: 500,
      drainTimeout: 120_000,
      bugs: true,
    });
  });

  it.each([
    [["--bad"], "Unknown option '--bad'"],
    [["8080"], "Unexpected argument '8080'"],
    [["--port"], "Option '--port <value>' argument missing"],
    [["--host="], "--host needs a name or an address"],
    ...["-1", "65536", "http", "", "80.5"].map((text) => [
      [`--port=${text}`],
      `--port: expected a whole number from 0 to 65535, got "${text}"`,
    ]),
    ...["0", "-1", "soon", "", "1d"].map((text) => [
      [`--drain-timeout=${text}`],
      `--drain-timeout: expected a time such as 30, 30s or 500ms, got "${text}"`,
    ]),
  ] as [string[], string][])("refuses %j in one line", (argv, message) =>
    expectUsageError(() => parseArguments(argv), message),
  );
});

describe("the command line", () => {
  it("with a bad argument is refused in one line with exit code 2", async () => {
    const run = new Run(["--port", "many"]);

    expect(await run.ended()).toBe(2);
    expect(run.stderr).toMatch(/^chat: --port: [^\n]+ \(try --help\)\n$/);
    expect(run.stdout).toBe("");
  });

  it("with --help explains itself, and nothing else", async () => {
    const run = new Run(["--", "--help", "--port", "0"]);

    expect(await run.ended()).toBe(0);
    expect(run.stdout).toMatch(/^Usage: chat /);
    for (const option of ["port", "host", "announce-every", "drain-timeout", "bugs", "help"]) {
      expect(run.stdout).toContain(`--${option}`);
    }
    expect(run.stderr).toBe("");
  });
});
