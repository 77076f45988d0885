/** Tasks by the thousand: who waits for whom is not followed then, and nothing wrong is said of it. */
import { macrotask, Deferred, waits } from "@scope/test-utils";
import { afterEach, describe, expect, it, vi } from "vitest";
import { FLOOD, WINDOW, hasCheapContext } from "../src/current.ts";
import { task } from "./inspecting.ts";

const waitsFor = (name: string): unknown => expect.objectContaining({ for: "task", name });

/** As in a process whose timers have always been those of the test. */
async function begin() {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
  vi.resetModules();
  const { TaskScope } = await import("@scope/core");
  const { inspect } = await import("@scope/inspect");
  const inspected = inspect({ waits: true });
  const gates = new Map<string, Deferred>();
  const scope = new TaskScope({ name: "scope", onError: "ignore" });
  const target = scope.spawn(waits, { name: "target" });
  return {
    scope,
    target,
    async [Symbol.asyncDispose]() {
      for (const gate of gates.values()) gate.resolve();
      await vi.advanceTimersByTimeAsync(10 * WINDOW);
      await scope.stop();
      await inspected[Symbol.asyncDispose]();
      expect(vi.getTimerCount()).toBe(0);
    },
    /** Begins to wait for the target at once. */
    waiter: (name: string) => scope.spawn(() => target, { name }),
    /** Begins to wait for it after `pass(name)`. */
    gated(name: string): void {
      const gate = new Deferred();
      gates.set(name, gate);
      scope.spawn(
        async () => {
          await gate.promise;
          await target;
        },
        { name },
      );
    },
    async pass(...names: string[]): Promise<void> {
      for (const name of names) gates.get(name)!.resolve();
      await macrotask();
    },
    flood(count: number): void {
      for (let index = 0; index < count; index++) scope.spawn(() => undefined);
    },
    async waits(name: string) {
      await macrotask();
      return task(await inspected.snapshot(), name).waitsFor;
    },
  };
}

afterEach(() => {
  vi.resetModules();
});

describe("in a flood of tasks", () => {
  it("what they wait for is not known; afterwards it is again, also of those that were there before", async () => {
    await using program = await begin();
    program.gated("before");
    program.waiter("first");
    await macrotask();
    program.flood(FLOOD * 4);
    program.waiter("late");
    program.gated("between");
    await macrotask();
    expect(await program.waits("first")).toEqual([waitsFor("target")]);
    expect(await program.waits("late")).toEqual([]);

    await vi.advanceTimersByTimeAsync(WINDOW * 2);
    program.waiter("after");
    await program.pass("before", "between");
    expect(await program.waits("after")).toEqual([waitsFor("target")]);
    expect(await program.waits("before")).toEqual([waitsFor("target")]);
    expect(await program.waits("between")).toEqual([]);
    expect(await program.waits("late")).toEqual([]);
  });

  it("it is not known as long as more come in every window", async () => {
    await using program = await begin();
    for (let round = 0; round < 5; round++) {
      program.flood(FLOOD * 4);
      await vi.advanceTimersByTimeAsync(WINDOW);
    }
    program.waiter("in the flood");
    await vi.advanceTimersByTimeAsync(WINDOW);
    program.waiter("after");
    expect(await program.waits("in the flood")).toEqual([]);
    expect(await program.waits("after")).toEqual([waitsFor("target")]);
  });

  it("nothing is said of who has spawned them for what they wait for", async () => {
    await using program = await begin();
    program.scope.spawn(
      async () => {
        program.flood(FLOOD * 4);
        program.waiter("late");
        program.gated("between");
        await new Promise((resolve) => setTimeout(resolve, 10 * WINDOW));
      },
      { name: "spawner" },
    );
    await macrotask();
    expect(await program.waits("spawner")).toEqual([]);
    await vi.advanceTimersByTimeAsync(WINDOW * 2);
    await program.pass("between");
    expect(await program.waits("spawner")).toEqual([]);
  });

  it("who is interrupted by it is no other task afterwards", async () => {
    await using program = await begin();
    program.scope.spawn(
      async () => {
        program.scope.spawn(
          async () => {
            program.flood(FLOOD * 4);
            await new Promise((resolve) => setTimeout(resolve, 10 * WINDOW));
          },
          { name: "inner" },
        );
        await vi.advanceTimersByTimeAsync(WINDOW * 2);
        await program.target;
      },
      { name: "outer" },
    );
    await macrotask();
    await macrotask();
    expect(await program.waits("inner")).toEqual([]);
    // Where context is a hook, the outer one has gone on while there was none.
    expect(await program.waits("outer")).toEqual(hasCheapContext() ? [waitsFor("target")] : []);
  });
});

describe("as many tasks, one after another", () => {
  it("are followed: a flood is what comes within some milliseconds", async () => {
    await using program = await begin();
    for (let round = 0; round < 40; round++) {
      program.flood(FLOOD / 10);
      await vi.advanceTimersByTimeAsync(WINDOW);
      // A turn of the event loop, for the clock of the events.
      await macrotask();
    }
    program.waiter("waiter");
    expect(await program.waits("waiter")).toEqual([waitsFor("target")]);
  });
});
