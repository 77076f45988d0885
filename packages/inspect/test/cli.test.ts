import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";

import { type Program, eventually, expectUsageError, jsonLines } from "@scope/test-utils/node";
import { describe, expect, it } from "vitest";

import { parseArguments } from "../src/cli-arguments.ts";
import type { Snapshot } from "../src/types.ts";
import { type Stage, buildOnce, openStage } from "./processes.ts";

buildOnce();

/** util-linux has one that gives a program a terminal. */
const hasTerminal = /util-linux/.test(spawnSync("script", ["--version"]).stdout?.toString() ?? "");

/** `scope-inspect` on a terminal of 24 lines, and after it how the terminal is then. */
function onTerminal(stage: Stage, words: readonly string[]): Program {
  const command = stage.commandOf(words).map((word) => `'${word}'`);
  const script = `stty rows 24 cols 80; ${command.join(" ")}; echo "exit $?"; stty -a`;
  return stage.spawn(["script", "-qec", script, "/dev/null"], { stdin: "pipe", env: { TERM: "xterm" } });
}

const pidOf = (program: Program): string => String(program.process.pid);

describe(parseArguments, () => {
  it("knows every command", () => {
    const target = { pid: 4711, thread: 0 };
    expect(parseArguments(["ps", "--json"])).toEqual({ command: "ps", json: true });
    expect(parseArguments(["pstree", "4711"])).toEqual({
      command: "pstree",
      target,
      json: false,
      watch: false,
      interval: 1000,
      ids: false,
      ascii: false,
    });
    expect(
      parseArguments(["pstree", "4711.2", "--json", "--watch", "--interval=.2", "--ids", "--ascii"]),
    ).toEqual({
      command: "pstree",
      target: { pid: 4711, thread: 2 },
      json: true,
      watch: true,
      interval: 200,
      ids: true,
      ascii: true,
    });
    expect(parseArguments(["top", "4711", "--sort", "name", "--interval", "2m"])).toEqual({
      command: "top",
      target,
      interval: 120_000,
      sort: "name",
    });
    expect(parseArguments(["web", "4711", "--port", "8080"])).toEqual({ command: "web", target, port: 8080 });
    expect(parseArguments(["web", "-h"])).toEqual({ command: "help" });
    expect(parseArguments(["--version"])).toEqual({ command: "version" });
  });

  it.each([
    [[], "a command is missing"],
    [["list"], 'there is no command "list"'],
    [["constructor"], 'there is no command "constructor"'],
    [["ps", "1"], 'ps takes no operand: "1"'],
    [["ps", "--watch"], "ps has no option --watch"],
    [["--bad"], "Unknown option '--bad'"],
    [["pstree"], "pstree needs a PID: scope-inspect ps lists them"],
    [["top", "1", "2"], "top takes one PID, got 2"],
    ...["0", "x", "1.", "1.x", "-1", "1e3", "99999999999"].map((text) => [
      ["web", "--", text],
      `expected a PID such as 4711, got ${JSON.stringify(text)}`,
    ]),
    [["pstree", "1", "--interval", "1s"], "--interval is for --watch"],
    ...["0", "soon", "49ms", "61m", ""].map((text) => [
      ["top", "1", `--interval=${text}`],
      `--interval: expected 50ms to 60m, got ${JSON.stringify(text)}`,
    ]),
    [["top", "1", "--sort", "size"], '--sort: expected age, state, name, got "size"'],
    [["web", "1", "--port", "65536"], '--port: expected a whole number from 0 to 65535, got "65536"'],
  ] as [string[], string][])("refuses %j in one line", (argv, message) =>
    expectUsageError(() => parseArguments(argv), message),
  );
});

describe("scope-inspect", () => {
  it("with bad arguments says so in one line, exit code 2", async () => {
    const stage = await openStage();
    const { code, stdout, stderr } = await stage.run("pstree");
    expect([code, stdout, stderr]).toEqual([
      2,
      "",
      "scope-inspect: pstree needs a PID: scope-inspect ps lists them (try --help)\n",
    ]);
  });

  it("--help names every command and option", async () => {
    const stage = await openStage();
    const { code, stdout, stderr } = await stage.run("--help");
    expect([code, stderr]).toEqual([0, ""]);
    for (const word of ["ps", "pstree PID", "top PID", "web PID", "--json", "--watch", "--interval"]) {
      expect(stdout).toContain(word);
    }
  });

  it.each(["pstree", "top", "web"])("%s of no such process says so, exit code 1", async (command) => {
    const stage = await openStage();
    const { code, stdout, stderr } = await stage.run(command, "99999999");
    expect([code, stdout, stderr]).toEqual([
      1,
      "",
      "scope-inspect: process 99999999 does not exist: scope-inspect ps lists those that do\n",
    ]);
  });

  it("of a process that is stopped says that it does not answer", async () => {
    const stage = await openStage();
    const program = await stage.ready("a few tasks");
    program.kill("SIGSTOP");

    const { code, stderr } = await stage.run("pstree", pidOf(program));

    expect([code, stderr]).toEqual([
      1,
      `scope-inspect: process ${pidOf(program)} does not answer: it is stopped, or its thread is in a system call\n`,
    ]);
    expect((await stage.run("ps")).stdout).toMatch(/ {2}\? {6}\? {2}\(does not answer\)\n$/);
  });

  it("goes quietly when nobody reads it any more", async () => {
    const stage = await openStage();
    const program = await stage.ready("10,000 tasks");
    const watching = stage.cli(["pstree", pidOf(program), "--watch", "--interval", "50ms"]);
    await watching.printed(/member-9/);

    watching.process.stdout!.destroy();

    expect(await watching.exited()).toBe(0);
    expect(watching.stderr).toBe("");
  });
});

describe("scope-inspect ps", () => {
  it("lists those that can be looked into, and removes what dead ones have left", async () => {
    const stage = await openStage();
    const [few, deadlock, blocked, killed] = await Promise.all(
      ["a few tasks", "deadlock", "a loop without end", "a few tasks"].map((name) => stage.ready(name)),
    );
    killed!.kill("SIGKILL");
    await killed!.ended();

    const { code, stdout } = await eventually(async () => {
      const found = await stage.run("ps");
      expect(found.stdout).toContain("(blocked)");
      return found;
    });

    const line = (program: Program, tasks: number, more: string): RegExp =>
      new RegExp(`^ *${pidOf(program)} +[\\d.]+ m?s +${tasks}  \\S+scenarios\\.mjs${more}$`, "m");
    expect(code).toBe(0);
    expect(stdout).toMatch(/^ *PID +AGE +TASKS +PROGRAM\n/);
    expect(stdout).toMatch(line(few!, 2, ""));
    expect(stdout).toMatch(line(deadlock!, 2, " \\(deadlock\\)"));
    expect(stdout).toMatch(line(blocked!, 1, " \\(blocked\\)"));
    expect(stdout.split("\n")).toHaveLength(5);
    expect(existsSync(stage.socketOf(killed!))).toBe(false);
  });

  it("--json tells the same", async () => {
    const stage = await openStage();
    const program = await stage.ready("a few tasks");

    const { stdout } = await stage.run("ps", "--json");

    expect(JSON.parse(stdout)).toMatchObject([
      { pid: program.process.pid, thread: 0, tasks: 2, deadlocks: 0, blocked: false },
    ]);
  });

  it("lists nothing where there is nothing", async () => {
    const stage = await openStage();
    expect(await stage.run("ps")).toEqual({ code: 0, stdout: "PID  AGE  TASKS  PROGRAM\n", stderr: "" });
  });
});

describe("scope-inspect pstree", () => {
  it("prints the tree", async () => {
    const stage = await openStage();
    const program = await stage.ready("a few tasks");

    const { code, stdout } = await stage.run("pstree", pidOf(program), "--ascii");

    expect(code).toBe(0);
    expect(stdout).toMatch(
      /TaskGroup "main" closing [^\n]+, 2 tasks\n\|- "nap" running [^\n]+ more\n`- "serve" running [^\n]+ cancelled\n$/,
    );
  });

  it("names a deadlock", async () => {
    const stage = await openStage();
    const program = await stage.ready("deadlock");

    const { stdout } = await stage.run("pstree", pidOf(program));

    expect(stdout).toContain(
      '\ndeadlock: task "writer" waits for task "reader", which waits for task "writer"\n',
    );
  });

  it("tells where a blocked process is", async () => {
    const stage = await openStage();
    const program = await stage.ready("a loop without end");

    const { stdout } = await eventually(async () => {
      const found = await stage.run("pstree", pidOf(program));
      expect(found.stdout).toContain("blocked");
      return found;
    });

    expect(stdout).toMatch(/\nthe event loop is blocked, in the midst of\n(  at [^\n]*\n)?  at [^\n]*spin/);
    expect(stdout).toMatch(/^└─ "nap" /m);
  });

  it("--json prints the snapshot", async () => {
    const stage = await openStage();
    const program = await stage.ready("10,000 tasks");

    const { stdout } = await stage.run("pstree", pidOf(program), "--json");

    const snapshot = JSON.parse(stdout) as Snapshot;
    expect(snapshot.pid).toBe(program.process.pid);
    expect(snapshot.scopes.find(({ name }) => name === "crowd")!.tasks).toHaveLength(10_000);
  });

  it("--watch prints again and again until the process ends, which is no failure", async () => {
    const stage = await openStage();
    const program = await stage.ready("a few tasks");
    const watching = stage.cli(["pstree", pidOf(program), "--watch", "--json", "--interval", "50ms"]);
    await eventually(() => expect(watching.lines.length).toBeGreaterThanOrEqual(3));

    program.kill("SIGKILL");

    expect(await watching.finished()).toMatchObject({
      code: 0,
      stderr: `process ${pidOf(program)} has ended\n`,
    });
    const times = (jsonLines(watching.stdout) as Snapshot[]).map(({ takenAt }) => takenAt);
    expect(times).toEqual([...new Set(times)].sort((one, other) => one - other));
  });

  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("--watch ends on %s with exit code %d", async (signal, code) => {
    const stage = await openStage();
    const program = await stage.ready("a few tasks");
    const watching = stage.cli(["pstree", pidOf(program), "--watch"]);
    await watching.printed(/"nap"/);

    watching.kill(signal);

    expect(await watching.finished()).toMatchObject({ code, stderr: "" });
    expect(program.running).toBe(true);
  });
});

describe("scope-inspect top", () => {
  it("prints one text after the other where there is no terminal", async () => {
    const stage = await openStage();
    const program = await stage.ready("churn");
    const watching = stage.cli(["top", pidOf(program), "--interval", "100ms"]);

    const [, started, failed] = await watching.printed(
      /tasks: .* started: (\d+)\/s {2}failed: ([1-9]\d*)\/s\n\nSCOPE/,
    );
    program.kill("SIGTERM");

    expect(Number(started)).toBeGreaterThan(Number(failed));
    expect(await watching.finished()).toMatchObject({
      code: 0,
      stderr: `process ${pidOf(program)} has ended\n`,
    });
    expect(watching.stdout).not.toContain("\u001B");
  });

  it("shows a blocked process as well", async () => {
    const stage = await openStage();
    const program = await stage.ready("a loop without end");
    const watching = stage.cli(["top", pidOf(program), "--interval", "100ms"]);

    await watching.printed(/\nthe event loop is blocked at [^]*\nnap /);
    watching.kill("SIGINT");

    expect(await watching.ended()).toBe(130);
  });

  if (hasTerminal) {
    const restored =
      /\u001B\[\?25h\u001B\[\?1049l(process \d+ has ended\r\n)?exit (\d+)\r\n[^]* icanon [^]* echo /;

    it("on a terminal sorts and quits by keys, and leaves the terminal as it was", async () => {
      const stage = await openStage();
      const program = await stage.ready("10,000 tasks");
      const watching = onTerminal(stage, ["top", pidOf(program), "--interval", "100ms"]);
      await watching.printed(/^[^]*\u001B\[\?1049h[^]*member-0 [^]*more tasks[^]*now by age/);

      watching.process.stdin!.write("s");
      await watching.printed(/now by state/);
      watching.process.stdin!.write("xss");
      await watching.printed(/now by state[^]*now by name[^]*now by age/);
      watching.process.stdin!.write("q");

      expect((await watching.printed(restored))[2]).toBe("0");
    });

    it("on a terminal ends on Ctrl-C, and when the process does", async () => {
      const stage = await openStage();
      const program = await stage.ready("a few tasks");
      const one = onTerminal(stage, ["top", pidOf(program), "--interval", "100ms"]);
      const other = onTerminal(stage, ["top", pidOf(program), "--interval", "100ms"]);
      await Promise.all([one, other].map((watching) => watching.printed(/now by age/)));

      one.process.stdin!.write("\u0003");
      expect((await one.printed(restored))[2]).toBe("130");
      program.kill("SIGKILL");
      expect((await other.printed(restored)).slice(1)).toEqual([
        `process ${pidOf(program)} has ended\r\n`,
        "0",
      ]);
    });
  }
});
