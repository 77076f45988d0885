import { TaskScope } from "@scope/core";
import { describe, expect, it } from "vitest";
import { type Door, doors } from "../src/doors.ts";
import { type Finding, fuzz } from "../src/fuzz.ts";
import { duration, func, object, optional } from "../src/value.ts";
import type { World } from "../src/world.ts";
import { publicSurface } from "./surface.ts";

/** What fuzzing finds in a call that is broken on purpose. */
async function find(door: Omit<Door, "name">, runs = 400): Promise<Finding> {
  const planted = { name: "planted door", ...door };
  const { finding } = await fuzz(planted, { runs, seed: 1 });
  expect(finding).toBeDefined();
  const again = await fuzz(planted, { runs: 1, seed: finding!.seed, path: finding!.path });
  expect(again.finding?.violations, "replayed, it is the same").toEqual(finding!.violations);
  return finding!;
}

function call(fn: (...args: never[]) => unknown): Door["call"] {
  return (args) => fn(...(args as never[]));
}

/** Has a method called on an owner with some tasks. */
function owned(make: () => unknown): NonNullable<Door["open"]> {
  return (world: World) => {
    const owner = make();
    world.adopt(world.groups[0]!, owner);
    for (const fn of ["answers its token with", "throws", "ignores its token, then returns"] as const) {
      world.spawn(world.groups[0]!, { fn, with: "an error" });
    }
    return owner;
  };
}

describe("fuzz", () => {
  it("finds a function that takes what it should refuse (L11)", async () => {
    const { violations, log } = await find({ params: { ms: duration }, call: call(() => undefined) });
    expect(violations).toEqual(["L11: it takes ms"]);
    expect(log).toMatch(/^planted door\(ms: /);
  });

  it("finds a refusal that does not say of what (L11)", async () => {
    const wait = (ms: unknown): void => {
      if (typeof ms !== "number" || !(ms >= 0)) throw new TypeError("bad input");
    };
    const { violations } = await find({ params: { ms: duration }, call: call(wait) });
    expect(violations).toEqual(["L11: the refusal of ms does not name it: bad input"]);
  });

  it("finds a function that has begun before it refuses (L11)", async () => {
    const run = (fn: () => unknown, options: { timeout?: unknown } = {}): void => {
      if (typeof fn !== "function") throw new TypeError("Expected `fn` to be a function");
      fn();
      const { timeout = 0 } = Object(options) as { timeout?: unknown };
      if (!(typeof timeout === "number" && timeout >= 0)) throw new RangeError("Expected `timeout`");
    };
    const { violations } = await find({
      params: { fn: func("free"), options: optional(object("Options", { timeout: optional(duration) })) },
      call: call(run),
    });
    expect(violations).toContain("L11: something has begun before timeout is refused");
  });

  it("finds a promise-returning function that throws", async () => {
    const { violations } = await find({
      params: { ms: duration },
      promises: true,
      call: ([ms]) => (typeof ms === "number" && ms >= 0 ? Promise.resolve() : thrower("Expected `ms`")),
    });
    expect(violations.join()).toContain("throws");
  });

  it("finds an owner that hangs for a callback that throws (L9)", async () => {
    class Fragile extends TaskScope {
      readonly #told: (() => void) | undefined;
      #ended = false;
      constructor(options: { onTaskDone?: () => void } = {}) {
        super();
        this.#told = options.onTaskDone;
      }
      override spawn(...args: Parameters<TaskScope["spawn"]>): never {
        const task = super.spawn(...args);
        task.onDone(() => {
          this.#told?.();
          this.#ended = true;
        });
        return task as never;
      }
      override async stop(): Promise<void> {
        await super.stop();
        if (!this.#ended) await new Promise(() => {});
      }
    }
    const { violations } = await find({
      params: { options: optional(object("Options", { onTaskDone: optional(func("callback")) })) },
      call(args, _, world, group) {
        const made = Reflect.construct(Fragile, args[0] === null ? [] : args) as Fragile;
        world.adopt(group, made);
        world.spawn(group, { fn: "returns", with: "undefined" });
        return made;
      },
    });
    expect(violations.join()).toContain("It hangs: stop of planted door in the end never settles");
  });

  it("finds an owner that settles before its tasks have ended (L1)", async () => {
    class Hasty extends TaskScope {
      override async join(): Promise<void> {
        void super.join();
        await Promise.race([Promise.allSettled(this.tasks), Promise.resolve()]);
      }
    }
    const { violations } = await find({
      params: {},
      promises: true,
      ends: "tasks",
      open: owned(() => new Hasty()),
      call: (_, receiver) => receiver["join"]!(),
    });
    expect(violations.join()).toMatch(/L1: .*settles/);
  });

  it("finds a failure that is told twice, and one that is not told (L2)", async () => {
    const twice = await find({
      params: {},
      open: owned(() => new TaskScope({ onError: "report" })),
      call(_, receiver, world, group) {
        world.spawn(group, { fn: "throws", with: "an error" });
        const [task] = world.tasks.slice(-1);
        void task!.catch((error: unknown) => {
          world.tell(error);
        });
        return receiver;
      },
    });
    expect(twice.violations.join()).toMatch(/L2: .* is told 2 times/);
    const never = await find({
      params: {},
      open: owned(() => new TaskScope({ onError: "ignore" })),
      call: () => undefined,
    });
    expect(never.violations.join()).toMatch(/L2: .* is told 0 times/);
  });

  it("finds a callback that runs inside spawn (L6)", async () => {
    const { violations } = await find({
      params: { onDone: func("callback") },
      open: owned(() => new TaskScope()),
      call: ([onDone], _, world) => world.within(() => world.call("onDone", () => (onDone as () => void)())),
    });
    expect(violations.join()).toContain("L6: a callback of planted door runs inside spawn or cancel");
  });

  it("finds a rejection that nobody handles, a timer and a listener that are left (L2, L7)", async () => {
    const lost = await find({ params: {}, call: () => void Promise.reject(new Error("lost")) });
    expect(lost.violations).toEqual(['Nobody handles "Error: lost"']);
    const timer = await find({
      params: {},
      call: () => {
        const arm = (): unknown => setTimeout(arm, 5);
        arm();
      },
    });
    expect(timer.violations).toEqual(["L7: 1 timers are left"]);
    const listener = await find({
      params: {},
      call: (_, __, world) => {
        world.listening(1);
      },
    });
    expect(listener.violations).toEqual(["L7: 1 listeners are left on signals"]);
  });

  it("puts the process, the console, time and the last reporter back", async () => {
    const before = [globalThis.process, console.error, setTimeout, performance.now, Error.stackTraceLimit];
    const listeners = process.listeners("unhandledRejection");
    await fuzz(doors[0]!, { runs: 5, seed: 1 });
    expect([process, console.error, setTimeout, performance.now, Error.stackTraceLimit]).toEqual(before);
    expect(process.listeners("unhandledRejection")).toEqual(listeners);
  });
});

describe("the doors", () => {
  const surface = publicSurface();

  it("are all that the packages export, and nothing else", () => {
    expect(doors.map(({ name }) => name).sort()).toEqual(surface.callables);
    expect(surface.callables.length).toBeGreaterThan(80);
  });

  it("take every option that there is", () => {
    const taken = new Map<string, Set<string>>();
    const collect = (kind: Door["params"][string]): void => {
      const { type, properties } = kind;
      if (type === undefined || properties === undefined) return;
      const names = taken.get(type) ?? new Set();
      taken.set(type, names);
      for (const [name, inner] of Object.entries(properties)) {
        names.add(name);
        collect(inner);
      }
    };
    for (const { params } of doors) for (const kind of Object.values(params)) collect(kind);
    const everywhere = new Set([...taken.values()].flatMap((names) => [...names]));
    for (const [type, names] of surface.options) {
      // Some are only what others have in common.
      const known = taken.get(type);
      if (known === undefined) expect([...everywhere], type).toEqual(expect.arrayContaining([...names]));
      else expect([...known].sort(), type).toEqual([...names].sort());
    }
    expect(surface.options.size).toBeGreaterThan(10);
  });

  it("keep the laws, some cases each", { timeout: 60_000 }, async () => {
    const findings: unknown[] = [];
    for (const door of doors) {
      const { finding } = await fuzz(door, { runs: 30, seed: 5 });
      if (finding !== undefined) findings.push(finding);
    }
    expect(findings).toEqual([]);
  });
});

function thrower(message: string): never {
  throw new TypeError(message);
}
