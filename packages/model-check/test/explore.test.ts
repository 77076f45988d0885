import { CancellationSource, TaskScope, sleep } from "@scope/core";
import { describe, expect, it } from "vitest";
import { type Program, explore, replay } from "../src/explore.ts";
import { programs } from "../src/programs.ts";
import type { World } from "../src/world.ts";

/** Explores one program; returns what came of it. */
async function check(
  set: Program["set"],
  bound = 2_000,
): Promise<Awaited<ReturnType<typeof explore>>[number]> {
  const [explored] = await explore([{ name: "planted", set }], { bound });
  return explored!;
}

/** The decision path of what it finds. */
async function find(set: Program["set"], bound?: number): Promise<{ path: string; violations: string }> {
  const { finding } = await check(set, bound);
  expect(finding).toBeDefined();
  const again = await replay({ name: "planted", set }, finding!.path);
  expect(again, "replayed, it is the same").toEqual(finding);
  return { path: finding!.path, violations: finding!.violations.join("\n") };
}

/** A scope whose `join` forgets to wait for whoever was spawned while it waited. */
class Hasty extends TaskScope {
  override async join(): Promise<void> {
    const joined = super.join();
    await Promise.race([joined, Promise.allSettled(this.tasks)]);
  }
}

/** A group whose tasks' failures are told to the process-wide handler as well if they come while it shuts down. */
class Loud extends TaskScope {
  constructor(tell: (error: unknown) => void) {
    super({
      onError: ({ error }) => {
        tell(error);
        if (this.cancelRequested) tell(error);
      },
    });
  }
}

describe("explore", () => {
  it("finds an owner that does not wait for a task that is spawned late, and replays it (L1)", async () => {
    const { violations } = await find((world) => {
      const scope = world.adopt(new Hasty(), "scope");
      world.spawn(scope, "a");
      world.join(scope);
      world.event(
        "spawn b",
        () => world.spawn(scope, "b"),
        () => scope.state === "closing",
      );
      return undefined;
    });
    expect(violations).toContain("L1: b runs after join of scope has settled");
  });

  it("finds a failure that is told twice, but only while its owner is cancelled (L2)", async () => {
    const { violations } = await find((world) => {
      const scope = world.adopt(new Loud((error) => world.reports.push(error)), "scope");
      world.spawn(scope, "a", { ends: ["fails"], asked: "ignores" });
      world.join(scope);
      world.event("cancel", () => {
        scope.cancel();
      });
      return undefined;
    });
    expect(violations).toBe("L2: the error of a was told 2 times");
  });

  it("finds a race that lasts one turn of the microtask queue", async () => {
    // Somebody looks, waits a turn, and acts on what was true before.
    const { path, violations } = await find((world) => {
      let open = true;
      world.event("use", () => {
        if (!open) return;
        void Promise.resolve().then(() => {
          world.check(open, "used after it was closed");
        });
      });
      world.event("close", () => {
        open = false;
      });
      return undefined;
    });
    expect(violations).toBe("used after it was closed");
    expect(path).toMatch(/use \/ 0/);
  });

  it("finds a timer, a listener and a callback that are left behind (L7)", async () => {
    const kept = await find((world) => {
      world.run(TaskScope, "scope", {}, () => {
        void sleep(10);
      });
      return undefined;
    });
    expect(kept.violations).toContain("L7: 1 timers are left");

    const listening = await find((world) => {
      const { token } = world.outer();
      new CancellationSource({ parent: token });
      return undefined;
    });
    expect(listening.violations).toContain("L7: 1 listeners are left on a signal");
    expect(listening.path).toContain("idle signal");
  });

  it("finds a promise that never settles, and a rejection that nobody handles (L2)", async () => {
    const never = await find((world) => {
      world.wait("it", new Promise(() => {}));
      return undefined;
    });
    expect(never.violations).toBe("it never settles");

    const lost = await find((world) => {
      world.event("fail", () => void Promise.reject(new Error("lost")));
      return undefined;
    });
    expect(lost.violations).toBe("L2: unhandled rejection: Error: lost");
  });

  it("finds an owner that runs a callback inside cancel (L6)", async () => {
    class Eager extends TaskScope {
      override cancel(reason?: unknown): void {
        super.cancel(reason);
        this.told();
      }
      told = (): void => {};
    }
    const { violations } = await find((world) => {
      const scope = world.adopt(new Eager(), "scope");
      scope.told = () => world.callback("onDone of a");
      world.spawn(scope, "a");
      world.join(scope);
      world.event("cancel", () => world.cancel("scope.cancel", () => scope.cancel()));
      return undefined;
    });
    expect(violations).toContain("L6: onDone of a ran inside scope.cancel");
  });

  it("finds a group that ends in the wrong error (L5)", async () => {
    const { violations } = await find((world) => {
      const { token } = world.outer();
      // A scope does not collect; the laws take it for a group.
      world.run(TaskScope, "group", { token, onError: world.onError }, (scope) => {
        world.spawn(scope, "a", { ends: ["fails"] });
      });
      for (const record of world.records) Object.assign(record, { kind: "TaskGroup" });
      return undefined;
    });
    expect(violations).toMatch(
      /L5: run of group (rejects|resolves) with .*, not with a group of Error: of a/,
    );
  });

  it("tries every order and every number of turns, if there are no more than the bound", async () => {
    const orders = new Set<string>();
    const set = (world: World): (() => void) => {
      const order: string[] = [];
      for (const name of ["a", "b", "c"]) world.event(name, () => order.push(name));
      return () => orders.add(order.join(""));
    };
    const { inOrder, exhaustive, finding } = await check(set, 100_000);
    expect(finding).toBeUndefined();
    expect([...orders].sort()).toEqual(["abc", "acb", "bac", "bca", "cab", "cba"]);
    // Two, five and ten choices of turns before each of three events and the end.
    expect(exhaustive).toBe("~ 0 1 2 3 4 5 6 8 11");
    expect(inOrder).toBe(6 * (2 ** 4 + 5 ** 4 + 10 ** 4));
  });

  it("goes on at random beyond the bound: the same for the same seed, other paths for another", async () => {
    const paths = async (seed: number): Promise<string[]> => {
      const seen: string[] = [];
      const set = (world: World): (() => void) => {
        for (const name of ["a", "b", "c", "d", "e"]) world.event(name, () => {});
        return () => seen.push(world.log.join());
      };
      const [explored] = await explore([{ name: "wide", set }], { bound: 200, seed });
      expect(explored).toMatchObject({ exhaustive: undefined, sampled: 200, finding: undefined });
      return seen;
    };
    const first = await paths(1);
    expect(await paths(1)).toEqual(first);
    expect(await paths(2)).not.toEqual(first);
  });

  it("puts time, the last reporter and its listeners back", async () => {
    const before = [globalThis.setTimeout, globalThis.clearTimeout, performance.now, Error.stackTraceLimit];
    const listeners = process.listeners("unhandledRejection");
    await check(() => undefined);
    expect([setTimeout, clearTimeout, performance.now, Error.stackTraceLimit]).toEqual(before);
    expect(process.listeners("unhandledRejection")).toEqual(listeners);
  });
});

describe("replay", () => {
  it("refuses a path that the program cannot take", async () => {
    const finding = await replay(programs[0]!, "~ / no such event");
    expect(finding?.violations.join()).toContain('The path says "no such event"; possible here: ');
  });
});

describe("the programs", () => {
  it("have names of their own", () => {
    const names = programs.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(names.length).toBeGreaterThanOrEqual(40);
  });

  it("keep the laws on 150 paths each", { timeout: 60_000 }, async () => {
    const explored = await explore(programs, { bound: 150 });
    expect(explored.flatMap(({ finding }) => finding ?? [])).toEqual([]);
  });
});
