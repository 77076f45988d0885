/** The check that tests leave no tasks behind: by itself, and in vitest and `node:test` as users run them. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { TaskScope } from "@scope/core";
import { expectNoTasksLeft, trackTasks } from "@scope/inspect";
import { Deferred, rejection, waits } from "@scope/test-utils";
import { command } from "@scope/test-utils/node";
import { describe, expect, it, vi } from "vitest";

interface Result {
  readonly code: unknown;
  readonly output: string;
}

function run(args: readonly string[]): Promise<Result> {
  const [file = "", ...rest] = args;
  const { NODE_V8_COVERAGE: _, VITEST: __, ...env } = process.env;
  return new Promise((resolve) => {
    execFile(file, rest, { env: { ...env, NO_COLOR: "1" } }, (error, stdout, stderr) => {
      resolve({ code: error?.code ?? 0, output: stdout + stderr });
    });
  });
}

const fixture = (name: string): string => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));

describe(expectNoTasksLeft, () => {
  it("asks for trackTasks() first", async () => {
    await expect(expectNoTasksLeft()).rejects.toThrow("Call trackTasks() before the tests");
  });

  it("names what is left with where it was spawned, once, and nothing when all has ended", async () => {
    trackTasks();
    const scope = new TaskScope({ name: "forgotten" });
    const gate = new Deferred();
    scope.spawn(waits, { name: "poll" });
    await expect(expectNoTasksLeft()).rejects.toThrow(
      /^A task was left:\n {2}- task "poll" of TaskScope "forgotten" \(running\), spawned\n {6}at .*leftovers\.test\.ts:\d+/,
    );
    await expectNoTasksLeft();
    scope.spawn(() => gate.promise, { name: "a" });
    const inner = scope.spawn(() => gate.promise, { name: "b" });
    new TaskScope({ token: inner.token, concurrency: 1 }).spawn(() => gate.promise, { name: "c" });
    expect(String(await rejection(expectNoTasksLeft()))).toMatch(/3 tasks were left:\n[^]*"a"[^]*"b"[^]*"c"/);
    gate.resolve();
    scope.cancel();
    await expectNoTasksLeft();
  });

  it("waits for what is ending, under fake timers too", async () => {
    trackTasks();
    vi.useFakeTimers();
    const scope = new TaskScope();
    scope.spawn(() => Promise.resolve().then(() => undefined));
    await expectNoTasksLeft();
    vi.useRealTimers();
  });

  it("passes over what is to be ignored", async () => {
    trackTasks({ ignore: (task, scope) => task.name === "server" && scope.kind === "TaskScope" });
    const scope = new TaskScope();
    scope.spawn(waits, { name: "server" });
    await expectNoTasksLeft();
    trackTasks();
    await expect(expectNoTasksLeft()).rejects.toThrow('"server"');
    scope.cancel();
    expect(() => {
      trackTasks({ ignore: 1 as never });
    }).toThrow(new TypeError("Expected `ignore` to be a function, got 1 (number)"));
  });

  it("has no parameter, so that Jest passes no callback", () => {
    expect(expectNoTasksLeft).toHaveLength(0);
  });

  it("fails the test that leaves a task, and no other, in vitest", { timeout: 60_000 }, async () => {
    const vitest = fileURLToPath(new URL("../../../node_modules/vitest/vitest.mjs", import.meta.url));
    const args = ["run", "--config", fixture("vitest.config.ts")];
    const { code, output } = await run([process.execPath, vitest, ...args]);
    expect(code).toBe(1);
    expect(output).toMatch(/× .*leaves a task behind/);
    expect(output).toMatch(
      /- task "poll" of TaskGroup "ingest" \(running\), spawned\n\s+at .*leaves\.fixture\.ts:\d+/,
    );
    expect(output).toMatch(/1 failed \| 2 passed/);
  });

  it("fails the test that leaves a task, and no other, in node:test", { timeout: 60_000 }, async () => {
    const [node = "", ...args] = command(fixture("node-test.ts"));
    const { code, output } = await run([node, "--test-reporter=tap", ...args]);
    expect(code).toBe(1);
    expect(output).toMatch(/not ok 2 - leaves a task behind/);
    expect(output).toMatch(/^ok 1 - ends what it starts/m);
    expect(output).toMatch(/^ok 3 - is not blamed/m);
    expect(output).toContain('task "poll" of TaskGroup "ingest"');
  });
});
