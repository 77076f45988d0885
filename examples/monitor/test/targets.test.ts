import { describe, expect, it } from "vitest";

import { parseTargets } from "../src/targets.ts";

const parse = (text: string) => parseTargets(text, "t.yaml");

/** What it says of a bad file. */
function messagesOf(text: string): readonly string[] {
  try {
    parse(text);
  } catch (error) {
    expect(error).toMatchObject({ name: "UsageError" });
    return (error as { messages: readonly string[] }).messages;
  }
  throw new Error("it was to be refused");
}

describe(parseTargets, () => {
  it("understands every kind of target, and has a default for what is not said", () => {
    const { targets, ...rest } = parse(`
      targets:
        - http: https://example.org/a
        - tcp: localhost:5432
        - tcp: "[::1]:80"
        - cpu: 90%
        - memory: 85.5
        - disk: /home
    `);

    const times = { every: 30_000, timeout: 10_000 };
    expect(targets).toEqual([
      { ...times, kind: "http", name: "example.org", url: "https://example.org/a", status: undefined },
      { ...times, kind: "tcp", name: "localhost:5432", host: "localhost", port: 5432 },
      { ...times, kind: "tcp", name: "::1:80", host: "::1", port: 80 },
      { ...times, kind: "cpu", name: "CPU", max: 90 },
      { ...times, kind: "memory", name: "memory", max: 85.5 },
      { ...times, kind: "disk", name: "disk /home", path: "/home", max: 90 },
    ]);
    expect(rest).toEqual({ backoff: { initial: 1_000, max: 60_000 }, keep: 30 * 86_400_000 });
  });

  it("understands every setting", () => {
    expect(
      parse(`
        every: 1m
        timeout: 5
        keep: 7d
        backoff: { initial: 500ms, max: 2m }
        targets:
          - { http: "http://a/", name: page, status: 301, every: 10s, timeout: .5 }
          - { http: "http://b/", status: [200, 404] }
          - { disk: /, max: 95% }
      `),
    ).toEqual({
      keep: 7 * 86_400_000,
      backoff: { initial: 500, max: 120_000 },
      targets: [
        { kind: "http", name: "page", url: "http://a/", status: [301], every: 10_000, timeout: 500 },
        { kind: "http", name: "b", url: "http://b/", status: [200, 404], every: 60_000, timeout: 5_000 },
        { kind: "disk", name: "disk /", path: "/", max: 95, every: 60_000, timeout: 5_000 },
      ],
    });
  });

  it("has a message for each bad line, in the order of the lines", () => {
    const text = [
      "every: soon",
      "timout: 3s",
      "backoff:",
      "  initial: 1s",
      "  max: -1",
      "targets:",
      "  - http: ftp://x",
      "    status: [200, abc]",
      "  - tcp: host",
      '    name: ""',
      "  - cpu: 90%",
      "    memory: 101%",
      "  - cpu: 150%",
      "    color: red",
      "  - disk: /",
      "    max: [1]",
      "    every:",
      "  - nothing",
      "  - http: http://x",
      "    status: []",
    ].join("\n");

    expect(messagesOf(text)).toEqual([
      't.yaml:1: every: expected a time such as 10s or 500ms, got "soon"',
      't.yaml:2: unknown key "timout"',
      "t.yaml:5: backoff.max: expected a time such as 10s or 500ms, got -1",
      't.yaml:7: targets[0].http: expected an address such as https://example.org/, got "ftp://x"',
      't.yaml:8: targets[0].status[1]: expected a status such as 200, got "abc"',
      't.yaml:9: targets[1].tcp: expected HOST:PORT, got "host"',
      't.yaml:10: targets[1].name: expected a text, got ""',
      "t.yaml:11: targets[2]: expected one of http, tcp, cpu, memory, disk, got cpu and memory",
      't.yaml:13: targets[3].cpu: expected a percentage such as 90%, got "150%"',
      't.yaml:14: targets[3]: unknown key "color"',
      "t.yaml:16: targets[4].max: expected a percentage such as 90%, got [1]",
      "t.yaml:17: targets[4].every: expected a time such as 10s or 500ms, got null",
      "t.yaml:18: targets[5]: expected one of http, tcp, cpu, memory, disk, got none",
      "t.yaml:20: targets[6].status: expected at least one status",
    ]);
  });

  it("wants names that differ", () => {
    const text = "targets:\n  - tcp: a:1\n    name: db\n  - cpu: 90\n  - tcp: a:2\n    name: db\n";

    expect(messagesOf(text)).toEqual([
      't.yaml:5: targets[2]: there is a target "db" already: give this one another name',
    ]);
  });

  it.each([
    ["", "1: expected keys and values, got null"],
    ["- a", '1: expected keys and values, got ["a"]'],
    ["every: 1s", "1: targets: expected a list of what to watch"],
    ["every: 1s\ntargets: all", "2: targets: expected a list of what to watch"],
    ["\ntargets: []", "2: targets: expected at least one thing to watch"],
    ["targets:\n  - cpu: 90\nbackoff: 5s", '3: backoff: expected keys and values, got "5s"'],
    ["targets:\n  - tcp: a:0", '2: targets[0].tcp: expected HOST:PORT, got "a:0"'],
    ["targets:\n  - tcp: a:65536", '2: targets[0].tcp: expected HOST:PORT, got "a:65536"'],
    ["targets:\n  - cpu: 0", "2: targets[0].cpu: expected a percentage such as 90%, got 0"],
    ["a: 1\na: 2", "2: Map keys must be unique"],
    ["targets:\n  - cpu: [\n", "3: Flow sequence in block collection must be sufficiently indented"],
    ["\nevery: *x", "2: nothing is named &x"],
  ])("refuses %j in one line", (text, message) => {
    const messages = messagesOf(text);

    expect(messages[0]!.slice(0, `t.yaml:${message}`.length)).toBe(`t.yaml:${message}`);
    expect(messages[0]).not.toContain("\n");
  });
});
