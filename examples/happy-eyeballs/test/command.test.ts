import { writeFile } from "node:fs/promises";
import path from "node:path";

import { eventually, temporaryDirectory } from "@scope/test-utils/node";
import { describe, expect, it, onTestFinished } from "vitest";

import { Loopback, type Manner, handshake, hasIPv6, ipv6Loopback, silent } from "../src/loopback.ts";
import { certificate, key } from "./certificate.ts";
import { Run, run } from "./program.ts";

async function listen(manners: Record<string, Manner>): Promise<Loopback> {
  const loopback = await Loopback.open(manners);
  onTestFinished(() => loopback[Symbol.asyncDispose]());
  return loopback;
}

/** A port of 127.0.0.1 where nobody listens. */
async function unusedPort(): Promise<string> {
  await using loopback = await Loopback.open({ "127.0.0.1": silent });
  return String(loopback.port);
}

describe("happy-eyeballs without arguments", () => {
  it("draws a demonstration on the loopback interface, and has closed everything", async () => {
    const began = performance.now();
    const { code, stdout, stderr } = await run([]);

    const first = ipv6Loopback.replaceAll(".", "\\.");
    const lines = stdout.split("\n");
    expect(lines.filter((line) => / after \d+ ms$/.test(line))).toEqual([
      expect.stringMatching(new RegExp(`^${first} +-+\\|  closed after \\d+ ms$`)),
      expect.stringMatching(/^127\.0\.0\.2 +-*x +connection refused after \d+ ms$/),
      expect.stringMatching(/^127\.0\.0\.3 +-+\| +closed after \d+ ms$/),
      expect.stringMatching(/^127\.0\.0\.4 +-*\* +connected after \d+ ms$/),
    ]);
    expect(lines.slice(-2)).toEqual([
      "The servers have accepted 3 connections and seen all of them closed.",
      "",
    ]);
    expect(stdout.includes("no IPv6 here")).toBe(!hasIPv6);
    expect(stderr).toBe("");
    expect(code).toBe(0);
    expect(performance.now() - began).toBeLessThan(10_000);
  });

  it("can be timed out", async () => {
    const { code, stdout, stderr } = await run(["--timeout", "400ms"]);
    expect(stdout).toMatch(/^127\.0\.0\.4 +not tried$/m);
    expect(stderr).toMatch(
      /^(happy-eyeballs: (127\.0\.0\.2: connection refused|[\d.:]+: no answer)\n)+happy-eyeballs: timed out\n$/,
    );
    expect(code).toBe(124);
  });
});

describe("happy-eyeballs HOST PORT", () => {
  it.each(["127.0.0.1", ipv6Loopback, "localhost"])("connects to %s and closes again", async (host) => {
    const loopback = await listen({ "127.0.0.1": silent, [ipv6Loopback]: silent });

    const { code, stdout, stderr } = await run([host, String(loopback.port)]);

    expect(stdout).toMatch(/\*  +connected after \d+ ms\n/);
    expect(stdout).toMatch(new RegExp(`\nconnected to (127\\.[\\d.]+|\\[::1\\]):${loopback.port}\n$`));
    expect(stderr).toBe("");
    expect(code).toBe(0);
    await loopback.allClosed();
    expect(loopback.accepted()).toBeGreaterThan(0);
  });

  it("names each address and its error, and exits with 1", async () => {
    const port = await unusedPort();

    const { code, stdout, stderr } = await run(["127.0.0.1", port]);

    expect(stdout).toMatch(/^127\.0\.0\.1 +-*x +connection refused after \d+ ms$/m);
    expect(stderr).toBe(`happy-eyeballs: 127.0.0.1:${port}: connection refused\n`);
    expect(code).toBe(1);
  });

  it("does a TLS handshake with --tls", async () => {
    const directory = await temporaryDirectory();
    const authority = path.join(directory, "ca.pem");
    await writeFile(authority, certificate);
    const loopback = await listen({ "127.0.0.1": handshake({ key, cert: certificate }) });
    const args = ["127.0.0.1", String(loopback.port), "--tls"];

    const [trusting, distrusting] = await Promise.all([
      run(args, { NODE_EXTRA_CA_CERTS: authority }),
      run(args, { NODE_EXTRA_CA_CERTS: "" }),
    ]);

    expect(trusting).toMatchObject({ code: 0, stderr: "" });
    expect(distrusting).toMatchObject({
      code: 1,
      stderr: `happy-eyeballs: 127.0.0.1:${loopback.port}: self-signed certificate\n`,
    });
    await loopback.allClosed();
  });

  it("gives up after --timeout with 124 and leaves no socket", async () => {
    const loopback = await listen({ "127.0.0.1": silent });

    const { code, stdout, stderr } = await run([
      "127.0.0.1",
      String(loopback.port),
      "--tls",
      "--timeout=0.2",
    ]);

    expect(stdout).toMatch(/^127\.0\.0\.1 +-+\| {2}closed after \d+ ms$/m);
    expect(stderr).toBe("happy-eyeballs: 127.0.0.1: no answer\nhappy-eyeballs: timed out\n");
    expect(code).toBe(124);
    await loopback.allClosed();
    expect(loopback.accepted()).toBe(1);
  });

  it.each([
    ["SIGHUP", 129],
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("ends with the right code at %s and leaves no socket", async (signal, exitCode) => {
    const loopback = await listen({ "127.0.0.1": silent });
    const program = new Run(["127.0.0.1", String(loopback.port), "--tls"]);
    const finished = program.finished();
    await eventually(() => expect(loopback.open()).toBe(1));

    program.kill(signal);

    const { code, stdout, stderr } = await finished;
    expect(stdout).toMatch(/^127\.0\.0\.1 +-+\| {2}closed after \d+ ms$/m);
    expect(stderr).toBe(`happy-eyeballs: stopped by ${signal}\n`);
    expect(code).toBe(exitCode);
    await loopback.allClosed();
  });

  it("does not mind a reader that goes away", async () => {
    const program = new Run([]);
    program.process.stdout!.destroy();
    expect(await program.finished()).toMatchObject({ code: 0, stderr: "" });
  });
});

describe("the command line", () => {
  it.each([
    ["an unknown option", ["--bad"]],
    ["a host without a port", ["localhost"]],
    ["a port that is none", ["localhost", "http"]],
    ["a time that is none", ["--timeout", "soon"]],
  ])("with %s is refused in one line with exit code 2", async (_, args) => {
    const { code, stdout, stderr } = await run(args);
    expect(stderr).toMatch(/^happy-eyeballs: [^\n]+ \(try --help\)\n$/);
    expect(stdout).toBe("");
    expect(code).toBe(2);
  });

  it("with --help explains itself, and nothing else", async () => {
    const { code, stdout, stderr } = await run(["--", "--help"]);
    expect(stdout).toMatch(/^Usage: happy-eyeballs /);
    expect(stderr).toBe("");
    expect(code).toBe(0);
  });
});
