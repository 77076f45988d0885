/** Other platforms, other copies of core, and stacks of other shapes. */
import { TaskScope } from "@scope/core";
import { formatTree, inspect, snapshot } from "@scope/inspect";
import { macrotask, waits } from "@scope/test-utils";
import { afterEach, describe, expect, it, vi } from "vitest";
import { hasCheapContext } from "../src/current.ts";
import { clean } from "../src/sites.ts";
import { everything, inspecting, task, waitsOfAwaiter } from "./inspecting.ts";

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
  vi.resetModules();
});

describe("beside another copy of core", () => {
  it("no two tasks have the same id, and all are shown", async () => {
    const inspected = inspecting({ waits: true });
    vi.resetModules();
    const other = await import("@scope/core");
    expect(other.TaskScope).not.toBe(TaskScope);
    const scopes = [new TaskScope({ name: "ours" }), new other.TaskScope({ name: "theirs" })];
    for (const scope of scopes) for (let index = 0; index < 50; index++) scope.spawn(waits);
    const awaited = scopes[1]!.spawn(waits, { name: "awaited" });
    scopes[0]!.spawn(() => awaited.catch(() => undefined), { name: "waiter" });
    await macrotask();
    const seen = await inspected.snapshot();
    const { tasks } = everything(seen);
    expect(new Set(tasks.map(({ id }) => id)).size).toBe(102);
    expect(task(seen, "awaited").id).toMatch(/^tx\d+$/);
    expect(task(seen, "waiter").waitsFor).toMatchObject([{ for: "task", name: "awaited" }]);
    expect(Math.abs(task(seen, "awaited").spawnedAt - Date.now())).toBeLessThan(5_000);
    const { events } = await inspected.events(1);
    expect(events.filter(({ id, name }) => id.startsWith("tx") && name?.startsWith("task-"))).toHaveLength(
      50,
    );
    await Promise.all(scopes.map((scope) => scope.stop()));
  });
});

describe("without Node", () => {
  it("there is no async context, and waits are not known", async () => {
    vi.spyOn(process, "getBuiltinModule").mockReturnValue(undefined);
    expect(hasCheapContext()).toBe(false);
    expect(await waitsOfAwaiter({ waits: true })).toEqual([]);
  });

  it("the page's address is the title, there is no pid, and every event asks for the time", async () => {
    vi.stubGlobal("setImmediate", undefined);
    vi.resetModules();
    const other = await import("@scope/inspect");
    const inspected = other.inspect();
    const scope = new TaskScope();
    for (let index = 0; index < 10; index++) scope.spawn(waits);
    vi.stubGlobal("process", undefined);
    vi.stubGlobal("location", { href: "https://example.org/app" });
    const seen = snapshot();
    vi.stubGlobal("location", undefined);
    const bare = snapshot();
    vi.unstubAllGlobals();
    expect(formatTree(seen)).toMatch(/^https:\/\/example.org\/app, \d/);
    expect([seen.pid, bare.title]).toEqual([0, ""]);
    await scope.stop();
    await inspected[Symbol.asyncDispose]();
  });
});

describe("async context", () => {
  it("is cheap in Bun, and where it is no hook", () => {
    const { versions } = process;
    const cheap = hasCheapContext();
    expect(cheap).toBe(Number(versions.node.split(".")[0]) >= 24 || "bun" in versions);
    vi.spyOn(process, "versions", "get").mockReturnValue({ ...versions, bun: "1.4.4" });
    expect(hasCheapContext()).toBe(true);
  });

  it("of a task that began before anybody looked is left alone", async () => {
    const scope = new TaskScope();
    let inspected: ReturnType<typeof inspect> | undefined;
    scope.spawn(() => {
      inspected = inspect({ waits: true });
    });
    await scope.join();
    expect(everything(await inspected!.snapshot()).tasks).toEqual([]);
    await inspected![Symbol.asyncDispose]();
  });
});

describe(TaskScope, () => {
  it.each([
    [
      "that cannot say what it is",
      () => {
        throw new Error("no");
      },
    ],
    ["that says something else", () => "mine"],
  ])("%s is shown as one", async (_, toString) => {
    const inspected = inspecting();
    class Mine extends TaskScope {
      override toString(): string {
        return toString();
      }
    }
    const scope = new Mine({ name: "mine" });
    expect((await inspected.snapshot()).scopes).toMatchObject([{ kind: "TaskScope", name: "mine" }]);
    await scope.join();
  });
});

describe(inspect, () => {
  it("is told nothing twice by two who inspect, and goes on for the other when one leaves", async () => {
    const one = inspecting();
    const other = inspecting();
    await one[Symbol.asyncDispose]();
    await TaskScope.run(() => undefined);
    expect((await other.events(1)).events).toHaveLength(2);
  });
});

describe(clean, () => {
  const here = "    at callSite (/app/node_modules/@scope/inspect/dist/index.js:1:1)";

  it("keeps what is the user's, innermost first", () => {
    const stack = [
      "Error",
      here,
      "    at emit (/app/node_modules/@scope/core/dist/index.js:1:1)",
      "    at TaskGroup.spawn (file:///app/node_modules/.pnpm/x/node_modules/@scope/taskgroup/dist/index.js:1:1)",
      "    at new Promise (<anonymous>)",
      "    at poll (/app/packages/core/src/poll.ts:3:4)",
      "    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)",
      "    at C:\\app\\main.js:5:6",
    ].join("\n");
    expect(clean(stack)).toBe("poll (/app/packages/core/src/poll.ts:3:4)\nC:\\app\\main.js:5:6");
  });

  it("knows the stacks of other engines, and that of nobody", () => {
    expect(clean("callSite@https://x/inspect/dist/index.js:1:1\npoll@https://x/app.js:3:4")).toBe(
      "poll@https://x/app.js:3:4",
    );
    expect(clean(`Error\n${here}`)).toBeUndefined();
    expect(clean("")).toBeUndefined();
  });
});

describe("expectNoTasksLeft", () => {
  it("does without the place where a task was spawned if who inspects first does not want it", async () => {
    inspecting({ sites: false });
    vi.resetModules();
    const other = await import("@scope/inspect");
    other.trackTasks();
    const scope = new TaskScope({ name: "scope" });
    scope.spawn(waits, { name: "left" });
    await expect(other.expectNoTasksLeft()).rejects.toThrow(/\(running\), spawned where nobody looked$/);
    await scope.stop();
  });
});
