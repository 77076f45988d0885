/** Background tasks of `@scope/guarded`: spawning against stopping. */
import type { Task } from "@scope/core";
import { backgroundTasks, spawn, spawnGuarded, stopBackgroundTasks } from "@scope/guarded";
import { TimeoutError } from "@scope/core";
import type { Program } from "../explore.ts";
import type { Outer, WorkSpec, World } from "../world.ts";
import { outcomeOf } from "./outcome.ts";

/** How many stop the background tasks of a run. */
const stopping = new WeakMap<World, number>();

function background(world: World, name: string, spec: WorkSpec, outer?: Outer): Task<unknown> {
  const first = (): void => {
    // Whoever stops hears a few turns late that it is done.
    const asked = world.works.some((work) => work.asked !== undefined && work.ended === undefined);
    const stopped = (stopping.get(world) ?? 0) > 0 && asked;
    world.check(!stopped, `G3: ${name} is called while all are stopped`);
  };
  const { work, fn } = world.work(name, { first, ...spec });
  const task = spawn(fn, { name, ...(outer && { token: outer.token }) });
  world.watch(task, work);
  // One that is refused is never called, and needs no owner.
  world.check(backgroundTasks().has(task) || task.cancelRequested, `G1: ${name} is not listed`);
  return task;
}

function stopEvent(world: World, name: string, timeout = Infinity): { value: unknown } {
  const outcome: { value: unknown } = { value: "nothing yet" };
  world.event(name, () => {
    const by = (count: number): unknown => stopping.set(world, (stopping.get(world) ?? 0) + count);
    by(1);
    const promise = stopBackgroundTasks({ timeout }).finally(() => by(-1));
    const stopped = outcomeOf(world, name, promise);
    Object.defineProperty(outcome, "value", { get: () => stopped.value });
  });
  return outcome;
}

function nothingLeft(world: World): void {
  world.check(backgroundTasks().size === 0, `${backgroundTasks().size} background tasks are left`);
}

export const guardedPrograms: readonly Program[] = [
  {
    name: "guarded: stopBackgroundTasks against spawn (G3)",
    set(world) {
      background(world, "a", { asked: "cleans up" });
      stopEvent(world, "stop");
      world.event("spawn b", () => background(world, "b", {}));
      world.event("spawn c", () => background(world, "c", { ends: ["fails"] }));
      return () => nothingLeft(world);
    },
  },
  {
    name: "guarded: a task that spawns another when it is stopped (G3)",
    set(world) {
      const a = background(world, "a", { asked: "cleans up" });
      a.onDone(() => {
        background(world, "b", {});
      });
      a.token.onCancel(() => {
        background(world, "c", {});
      });
      const outcome = stopEvent(world, "stop");
      return () => {
        nothingLeft(world);
        world.check(outcome.value === undefined, `stop ends in ${String(outcome.value)}`);
      };
    },
  },
  {
    name: "guarded: a task with a token, which is cancelled while it fails and another is spawned (G2)",
    set(world) {
      const outer = world.outer();
      background(world, "a", { ends: ["fails", "returns"], asked: "cleans up" }, outer);
      world.event("spawn b", () => background(world, "b", {}, outer));
      return () => nothingLeft(world);
    },
  },
  {
    name: "guarded: two who stop, one with a time limit",
    set(world) {
      background(world, "a", { asked: "cleans up" });
      const limited = stopEvent(world, "stop within 5 ms", 5);
      const patient = stopEvent(world, "stop");
      return () => {
        nothingLeft(world);
        world.check(patient.value === undefined, `stop ends in ${String(patient.value)}`);
        const { value } = limited;
        world.check(value === undefined || value instanceof TimeoutError, `it ends in ${String(value)}`);
        if (value instanceof TimeoutError) world.check(value.message.includes('"a"'), value.message);
      };
    },
  },
  {
    name: "guarded: a guarded task fails while all are stopped",
    set(world) {
      const codes: number[] = [];
      const logged: unknown[] = [];
      const { work, fn } = world.work("a", { ends: ["fails", "returns"], asked: "cleans up" });
      const task = spawnGuarded(fn, {
        name: "a",
        exit: (code) => codes.push(code),
        logger: { error: (text: unknown) => logged.push(text) },
      });
      world.watch(task, work);
      stopEvent(world, "stop");
      return () => {
        nothingLeft(world);
        const failed = task.status === "failed";
        if (failed) world.delivered.push(task.error);
        world.check(codes.join() === (failed ? "1" : ""), `exits: ${codes.join()}`);
        world.check(logged.length === (failed ? 2 : 0), `logged ${logged.length} times`);
      };
    },
  },
];
