import { mkdir, readFile, readdir, truncate, writeFile } from "node:fs/promises";
import path from "node:path";

import { temporaryDirectory } from "@scope/test-utils/node";
import { describe, expect, it } from "vitest";

import { Run, command, output } from "./program.ts";

/** A directory with a small file, and behind it one that takes hours. */
async function endlessTree(): Promise<{ cwd: string; endless: string }> {
  const cwd = await temporaryDirectory();
  const endless = path.join(cwd, "tree/endless");
  await mkdir(path.join(cwd, "tree"));
  await writeFile(path.join(cwd, "tree/begin"), "content");
  await writeFile(endless, "");
  await truncate(endless, 2 ** 42);
  return { cwd, endless };
}

/** A few files with lines so long that a pipe does not take them all. */
async function wideTree(): Promise<string> {
  const cwd = await temporaryDirectory();
  const directory = `tree${`/${"x".repeat(250)}`.repeat(14)}`;
  output(cwd, `mkdir -p ${directory}; cd ${directory}; touch {1..200}`);
  return cwd;
}

describe("a signal", () => {
  it.each([
    ["SIGHUP", 129],
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("%s in the middle of a file ends the program with %i", async (signal, exitCode) => {
    const { cwd, endless } = await endlessTree();
    const program = new Run(["tree"], { cwd });
    const finished = program.finished();
    await program.isReading(endless);

    program.kill(signal);

    const { code, stderr } = await finished;
    expect(stderr).toMatch(new RegExp(`^checksum: stopped by ${signal}: \\d files?, .* seconds\\n$`));
    expect(code).toBe(exitCode);
  });

  it("leaves neither a half-written output nor a temporary file, and the previous output as it was", async () => {
    const { cwd, endless } = await endlessTree();
    await writeFile(path.join(cwd, "sums"), "previous");
    const program = new Run(["tree", "--output", "sums"], { cwd });
    const finished = program.finished();
    await program.isReading(endless);
    expect(await readdir(cwd)).toHaveLength(3);

    program.kill("SIGINT");

    expect((await finished).code).toBe(130);
    expect((await readdir(cwd)).sort()).toEqual(["sums", "tree"]);
    expect(await readFile(path.join(cwd, "sums"), "utf8")).toBe("previous");
  });

  it("that comes again changes nothing", async () => {
    const { cwd, endless } = await endlessTree();
    const program = new Run(["tree", "--output", "sums"], { cwd });
    const finished = program.finished();
    await program.isReading(endless);

    program.kill("SIGINT");
    program.kill("SIGINT");
    program.kill("SIGTERM");

    const { code } = await finished;
    expect([130, 143]).toContain(code);
    expect(await readdir(cwd)).toEqual(["tree"]);
  });

  it("is heard while nobody reads the output", async () => {
    const cwd = await wideTree();
    const program = new Run(["tree"], { cwd });
    await program.stalled();

    program.kill("SIGINT");

    expect(await program.exited()).toBe(130);
  });
});

describe("--timeout", () => {
  it("ends the program with 124 and leaves no output", async () => {
    const { cwd } = await endlessTree();

    const { code, stdout, stderr } = await new Run(["tree", "-o", "sums", "--timeout", "50ms"], {
      cwd,
    }).finished();

    expect(stdout).toBe("");
    expect(stderr).toMatch(/^checksum: timed out: \d files?, .* seconds\n$/);
    expect(await readdir(cwd)).toEqual(["tree"]);
    expect(code).toBe(124);
  });

  it("tells the failures so far as well", async () => {
    const { cwd } = await endlessTree();

    const { code, stderr } = await new Run(["-k", "missing", "tree", "--timeout", "0.5"], { cwd }).finished();

    expect(stderr).toMatch(
      /^checksum: missing: no such file or directory\nchecksum: timed out: .*, 1 failure\n$/,
    );
    expect(code).toBe(124);
  });

  it("that is long enough changes nothing", async () => {
    const cwd = await temporaryDirectory();

    const { code } = await new Run([".", "--timeout", "1000h"], { cwd }).finished();

    expect(code).toBe(0);
  });
});

describe("a reader that goes away", () => {
  it("ends the program as SIGPIPE would, without a word", async () => {
    const cwd = await wideTree();
    const program = new Run(["tree"], { cwd });
    await program.stalled();

    program.process.stdout!.destroy();

    expect(await program.exited()).toBe(141);
    expect(program.stderr).toBe("");
  });

  it("does not disturb the help", async () => {
    const cwd = await temporaryDirectory();
    const program = command(["--help"]).join(" ");
    expect(output(cwd, `(${program}; echo $? >&2) 2>&1 >/dev/null | cat`)).toBe("0\n");
  });
});

describe("on a terminal", () => {
  const inTerminal = (args: string[]) => ["script", "-qec", command(args).join(" "), "/dev/null"];

  it("shows a bar, and the lines above it", async () => {
    const cwd = await temporaryDirectory();
    await writeFile(path.join(cwd, "file"), "content");

    const { code, stdout } = await new Run([], { cwd, words: inTerminal(["."]) }).finished();

    expect(Buffer.from(stdout, "latin1").toString()).toMatch(/░ 0% \| 0 files, 0 B/);
    expect(Buffer.from(stdout, "latin1").toString()).toMatch(/█ 100% \| 1\/1 files, 7 B/);
    expect(stdout).toContain(`${output(cwd, "sha256sum ./file").trimEnd()}\r\n`);
    expect(stdout).toMatch(/checksum: 1 file, 7 bytes \(7 B\), \d+\.\d\d seconds\r\n$/);
    expect(code).toBe(0);
  });

  it("is stopped by Ctrl-C, and removes the bar first", async () => {
    const { cwd } = await endlessTree();
    const words = inTerminal(["tree", "--output", "sums"]);
    const program = new Run([], { cwd, words, stdin: "pipe" });
    const finished = program.finished();
    const pressWhenSeen = (text: string) => {
      if (!text.includes("1/2 files")) return;
      program.process.stdout!.off("data", pressWhenSeen);
      program.process.stdin!.write("\x03");
    };
    program.process.stdout!.on("data", pressWhenSeen);

    const { code, stdout } = await finished;

    // Back to the first column, the line cleared.
    // eslint-disable-next-line no-control-regex -- that is what it is about
    expect(stdout).toMatch(/\x1b\[1G\x1b\[2Kchecksum: stopped by SIGINT: 1 file, \d+ bytes .* seconds\r\n$/);
    expect(await readdir(cwd)).toEqual(["tree"]);
    expect(code).toBe(130);
  });
});

describe("without a terminal", () => {
  it("shows no bar", async () => {
    const cwd = await temporaryDirectory();

    const { stderr } = await new Run(["."], { cwd }).finished();

    expect(stderr).toMatch(/^checksum: [ -~]*\n$/);
  });
});
