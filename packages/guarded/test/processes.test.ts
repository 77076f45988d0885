import { describe, expect, it } from "vitest";
import { Program, run, runtime } from "./processes.ts";

const MEGABYTE = 2 ** 20;

/** Deno's process stands still until the reader has read: there is nothing to flush, and nothing runs meanwhile. */
const writesBlock = runtime === "deno";

/** What Bun does about an uncaught error is to print it, and to go on as long as there is something to do. */
const uncaughtEnds = runtime !== "bun";

describe(`a process (${runtime})`, () => {
  describe("with a guarded task", () => {
    it("that fails logs its traceback, then the line, and exits with 1, whatever else runs", async () => {
      const { code, stdout, stderr } = await run("a guarded task fails");
      expect(stderr).toMatch(
        /^Error: disk full\n {4}at [^]*scenarios\.ts[^]*\[cause\]: RangeError: no space left\n[^]*\n\}\nException in background task \(name="save"\): Error: disk full\n$/,
      );
      expect(stdout).toBe("exit 1\n");
      expect(code).toBe(1);
    });

    it("exits with the code that was given", async () => {
      expect((await run("a guarded task fails with an exit code")).code).toBe(70);
    });

    it("that ends with an ExitError exits with its code, and prints its message alone", async () => {
      const { code, stderr } = await run("a guarded task ends with an ExitError");
      expect([code, stderr]).toEqual([78, "no configuration\n"]);
    });

    it("that ends well, is cancelled, or ends with a SafeExitError goes on, silently", async () => {
      const { code, stdout, stderr } = await run("guarded tasks end well");
      expect([code, stdout, stderr]).toEqual([0, "still here\n", ""]);
    });

    it("writes all its output before it exits, to a reader that is slow", async () => {
      const program = new Program("a guarded task fails behind a megabyte");
      // Nothing is read of the one pipe until the other has the last line.
      if (!writesBlock) await program.stderr.contains("Exception in background task");
      const { code, stdout } = await program.finished();
      expect(stdout).toHaveLength(MEGABYTE);
      expect(code).toBe(1);
    });

    it("writes all of a long log before it exits", async () => {
      const { code, stderr } = await run("a guarded task fails with a megabyte");
      expect(stderr.length).toBeGreaterThan(MEGABYTE);
      expect(stderr).toMatch(/\nException in background task \(name="task-\d+"\): Error: disk full\n$/);
      expect(code).toBe(1);
    });

    it("gives a logger that writes later its turn", async () => {
      const { code, stderr } = await run("a guarded task fails and its logger writes later");
      expect([code, stderr]).toEqual([1, "later: disk full\n"]);
    });

    it.each(["stdout", "stderr"] as const)("exits as well when nobody reads %s any more", async (name) => {
      const program = new Program("a guarded task fails when a line is read");
      await program.stdout.contains("ready\n");
      program[name].stream.destroy();
      program.process.stdin!.write("go\n");
      expect(await program.exited()).toMatchObject({ code: 9, signal: null });
    });

    it("exits as well when nobody reads anything any more", async () => {
      const program = new Program("a guarded task fails when a line is read");
      await program.stdout.contains("ready\n");
      program.stdout.stream.destroy();
      program.stderr.stream.destroy();
      program.process.stdin!.write("go\n");
      expect(await program.exited()).toMatchObject({ code: 9, signal: null });
    });

    if (!writesBlock) {
      it("waits five seconds for a reader that does not read, and exits all the same", async () => {
        const program = new Program("a guarded task fails behind a megabyte");
        expect(await program.exited()).toMatchObject({ code: 1, signal: null });
      });
    }
  });

  it("with a background task that fails prints its name and error, and goes on", async () => {
    const { code, stdout, stderr } = await run("a background task fails");
    expect([code, stdout]).toEqual([0, "still here\n"]);
    expect(stderr).toMatch(/"save"[^]*error: disk full/i);
  });

  describe("with a main", () => {
    it("that returns cancels and awaits its background tasks, and then ends by itself", async () => {
      const { code, stdout, stderr } = await run("main returns");
      expect(stdout.split("\n")).toEqual([
        "main",
        "task: cleaning up",
        "task: clean",
        "no listener is left",
        "the process ends by itself",
        "",
      ]);
      expect([code, stderr]).toEqual([0, ""]);
    });

    it("that returns keeps the exit code that the program has set", async () => {
      expect((await run("main returns with an exit code set")).code).toBe(4);
    });

    it("that fails logs it, cleans up, and exits with 1, whatever keeps the process alive", async () => {
      const { code, stdout, stderr } = await run("main fails");
      expect(stdout).toBe("task: cleaning up\ntask: clean\n");
      expect(stderr).toMatch(/^Error: no route\n {4}at [^]*\nException in main: Error: no route\n$/);
      expect(code).toBe(1);
    });

    it("below which an ExitError is thrown exits with its code when all has been cleaned up", async () => {
      const { code, stdout, stderr } = await run("main ends with an ExitError from below");
      expect(stdout.split("\n").sort()).toEqual(
        ["below: cleaning up", "below: clean", "main: cleaning up", "main: clean", ""].sort(),
      );
      expect([code, stderr]).toEqual([3, "no configuration\n"]);
    });

    it("that throws a SafeExitError exits with 0, silently", async () => {
      const { code, stdout, stderr } = await run("main ends with a SafeExitError");
      expect([code, stdout, stderr]).toEqual([0, "", ""]);
    });

    it("takes the orderly way when a guarded task fails", async () => {
      const { code, stdout, stderr } = await run("a guarded task fails under main");
      expect(stdout.split("\n").sort()).toEqual(
        ["task: cleaning up", "task: clean", "main: cleaning up", "main: clean", ""].sort(),
      );
      expect(stderr).toMatch(
        /^Error: disk full\n[^]*\nException in background task \(name="save"\): Error: disk full\n$/,
      );
      expect(code).toBe(5);
    });

    it.each([
      ["something throws elsewhere", "uncaughtException"],
      ["something rejects elsewhere", "unhandledRejection"],
    ])("takes the orderly way when %s", async (scenario, event) => {
      const { code, stdout, stderr } = await run(scenario);
      expect(stdout).toBe("main: cleaning up\nmain: clean\n");
      expect(stderr).toMatch(/^Error: stray\n/);
      expect(stderr.endsWith(`\nException in ${event}: Error: stray\n`)).toBe(true);
      expect(code).toBe(1);
    });

    if (uncaughtEnds) {
      it("leaves uncaught errors to the platform if it is told to", async () => {
        const { code, stdout, stderr } = await run(
          "something throws elsewhere, which is not main's business",
        );
        expect([code, stdout]).toEqual([1, ""]);
        expect(stderr).toContain("stray");
        expect(stderr).not.toContain("Exception in");
      });
    }

    describe("and a signal", () => {
      it.each([
        ["SIGINT", 130],
        ["SIGTERM", 143],
      ] as const)("%s: cancels what runs, waits for it, and exits with %i", async (signal, exitCode) => {
        const program = new Program("main waits for a signal");
        await program.stdout.contains("ready\n");
        program.kill(signal);
        const { code, stdout, stderr } = await program.finished();
        expect(stdout.split("\n").sort()).toEqual(
          ["ready", "task: cleaning up", "task: clean", "main: cleaning up", "main: clean", ""].sort(),
        );
        expect([code, stderr]).toEqual([exitCode, ""]);
      });

      it("before its start: ends the process as it ends any", async () => {
        const program = new Program("nothing is ready for its signal");
        await program.stdout.contains("ready\n");
        program.kill("SIGTERM");
        expect(await program.finished()).toMatchObject({ code: null, signal: "SIGTERM", stderr: "" });
      });

      it("that it answers by returning: exits with the signal's code", async () => {
        const program = new Program("main returns after a signal");
        await program.stdout.contains("ready\n");
        program.kill("SIGTERM");
        const { code, stdout, stderr } = await program.finished();
        expect([code, stdout, stderr]).toEqual([143, "ready\nmain: returns\n", ""]);
      });

      it("that it answers with an ExitError: exits with that one's code", async () => {
        const program = new Program("main throws an ExitError after a signal");
        await program.stdout.contains("ready\n");
        program.kill("SIGINT");
        const { code, stderr } = await program.finished();
        expect([code, stderr]).toEqual([75, "try again\n"]);
      });

      it("while a promise that nobody awaits is cancelled: that is no uncaught error", async () => {
        const program = new Program("a promise floats when a signal comes");
        await program.stdout.contains("ready\n");
        program.kill("SIGTERM");
        const { code, stderr } = await program.finished();
        expect([code, stderr]).toEqual([143, ""]);
      });

      it("while it is cancelling: exits at once, naming what runs, with the first one's code", async () => {
        const program = new Program("main cleans up for ever");
        await program.stdout.contains("ready\n");
        program.kill("SIGTERM");
        await program.stdout.contains("main: cleaning up\n");
        program.kill("SIGINT");
        const { code, stderr } = await program.finished();
        expect(stderr).toBe('Forced exit: a second signal, SIGINT; still running: main, "deaf"\n');
        expect(code).toBe(143);
      });

      it("while background tasks clean up after main: the first is heard, the second exits at once", async () => {
        const program = new Program("a task cleans up for ever after main");
        await program.stdout.contains("ready\n");
        program.kill("SIGINT");
        // One of a kind at a time: the same one twice could be delivered once.
        program.kill("SIGTERM");
        const { code, stderr } = await program.finished();
        expect(stderr).toMatch(/^Forced exit: a second signal, SIG(INT|TERM); still running: "deaf"\n$/);
        expect([130, 143]).toContain(code);
      });

      it("that nobody heeds: exits when graceMs is over, naming what runs", async () => {
        const program = new Program("main ignores everything");
        await program.stdout.contains("ready\n");
        program.kill("SIGTERM");
        const { code, stderr } = await program.finished();
        expect(stderr).toBe('Forced exit: Timed out after 50 ms; still running: main, "deaf"\n');
        expect(code).toBe(143);
      });

      if (!writesBlock) {
        it("while it is waiting for a reader of its output: ends the process as it ends any", async () => {
          const program = new Program("a guarded task fails under main, behind a megabyte");
          await program.stderr.contains("Exception in background task");
          // The first may come before the end, and counts as the first; nobody reads stdout all the while.
          const { code, signal } = await program.exitedAfter("SIGTERM");
          expect([code, signal]).toEqual([null, "SIGTERM"]);
        });
      }
    });

    it("cleans up, and exits with the right code, when nobody reads stderr any more", async () => {
      const program = new Program("a guarded task fails under main when a line is read");
      await program.stdout.contains("ready\n");
      program.stderr.stream.destroy();
      program.process.stdin!.write("go\n");
      await program.stdout.contains("main: clean\n");
      program.process.stdin!.destroy();
      expect(await program.exited()).toMatchObject({ code: 9, signal: null });
    });
  });
});
