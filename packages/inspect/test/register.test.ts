import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";

import { type Program, eventually, temporaryDirectory } from "@scope/test-utils/node";
import { describe, expect, it } from "vitest";

import type { ScopeNode, Snapshot, TaskNode } from "../src/types.ts";
import { Stage, buildOnce, openStage } from "./processes.ts";

buildOnce();

const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;

/** All tasks in a snapshot, by name. */
function tasksOf({ scopes }: Snapshot): Map<string, TaskNode> {
  const tasks = new Map<string, TaskNode>();
  const add = (scope: ScopeNode): void => {
    scope.scopes.forEach(add);
    for (const task of scope.tasks) {
      tasks.set(task.name, task);
      task.scopes.forEach(add);
    }
  };
  scopes.forEach(add);
  return tasks;
}

/** What a process says on standard error, in one line, about not being reached. */
function warningOf(program: Program): Promise<string> {
  return eventually(() => {
    const match = /ScopeInspectWarning: scope-inspect cannot reach this process: (.*)/.exec(program.stderr);
    expect(match).not.toBe(null);
    return match![1]!;
  });
}

describe("a program with --import @scope/inspect/register", () => {
  describe("ends as without", () => {
    it.each([
      ["ends by itself", 0],
      ["exits with 3", 3],
      ["throws", 1],
      ["never settles", 13],
      ["deadlock with nothing else", 13],
    ])("when it %s", async (scenario, code) => {
      const stage = await openStage();
      const plain = await stage.startPlain(scenario).finished();

      expect(plain.code).toBe(code);
      expect(await stage.start(scenario).finished()).toEqual(plain);
      expect(readdirSync(stage.directory)).toEqual([]);
    });

    it.each(["SIGTERM", "SIGINT", "SIGHUP"] as const)("on %s", async (signal) => {
      const stage = await openStage();
      const program = await stage.ready("a few tasks");

      program.kill(signal);

      expect(await program.ended()).toBe(signal);
    });

    it("is kept alive by nothing that is there to look into it", async () => {
      const stage = await openStage();

      const { stdout } = await stage.start("lists what keeps it alive").finished();

      expect(JSON.parse(stdout)).toEqual([]);
    });
  });

  describe("on SIGUSR2", () => {
    it("prints its tree to standard error, and goes on", async () => {
      const stage = await openStage();
      const program = await stage.ready("deadlock");

      program.kill("SIGUSR2");
      await eventually(() => expect(program.stderr).toMatch(/"reader".*\n$/));

      expect(program.stderr).toContain(`(pid ${program.process.pid})`);
      expect(program.stderr).toContain(
        'deadlock: task "writer" waits for task "reader", which waits for task "writer"\n',
      );
      expect(program.stderr).toContain('\n├─ "writer" running ');
      expect(program.running).toBe(true);
    });

    it("goes on also when nobody reads standard error any more", async () => {
      const stage = await openStage();
      const program = await stage.ready("a few tasks");
      program.process.stderr!.destroy();

      program.kill("SIGUSR2");

      await using inspected = await stage.connect(program.process.pid!);
      // The signal was taken before: its loop has turned.
      expect(tasksOf(await inspected.snapshot()).size).toBe(2);
      expect(program.running).toBe(true);
    });
  });

  describe("on its socket", () => {
    it("tells everything that lives, and what has happened", async () => {
      const stage = await openStage();
      const program = await stage.ready("a few tasks");
      await using inspected = await stage.connect(program.process.pid!);

      const snapshot = await inspected.snapshot();
      const { events, next } = await inspected.events(1);

      expect(snapshot).toMatchObject({ version: 1, pid: program.process.pid, cycles: [] });
      expect(snapshot).not.toHaveProperty("blocked");
      expect([...tasksOf(snapshot).keys()]).toEqual(["nap", "serve"]);
      expect(events).toContainEqual(expect.objectContaining({ type: "task-spawned", name: "nap" }));
      expect(await inspected.events(next)).toEqual({ events: [], dropped: 0, next });
      await expect(inspected.about()).resolves.toMatchObject({ pid: program.process.pid, thread: 0 });
    });

    it("names a deadlock", async () => {
      const stage = await openStage();
      const program = await stage.ready("deadlock");
      await using inspected = await stage.connect(program.process.pid!);

      const snapshot = await inspected.snapshot();

      const tasks = tasksOf(snapshot);
      expect(snapshot.cycles).toEqual([[tasks.get("writer")!.id, tasks.get("reader")!.id]]);
    });

    it.each([
      ["a loop without end", /at .*spin/],
      ["an atomic wait", /at Atomics\.wait/],
    ])("answers also in %s, and tells where it is", async (scenario, place) => {
      const stage = await openStage();
      const program = await stage.ready(scenario);
      await using inspected = await stage.connect(program.process.pid!);

      const snapshot = await eventually(async () => {
        const found = await inspected.snapshot();
        expect(found.blocked).toMatch(place);
        return found;
      });

      expect([...tasksOf(snapshot).keys()]).toEqual(["nap"]);
      // Once it is known to be blocked nobody waits for it any more; not even as often as questions may be open.
      for (let count = 0; count < 100; count++) {
        expect((await inspected.snapshot()).blocked).toMatch(place);
      }
    });

    it("tells of 10,000 tasks", async () => {
      const stage = await openStage();
      const program = await stage.ready("10,000 tasks");
      await using inspected = await stage.connect(program.process.pid!);

      expect(tasksOf(await inspected.snapshot()).size).toBe(10_000);
    });

    it("answers several at once", async () => {
      const stage = await openStage();
      const program = await stage.ready("10,000 tasks");
      const pid = program.process.pid!;
      await using one = await stage.connect(pid);
      await using other = await stage.connect(pid);

      const snapshots = await Promise.all([one, other, one, other].map((client) => client.snapshot()));

      expect(snapshots.map((snapshot) => tasksOf(snapshot).size)).toEqual(Array(4).fill(10_000));
    });

    it("has another one for each thread and child process", async () => {
      const stage = await openStage();
      const program = stage.start("a worker thread and a child process");
      const [, child] = await program.printed(/^child (\d+)$/m);
      const { pid } = program.process;

      const names: string[] = [];
      for (const [id, thread] of [
        [pid!, 0],
        [pid!, 2],
        [Number(child), 0],
      ] as const) {
        await using inspected = await stage.connect(id, thread);
        await eventually(async () => expect(tasksOf(await inspected.snapshot()).size).toBe(1));
        names.push(...tasksOf(await inspected.snapshot()).keys());
      }
      process.kill(Number(child), "SIGKILL");

      expect(names).toEqual(["nap of the parent", "nap of the thread", "nap of the child"]);
    });
  });

  describe("its socket", () => {
    it("is for its user alone, and gone when it has ended", async () => {
      const stage = new Stage(path.join(await temporaryDirectory(), "made"));
      const program = await stage.ready("ends with standard input", { stdin: "pipe" });
      const file = stage.socketOf(program);

      const [directory, socket] = [lstatSync(stage.directory), lstatSync(file)];
      expect([directory.mode & 0o777, socket.mode & 0o777]).toEqual([0o700, 0o600]);
      expect([directory.uid, socket.uid]).toEqual([process.getuid!(), process.getuid!()]);
      program.process.stdin!.end();
      expect(await program.ended()).toBe(0);
      expect(existsSync(file)).toBe(false);
    });

    it("stays behind when the process is killed, and is removed by the next one", async () => {
      const stage = await openStage();
      const killed = await stage.ready("a few tasks");
      killed.kill("SIGKILL");
      await killed.ended();
      expect(existsSync(stage.socketOf(killed))).toBe(true);

      const next = await stage.ready("a few tasks");

      expect(readdirSync(stage.directory)).toEqual([path.basename(stage.socketOf(next))]);
    });

    it("is not made where others may go: it warns, and runs on", async () => {
      const stage = await openStage();
      chmodSync(stage.directory, 0o755);

      const program = stage.start("a few tasks");

      expect(await warningOf(program)).toMatch(
        / is open to others: it has to be a directory of this user alone/,
      );
      await program.printed(/^ready$/m);
      expect(readdirSync(stage.directory)).toEqual([]);
    });

    it("is not made beyond a symbolic link", async () => {
      const stage = await openStage();
      const link = path.join(stage.directory, "link");
      mkdirSync(path.join(stage.directory, "real"), { mode: 0o700 });
      symlinkSync("real", link);

      const program = new Stage(link).start("a few tasks");

      expect(await warningOf(program)).toContain(`${link} is a symbolic link`);
      expect(readdirSync(path.join(stage.directory, "real"))).toEqual([]);
    });

    it("is not made in a file, nor where the path is too long", async () => {
      const stage = await openStage();
      const file = path.join(stage.directory, "file");
      writeFileSync(file, "");
      const long = path.join(stage.directory, "x".repeat(120));

      expect(await warningOf(new Stage(file).start("a few tasks"))).toContain(`${file} is no directory`);
      expect(await warningOf(new Stage(long).start("a few tasks"))).toContain("is too long for a socket");
      expect(readdirSync(stage.directory)).toEqual(["file"]);
    });

    if (isRoot) {
      it("is not made in a directory of another user", async () => {
        const stage = await openStage();
        chownSync(stage.directory, NOBODY, NOBODY);

        const program = stage.start("a few tasks");

        expect(await warningOf(program)).toContain(`${stage.directory} belongs to user ${NOBODY}`);
        expect(readdirSync(stage.directory)).toEqual([]);
      });

      it("is out of reach for another user", async () => {
        const stage = await openStage();
        const program = await stage.ready("a few tasks");
        const file = stage.socketOf(program);
        const other = { uid: NOBODY, gid: NOBODY };

        const asked = await stage.cli(["pstree", String(program.process.pid)], other).finished();
        expect([asked.code, asked.stdout]).toEqual([1, ""]);
        expect(asked.stderr).toContain(`${stage.directory} belongs to user 0`);

        // Without asking whether it may.
        const code = `require("node:net").connect(${JSON.stringify(file)}).on("error", ({ code }) => console.log(code)).on("connect", () => console.log("in"))`;
        for (const mode of [0o700, 0o711]) {
          chmodSync(stage.directory, mode);
          expect((await stage.runScript(code, other)).stdout).toBe("EACCES\n");
        }
      });
    }
  });
});
