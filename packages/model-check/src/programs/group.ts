/** `TaskGroup`: the first failure cancels the rest, and all come out as one. */
import { type Task, TaskGroupError, TaskScope, TimeoutError } from "@scope/core";
import { TaskGroup } from "@scope/taskgroup";
import type { Program } from "../explore.ts";
import type { World } from "../world.ts";
import { outcomeOf } from "./outcome.ts";

const failing = { ends: ["fails"] } as const;
const both = { ends: ["returns", "fails"] } as const;

/** A group in a task of another one. */
function nest(world: World, outer: TaskGroup, name: string, set: (inner: TaskGroup) => void): void {
  world.spawn(outer, `${name}'s task`, {
    fn: (token) => world.open(TaskGroup, name, { token }, set, { nested: true, ends: ["returns"] }),
  });
}

interface Step {
  readonly resolve: (step: IteratorResult<string>) => void;
  readonly reject: (error: unknown) => void;
}

/** An async source whose steps are events; it fails or ends when it is returned as the program says. */
class Source implements AsyncIterator<string> {
  returned = 0;
  #index = 0;
  #step: Step | undefined;

  constructor(world: World, length: number) {
    for (let index = 0; index < length; index++) {
      world.event(
        `item ${index}`,
        () => {
          this.#index++;
          this.#take()?.resolve({ done: false, value: `item ${index}` });
        },
        () => this.#index === index && this.#step !== undefined,
      );
    }
    const last = (): boolean => this.#index >= 1 && this.#step !== undefined;
    world.event("the source ends", () => this.#take()?.resolve({ done: true, value: undefined }), last);
    world.event("the source fails", () => this.#take()?.reject(world.error("the source")), last);
  }

  #take(): Step | undefined {
    const step = this.#step;
    this.#step = undefined;
    return step;
  }

  next(): Promise<IteratorResult<string>> {
    return new Promise((resolve, reject) => {
      this.#step = { resolve, reject };
    });
  }

  return(): Promise<IteratorResult<string>> {
    this.returned++;
    this.#take()?.resolve({ done: true, value: undefined });
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

export const groupPrograms: readonly Program[] = [
  {
    name: "group: two failures in one tick, listed in their order (L2)",
    set(world) {
      world.run(TaskGroup, "group", {}, (group) => {
        world.spawn(group, "a", { ...failing, asked: "ignores" });
        world.spawn(group, "b", { ...failing, asked: "ignores" });
        world.spawn(group, "c");
      });
      return undefined;
    },
  },
  {
    name: "group: a failure while it is cancelled from outside (L5)",
    set(world) {
      const { token } = world.outer();
      world.run(TaskGroup, "group", { token }, (group) => {
        world.spawn(group, "a", { ...both, asked: "cleans up" });
        world.spawn(group, "b", { asked: "fails" });
      });
      return undefined;
    },
  },
  {
    name: "group: two nested groups both fail",
    set(world) {
      world.run(TaskGroup, "outer group", {}, (outer) => {
        for (const name of ["left", "right"]) {
          nest(world, outer, name, (inner) => {
            world.spawn(inner, `${name} leaf`, { ends: ["fails"], asked: "fails" });
          });
        }
      });
      return undefined;
    },
  },
  {
    name: "group: inner and outer group fail in one tick, and both are cancelled from outside",
    set(world) {
      const { token } = world.outer();
      world.run(TaskGroup, "outer group", { token }, (outer) => {
        nest(world, outer, "inner group", (inner) => {
          world.spawn(inner, "leaf", { ends: ["fails"], asked: "cleans up" });
        });
        world.spawn(outer, "sibling", failing);
      });
      return undefined;
    },
  },
  {
    name: "group: the body fails while a task fails",
    set(world) {
      world.run(
        TaskGroup,
        "group",
        {},
        (group) => {
          world.spawn(group, "a", both);
          world.spawn(group, "b", { asked: "fails" });
        },
        { ends: ["fails", "returns"], asked: "cleans up" },
      );
      return undefined;
    },
  },
  {
    name: "group: a body that awaits the task that fails (L2)",
    set(world) {
      let task: Task<unknown> | undefined;
      world.run(
        TaskGroup,
        "group",
        {},
        (group) => {
          task = world.spawn(group, "a", both);
          world.spawn(group, "b", { ...failing, asked: "cleans up" });
        },
        { fn: () => task },
      );
      return undefined;
    },
  },
  {
    name: "group: a sibling that awaits the task that fails (L2)",
    set(world) {
      world.run(TaskGroup, "group", {}, (group) => {
        const task = world.spawn(group, "a", both);
        world.spawn(group, "b", { fn: () => task });
        world.spawn(group, "c", { asked: "cleans up" });
      });
      return undefined;
    },
  },
  {
    name: "group: cancel by hand against a failure and the end of the body",
    set(world) {
      world.run(
        TaskGroup,
        "group",
        {},
        (group) => {
          world.spawn(group, "a", { ...both, asked: "ignores" });
          world.event("cancel", () => world.cancel("group.cancel", () => group.cancel("by hand")));
        },
        { asked: "cleans up" },
      );
      return undefined;
    },
  },
  {
    name: "group: a timeout against a failure and the outer token (L5)",
    set(world) {
      const { token } = world.outer();
      world.run(TaskGroup, "group", { token, timeout: 10 }, (group) => {
        world.spawn(group, "a", { ...both, asked: "cleans up" });
      });
      return undefined;
    },
  },
  {
    name: "group: a fatal error against one that was collected (L5)",
    set(world) {
      world.run(TaskGroup, "group", {}, (group) => {
        world.spawn(group, "a", { ends: ["fails fatally"], asked: "ignores" });
        world.spawn(group, "b", { ends: ["fails"], asked: "ignores" });
        world.spawn(group, "c", { asked: "fails" });
      });
      return undefined;
    },
  },
  {
    name: "group: joined and stopped while it fails: one object for all who wait (C2)",
    set(world) {
      const { token } = world.outer();
      const group = world.adopt(new TaskGroup({ token }), "group", { token });
      world.spawn(group, "a", { ...both, asked: "ignores" });
      world.spawn(group, "b", { asked: "cleans up" });
      world.join(group);
      world.event("stop", () => world.stop(group));
      world.event("join late", () => world.join(group));
      return () => {
        const told = world.waits.filter(({ outcome }) => outcome instanceof TaskGroupError);
        world.check(new Set(told.map(({ outcome }) => outcome)).size <= 1, "not one object for all who wait");
        world.check(world.thrown.size === 0 || told.length > 0, "nobody was told");
      };
    },
  },
  {
    name: "group: joined while its body runs, which fails before or after (L2)",
    set(world) {
      let opened: TaskGroup | undefined;
      world.run(
        TaskGroup,
        "group",
        {},
        (group) => {
          opened = group;
          world.spawn(group, "a", both);
        },
        { ends: ["fails", "returns"], asked: "ignores" },
      );
      world.event("join", () => {
        if (opened !== undefined) world.join(opened);
      });
      return undefined;
    },
  },
  {
    name: "group: the time limit of stop, and the failures from the next join",
    set(world) {
      const group = world.adopt(new TaskGroup(), "group");
      world.spawn(group, "a", { ends: ["fails"], asked: "ignores" });
      world.spawn(group, "b", { asked: "cleans up" });
      world.event("stop", () => world.stop(group, { timeout: 5 }));
      world.event(
        "join",
        () => world.join(group),
        () => world.waits.some(({ settled }) => settled !== undefined),
      );
      return () => {
        for (const { outcome, what, rejected } of world.waits) {
          const known = outcome instanceof TaskGroupError || outcome instanceof TimeoutError;
          world.check(!rejected || known, `${what} rejects with ${String(outcome)}`);
        }
      };
    },
  },
  {
    name: "group: spawn from a done callback while a sibling fails",
    set(world) {
      world.run(TaskGroup, "group", {}, (group) => {
        world.spawn(group, "a")?.onDone(() => {
          world.spawn(group, "c", both);
        });
        world.spawn(group, "b", failing);
      });
      return undefined;
    },
  },
  {
    name: "group: a slot is granted while a sibling fails",
    set(world) {
      world.run(TaskGroup, "group", { concurrency: 1 }, (group) => {
        world.spawn(group, "a", both);
        world.spawn(group, "b", both);
        const third = world.spawn(group, "c");
        world.event("cancel c", () => world.cancel("c.cancel", () => third?.cancel()));
      });
      return undefined;
    },
  },
  {
    name: "group: a shielded one fails while the outer token is cancelled",
    set(world) {
      const { token } = world.outer();
      world.run(TaskGroup, "group", { token, shield: true }, (group) => {
        world.spawn(group, "a", both);
        world.spawn(group, "b");
      });
      return undefined;
    },
  },
  {
    name: "group: a group in a shielded scope in a group, whose sibling fails",
    set(world) {
      world.run(TaskGroup, "group", {}, (group) => {
        world.spawn(group, "shielded task", {
          fn: (token) =>
            world.open(
              TaskScope,
              "shield",
              { token, shield: true },
              (scope) => {
                world.spawn(scope, "leaf");
              },
              { nested: true },
            ),
        });
        world.spawn(group, "sibling", failing);
      });
      return undefined;
    },
  },
  {
    name: "group: map, whose source answers while it is cancelled",
    set(world) {
      const outer = world.outer();
      const source = new Source(world, 2);
      let calls = 0;
      const options = { token: outer.token, concurrency: 1 };
      const outcome: { value: unknown } = { value: undefined };
      const promise = TaskGroup.map(
        source,
        (item, token) => {
          calls++;
          world.check(!token.cancelRequested, "called with a cancelled token");
          return world.work(item, both).fn(token);
        },
        options,
      );
      world.wait("map", promise);
      promise.then(
        (value) => (outcome.value = value),
        (error: unknown) => (outcome.value = error),
      );
      return () => {
        const { value } = outcome;
        if (Array.isArray(value)) {
          world.check(
            value.every((one, index) => one === `item ${index}`),
            `results: ${value.join()}`,
          );
          world.check(value.length === calls, "a result is missing");
        } else
          world.check(
            value === outer.error || value instanceof TaskGroupError,
            `it ends in ${String(value)}`,
          );
        world.check(source.returned <= 1, "the source was returned twice");
      };
    },
  },
  {
    name: "group: map over a list under a limit: a failure against the next pull",
    set(world) {
      const outer = world.outer();
      let returned = 0;
      let pulled = 0;
      const items: Iterable<string> = {
        [Symbol.iterator]: () => ({
          next: () =>
            pulled < 3 ? { done: false, value: `item ${pulled++}` } : { done: true, value: undefined },
          return: () => {
            returned++;
            return { done: true, value: undefined };
          },
        }),
      };
      let running = 0;
      const promise = TaskGroup.map(
        items,
        (item, token) => {
          world.check(++running <= 2, `${running} run under a limit of 2`);
          const { fn } = world.work(item, { ...both, asked: "cleans up" });
          return (fn(token) as Promise<unknown>).finally(() => running--);
        },
        { token: outer.token, concurrency: 2 },
      );
      world.wait("map", promise);
      let resolved: unknown[] | undefined;
      promise.then(
        (value) => (resolved = value),
        () => undefined,
      );
      return () => {
        if (resolved !== undefined) world.check(resolved.join() === "item 0,item 1,item 2", resolved.join());
        world.check(
          returned <= 1 && (resolved === undefined || returned === 0),
          `returned ${returned} times`,
        );
      };
    },
  },
  {
    name: "group: stopped by disposal while it fails (await using)",
    set(world) {
      const group = world.adopt(new TaskGroup({ concurrency: 1 }), "group");
      world.spawn(group, "a", { ends: ["fails", "returns"], asked: "ignores" });
      world.spawn(group, "b", both);
      let outcome: { value: unknown } | undefined;
      world.event("dispose", () => {
        outcome = outcomeOf(world, "dispose", group[Symbol.asyncDispose]());
      });
      return () => {
        const value = outcome?.value;
        if (value instanceof TaskGroupError) world.delivered.push(...value.leaves());
        world.check(value === undefined || value instanceof TaskGroupError, `it ends in ${String(value)}`);
        world.check(group.size === 0 && group.state === "closed", "it is not closed");
      };
    },
  },
];
