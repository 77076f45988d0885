import { expectUsageError } from "@scope/test-utils/node";
import { describe, expect, it } from "vitest";

import { parseArguments } from "../src/arguments.ts";
import { Run } from "./program.ts";

const url = "https://example.org/hook";
const server = "postgresql://localhost/shop";

describe(parseArguments, () => {
  it("means a demonstration in memory when there is nothing, also where there is a DATABASE_URL", () => {
    expect(parseArguments([], { DATABASE_URL: server })).toEqual({
      webhook: undefined,
      database: "memory",
      orders: 40,
      chaos: undefined,
      concurrency: 8,
      poll: 100,
      timeout: 1_000,
      attempts: 4,
      retryInitial: 100,
      retryMax: 2_000,
      lease: 3_000,
      drain: 10_000,
    });
  });

  it("means to go on until a signal, less hastily, when there is a webhook", () => {
    expect(parseArguments(["--webhook", url], { DATABASE_URL: server })).toEqual({
      webhook: url,
      database: { url: server },
      orders: undefined,
      chaos: undefined,
      concurrency: 8,
      poll: 500,
      timeout: 10_000,
      attempts: 30,
      retryInitial: 1_000,
      retryMax: 3_600_000,
      lease: 30_000,
      drain: 10_000,
    });
  });

  it("takes every option", () => {
    const argv = [
      `--webhook=${url}`,
      "--data=rows",
      "--orders=3",
      "--chaos=poller",
      "--concurrency=2",
      "--poll=50ms",
      "--timeout=2m",
      "--attempts=7",
      "--retry-initial=.5",
      "--retry-max=2h",
      "--lease=1m",
      "--drain=3s",
    ];
    expect(parseArguments(argv, { DATABASE_URL: server })).toEqual({
      webhook: url,
      database: { directory: "rows" },
      orders: 3,
      chaos: "poller",
      concurrency: 2,
      poll: 50,
      timeout: 120_000,
      attempts: 7,
      retryInitial: 500,
      retryMax: 7_200_000,
      lease: 60_000,
      drain: 3_000,
    });
  });

  it("has the bug in the dispatcher unless told where", () => {
    expect(parseArguments(["--chaos", "--orders=1"], {})).toMatchObject({ chaos: "dispatcher", orders: 1 });
  });

  it.each([
    [["--bad"], "Unknown option '--bad'"],
    [["--chaos", "poller"], "Unexpected argument 'poller'"],
    [["--webhook"], "Option '--webhook <value>' argument missing"],
    [["--webhook=shop"], '--webhook: expected a URL with http: or https:, got "shop"'],
    [["--webhook=ftp://shop"], '--webhook: expected a URL with http: or https:, got "ftp://shop"'],
    [[`--webhook=${url}`], "--webhook: where are the rows? Set DATABASE_URL, or give --data"],
    [["--data="], "--data needs a directory"],
    [["--chaos=monkey"], '--chaos: expected poller, dispatcher, heartbeat, got "monkey"'],
    [["--retry-initial=2s", "--retry-max=1s"], "--retry-max: expected at least --retry-initial"],
    ...["0", "-1", "1.5", "many", ""].flatMap((text) =>
      ["--orders", "--concurrency", "--attempts"].map((option) => [
        [`${option}=${text}`],
        `${option}: expected a whole number from 1, got "${text}"`,
      ]),
    ),
    ...["0", "-1", "soon", "", "1d"].map((text) => [
      [`--lease=${text}`],
      `--lease: expected a time such as 30, 30s or 500ms, got "${text}"`,
    ]),
  ] as [string[], string][])("refuses %j in one line", (argv, message) =>
    expectUsageError(() => parseArguments(argv, {}), message),
  );

  it("refuses a DATABASE_URL that is none", () => {
    expect(() => parseArguments([`--webhook=${url}`], { DATABASE_URL: "mysql://shop" })).toThrow(
      'DATABASE_URL: expected a URL with postgres: or postgresql:, got "mysql://shop"',
    );
  });
});

describe("the command line", () => {
  it.each([
    ["an option that is none", ["--nonsense"]],
    ["a webhook that is none", ["--webhook", "nowhere"]],
    ["nowhere to take the rows from", ["--webhook", url]],
    ["a time that is none", ["--lease", "soon"]],
  ])("with %s is refused in one line with exit code 2", async (_, args) => {
    const run = new Run(args);

    expect(await run.ended()).toBe(2);
    expect(run.stderr).toMatch(/^outbox: [^\n]+ \(try --help\)\n$/);
    expect(run.stdout).toBe("");
  });

  it("with --help explains itself, and nothing else", async () => {
    const run = new Run(["--", "--help", "--attempts", "3"]);

    expect(await run.ended()).toBe(0);
    expect(run.stdout).toMatch(/^Usage: outbox /);
    for (const option of [
      "webhook",
      "data",
      "orders",
      "concurrency",
      "poll",
      "timeout",
      "attempts",
      "chaos",
    ]) {
      expect(run.stdout).toContain(`--${option}`);
    }
    expect(run.stderr).toBe("");
  });
});
