import { expectUsageError } from "@scope/test-utils/node";
import { describe, expect, it } from "vitest";

import { help, parseArguments } from "../src/arguments.ts";

describe(parseArguments, () => {
  it("means the demonstration without arguments", () => {
    expect(parseArguments([])).toEqual({ target: undefined, tls: false, timeout: 30_000 });
  });

  it("takes options before and behind the host and the port", () => {
    const target = { host: "example.org", port: 443 };
    const expected = { target, tls: true, timeout: 1_500 };
    expect(parseArguments(["example.org", "443", "--tls", "--timeout", "1.5"])).toEqual(expected);
    expect(parseArguments(["--timeout=1500ms", "--tls", "example.org", "443"])).toEqual(expected);
  });

  it.each([
    ["::1", "::1"],
    ["[::1]", "::1"],
    ["127.0.0.1", "127.0.0.1"],
    ["[name]", "[name]"],
  ])("takes %s for the host %s", (text, host) => {
    expect(parseArguments([text, "80"])).toMatchObject({ target: { host } });
  });

  it.each([
    ["30", 30_000],
    [".5", 500],
    ["500ms", 500],
    ["2m", 120_000],
    ["1h", 3_600_000],
    ["0", Infinity],
  ])("understands --timeout %s", (text, timeout) => {
    expect(parseArguments(["--timeout", text])).toMatchObject({ timeout });
  });

  it("prefers the help to anything else", () => {
    expect(parseArguments(["one", "two", "three", "-h"])).toBe("help");
    for (const option of ["--tls", "--timeout", "--help"]) expect(help).toContain(option);
  });

  it.each([
    [["--bad"], "Unknown option '--bad'"],
    [["--tls=yes"], "Option '--tls' does not take an argument"],
    [["--tls"], "--tls needs HOST and PORT"],
    [["host"], "PORT is missing"],
    [["", "80"], "HOST is empty"],
    [["host", "80", "a\nb"], 'too many arguments: "a\\nb"'],
    ...["0", "65536", "1.5", "http", "", "1e3"].map((text) => [
      ["host", text],
      `PORT: expected a whole number from 1 to 65535, got "${text}"`,
    ]),
    ...["", "soon", "-1", "1d", "Infinity"].map((text) => [
      [`--timeout=${text}`],
      `--timeout: expected a time such as 30, 30s, 500ms, 2m or 1h, got "${text}"`,
    ]),
  ] as [string[], string][])("refuses %j in one line", (argv, message) =>
    expectUsageError(() => parseArguments(argv), message),
  );
});
