import { chmod, mkdir, rm, truncate, writeFile } from "node:fs/promises";
import path from "node:path";

import { temporaryDirectory } from "@scope/test-utils/node";
import { describe, expect, it } from "vitest";

import { Run, command, output, run, sha256sum } from "./program.ts";

/** Reading it fails, for root too. */
const unreadable = "/proc/self/mem";

async function smallTree(): Promise<string> {
  const cwd = await temporaryDirectory();
  await mkdir(path.join(cwd, "tree/locked"), { recursive: true });
  for (const name of ["a", "locked/b", "secret", "z"]) await writeFile(path.join(cwd, "tree", name), name);
  return cwd;
}

describe("a file that cannot be read", () => {
  it("ends the program, which names it and exits with 1", async () => {
    const cwd = await smallTree();

    const { code, stderr } = await run([unreadable, "tree"], { cwd });

    const [failure, closing, ...rest] = stderr.split("\n");
    expect(failure).toBe(`checksum: ${unreadable}: i/o error`);
    expect(closing).toMatch(/^checksum: stopped: \d files?, .* seconds, 1 failure$/);
    expect(rest).toEqual([""]);
    expect(code).toBe(1);
  });

  it("is told at the end with --keep-going, after all others have been hashed", async () => {
    const cwd = await smallTree();

    const { code, stdout, stderr } = await run(["--keep-going", unreadable, "missing", "tree"], { cwd });

    expect(stdout).toBe(sha256sum(cwd, "tree"));
    const lines = stderr.split("\n");
    expect(lines.slice(0, 2).sort()).toEqual([
      `checksum: ${unreadable}: i/o error`,
      "checksum: missing: no such file or directory",
    ]);
    expect(lines[2]).toMatch(/^checksum: 4 files, 16 bytes \(16 B\), .* seconds, 2 failures$/);
    expect(code).toBe(1);
  });

  it("may be one without permission, and so may a directory", async () => {
    const cwd = await smallTree();
    await chmod(path.join(cwd, "tree/secret"), 0o000);
    await chmod(path.join(cwd, "tree/locked"), 0o000);

    const { code, stdout, stderr } = await run(["-k", "tree"], { cwd, unprivileged: true });

    expect(stdout).toBe(sha256sum(cwd, "tree/a", "tree/z"));
    expect(stderr.split("\n").slice(0, 2).sort()).toEqual([
      "checksum: tree/locked: permission denied",
      "checksum: tree/secret: permission denied",
    ]);
    expect(code).toBe(1);
  });

  it.each([
    ["", false],
    [", which leaves the others with --keep-going", true],
  ])("may be one that vanishes after it was listed%s", async (_, keepGoing) => {
    const cwd = await smallTree();
    // One file at a time: the first one holds up the others until it shrinks.
    const first = path.join(cwd, "tree/a");
    await truncate(first, 2 ** 42);
    const program = new Run(["tree", "--concurrency=1", ...(keepGoing ? ["--keep-going"] : [])], { cwd });
    const finished = program.finished();
    await program.isReading(first);
    await rm(path.join(cwd, "tree/secret"));
    await truncate(first, 0);

    const { code, stdout, stderr } = await finished;

    expect(stderr.split("\n")[0]).toBe("checksum: tree/secret: no such file or directory");
    expect(stderr).toMatch(keepGoing ? /3 files, .*, 1 failure\n$/ : /stopped: .*, 1 failure\n$/);
    if (keepGoing)
      expect(stdout.split("\n").slice(1, 3).join("\n")).toBe(
        sha256sum(cwd, "tree/locked/b", "tree/z").trimEnd(),
      );
    expect(code).toBe(1);
  });

  it.each([
    ["a FIFO", "fifo", "fifo: not a regular file or directory"],
    ["a circle of links", "circle", "circle: too many symbolic links encountered"],
    ["an awkward name", "a\nb\x1b[1m\\", "a\\nb\\x1b[1m\\\\: no such file or directory"],
  ])("may be %s on the command line", async (_, argument, message) => {
    const cwd = await temporaryDirectory();
    output(cwd, "mkfifo fifo; ln -s circle circle");

    const { code, stdout, stderr } = await run([argument], { cwd });

    expect(stderr.split("\n")[0]).toBe(`checksum: ${message}`);
    expect(stdout).toBe("");
    expect(code).toBe(1);
  });
});

describe("an output that cannot be written", () => {
  it.each([
    ["standard output", "tree > /dev/full"],
    ["/dev/full", "tree --output /dev/full"],
  ])("ends the program: %s", async (name, words) => {
    const cwd = await smallTree();
    const shell = ["bash", "-c", `exec "$0" "$@" ${words}`];

    const { code, stderr } = await run([], { cwd, words: [...shell, ...command()] });

    expect(stderr).toContain(`checksum: ${name}: no space left on device\n`);
    expect(code).toBe(1);
  });
});
