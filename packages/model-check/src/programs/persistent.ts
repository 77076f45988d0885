/** `PersistentTaskGroup`, `ServiceBase`, `ServiceGroup`: what has ended is kept until somebody has looked at it. */
import {
  type CancellationToken,
  InvalidStateError,
  type Task,
  TaskGroupError,
  TaskScope,
  TimeoutError,
  isCancellation,
} from "@scope/core";
import { PersistentTaskGroup, ServiceBase, ServiceGroup } from "@scope/persistent";
import type { Program } from "../explore.ts";
import { type Work, type WorkSpec, type World, leavesOf } from "../world.ts";

const both = { ends: ["returns", "fails"] } as const;

/** Spawns a task whose failure is not logged, since that is no report; `undefined` if it is refused. */
function spawn(
  world: World,
  group: PersistentTaskGroup,
  name: string,
  spec?: WorkSpec,
): Task<unknown> | undefined {
  const { work, fn } = world.work(name, spec);
  try {
    const task = group.spawn(fn, { name, logError: false });
    world.watch(task, work);
    return task;
  } catch (error) {
    world.check(error instanceof InvalidStateError, `${name} is refused with ${String(error)}`);
    return undefined;
  }
}

/** L1: whoever was there when the wait began has ended. */
function waitForAll(world: World, what: string, begin: () => Promise<unknown>): void {
  const there = world.works.filter(({ begun }) => begun !== undefined);
  const promise = begin();
  const look = (error?: unknown): void => {
    if (error instanceof TimeoutError) return;
    for (const { name, ended } of there) world.check(ended !== undefined, `L1: ${name} runs after ${what}`);
  };
  world.wait(what, promise);
  promise.then(() => look(), look);
}

/** Whatever nobody has looked at is thrown in the end. */
function joinInTheEnd(world: World, group: PersistentTaskGroup): void {
  world.last("the last join", () => waitForAll(world, "the last join", () => group.join()));
}

function empty(world: World, group: PersistentTaskGroup): void {
  world.check(!group.isRunning, "it runs in the end");
  world.check(group.tasks.size === 0, `${group.tasks.size} tasks are kept in the end`);
}

/** A loop that acknowledges all it gets, or is left after the first; returns how many it has got, and which. */
function iterate(
  world: World,
  name: string,
  group: PersistentTaskGroup,
  { leave = false, timeout = Infinity } = {},
): Task<unknown>[] {
  const got: Task<unknown>[] = [];
  const run = async (): Promise<void> => {
    const iterator = group.asCompleted({ timeout });
    for (;;) {
      const step = await iterator.next();
      if (step.done === true) return;
      const task = step.value;
      world.note(`${name} gets ${task.name}`);
      world.check(task.done, `${name} gets a task that is not done`);
      world.check(!got.includes(task), `${name} gets a task twice`);
      got.push(task);
      if (!leave) continue;
      await iterator.return();
      return;
    }
  };
  world.wait(name, run());
  return got;
}

/** Failures that a loop has got are told by it, unless somebody else told them before it came back. */
function deliver(world: World, got: readonly Task<unknown>[]): void {
  const thrown = new Set(world.waits.flatMap(({ outcome }) => leavesOf(outcome)));
  for (const { status, error } of got) {
    if (status === "failed" && !thrown.has(error)) world.delivered.push(error);
  }
}

class Worker extends ServiceBase {
  readonly works: Work[] = [];
  readonly #world: World;
  readonly #spec: WorkSpec;

  constructor(world: World, uniqueId: string, spec: WorkSpec) {
    super({ uniqueId });
    this.#world = world;
    this.#spec = spec;
  }

  protected override async main(token: CancellationToken): Promise<void> {
    const name = `${this.uniqueId}${this.works.length + 1}`;
    const other = this.works.find(({ ended }) => ended === undefined);
    if (other !== undefined) this.#world.violate(`${name} begins, and ${other.name} has not ended`);
    const { work, fn } = this.#world.work(name, this.#spec);
    this.works.push(work);
    await fn(token);
  }
}

export const persistentPrograms: readonly Program[] = [
  {
    name: "persistent: acknowledge against a failure and join (L2)",
    set(world) {
      const group = new PersistentTaskGroup();
      const task = spawn(world, group, "a", both)!;
      spawn(world, group, "b", { ends: ["fails"] });
      world.event("acknowledge", () => {
        const done = task.done;
        const noted = group.acknowledge(task);
        world.check(!noted || done, "a task that runs was acknowledged");
        world.check(!group.acknowledge(task), "it was acknowledged twice");
        if (noted && task.status === "failed") world.delivered.push(task.error);
      });
      world.event("join", () => waitForAll(world, "join", () => group.join()));
      joinInTheEnd(world, group);
      return () => empty(world, group);
    },
  },
  {
    name: "persistent: a loop is left while another task ends, and joined later (L2)",
    set(world) {
      const group = new PersistentTaskGroup();
      spawn(world, group, "a", both);
      spawn(world, group, "b", { ends: ["fails"] });
      const left = iterate(world, "the loop that is left", group, { leave: true });
      let second: Task<unknown>[] = [];
      world.event("iterate again", () => {
        second = iterate(world, "the second loop", group);
      });
      joinInTheEnd(world, group);
      return () => {
        world.check(left.length <= 1, "it was left after the first");
        deliver(world, second);
        empty(world, group);
      };
    },
  },
  {
    name: "persistent: a listener spawns another one when the last has ended, while a loop waits (R2)",
    set(world) {
      const group = new PersistentTaskGroup();
      const task = spawn(world, group, "a", both);
      task?.onDone(() => {
        spawn(world, group, "b", both);
      });
      const loops = ["the first loop", "the second loop"].map((name) => {
        const got = iterate(world, name, group);
        const wait = world.waits.at(-1)!;
        return { got, wait };
      });
      return () => {
        deliver(
          world,
          loops.flatMap(({ got }) => got),
        );
        const ends = world.works.map(({ ended }) => ended!);
        for (const { wait } of loops) {
          world.check(wait.settled! > Math.max(...ends), `${wait.what} has ended before the last task`);
        }
        empty(world, group);
      };
    },
  },
  {
    name: "persistent: two loops at once never get the same task",
    set(world) {
      const group = new PersistentTaskGroup();
      const tasks = ["a", "b", "c"].map((name) => spawn(world, group, name, both));
      const first = iterate(world, "the first loop", group);
      let second: Task<unknown>[] = [];
      world.event("iterate", () => {
        second = iterate(world, "the second loop", group);
      });
      return () => {
        const all = [...first, ...second];
        world.check(new Set(all).size === all.length, "a task was handed out twice");
        world.check(all.length === tasks.length, `${all.length} of ${tasks.length} tasks were handed out`);
        deliver(world, all);
        empty(world, group);
      };
    },
  },
  {
    name: "persistent: the time limit of a loop against a completion",
    set(world) {
      const group = new PersistentTaskGroup();
      spawn(world, group, "a", both);
      spawn(world, group, "b", both);
      const got = iterate(world, "the loop", group, { timeout: 10 });
      let polled: Task<unknown>[] = [];
      world.event("poll", () => {
        polled = iterate(world, "the poll", group, { timeout: 0 });
      });
      joinInTheEnd(world, group);
      return () => {
        deliver(world, [...got, ...polled]);
        world.check(!got.some((task) => polled.includes(task)), "a task was handed out twice");
        empty(world, group);
      };
    },
  },
  {
    name: "persistent: what is spawned while it is stopped is never called",
    set(world) {
      const group = new PersistentTaskGroup();
      let stopping = false;
      const first = (): void => {
        const asked = world.works.some(({ asked, ended }) => asked !== undefined && ended === undefined);
        world.check(!stopping || !asked, "called while the group is stopped");
      };
      const task = spawn(world, group, "a", { ends: ["fails", "returns"], asked: "cleans up" });
      task?.onDone(() => {
        spawn(world, group, "b", { ...both, first });
      });
      world.event("spawn c", () => spawn(world, group, "c", { ...both, first }));
      world.event("stop", () => {
        stopping = true;
        waitForAll(world, "stop", () => group.stop().finally(() => (stopping = false)));
      });
      joinInTheEnd(world, group);
      return () => empty(world, group);
    },
  },
  {
    name: "persistent: the time limit of stop against the end, and what the next join tells (L2)",
    set(world) {
      const group = new PersistentTaskGroup();
      spawn(world, group, "a", { ends: ["fails", "returns"], asked: "ignores" });
      spawn(world, group, "b", { ends: [], asked: "cleans up" });
      world.event("stop", () => waitForAll(world, "stop", () => group.stop({ timeout: 5 })));
      joinInTheEnd(world, group);
      return () => empty(world, group);
    },
  },
  {
    name: "persistent: stop and join at once: one of them tells (L2)",
    set(world) {
      const group = new PersistentTaskGroup();
      spawn(world, group, "a", { ends: ["fails"], asked: "cleans up" });
      spawn(world, group, "b", { ends: ["returns"], asked: "fails" });
      world.event("stop", () => waitForAll(world, "stop", () => group.stop()));
      world.event("join", () => waitForAll(world, "join", () => group.join()));
      joinInTheEnd(world, group);
      return () => empty(world, group);
    },
  },
  {
    name: "persistent: run, whose body ends while tasks fail and the outer token is cancelled (L5)",
    set(world) {
      const outer = world.outer();
      const body = world.work("body", { ends: ["returns", "fails"], asked: "ignores" });
      let opened: PersistentTaskGroup | undefined;
      const promise = PersistentTaskGroup.run(
        (group) => {
          opened = group;
          spawn(world, group, "a", { ends: ["fails", "returns"], asked: "cleans up" });
          return body.fn(group.token);
        },
        { token: outer.token },
      );
      waitForAll(world, "run", () => promise);
      let outcome: unknown;
      promise.then(
        (value) => (outcome = value),
        (error: unknown) => (outcome = error),
      );
      return () => {
        const a = world.works.find(({ name }) => name === "a");
        const failed = a?.task?.status === "failed";
        if (failed) world.check(outcome instanceof TaskGroupError, `it ends in ${String(outcome)}`);
        else if (body.work.threw) world.check(outcome === body.work.error, `it ends in ${String(outcome)}`);
        else if (isCancellation(outcome)) world.check(outcome === outer.error, "L4: whose is it?");
        else world.check(outcome === "body", `it ends in ${String(outcome)}`);
        if (opened !== undefined) empty(world, opened);
      };
    },
  },
  {
    name: "persistent: a fatal error against a failure and the body (L5)",
    set(world) {
      // Nobody else ends it.
      const body = world.work("body", { ends: [], asked: "obeys" });
      const promise = PersistentTaskGroup.run((group) => {
        spawn(world, group, "a", { ends: ["fails fatally"], asked: "cleans up" });
        spawn(world, group, "b", { ends: ["fails"], asked: "fails" });
        return body.fn(group.token);
      });
      world.wait("run", promise);
      let outcome: unknown;
      promise.then(
        (value) => (outcome = value),
        (error: unknown) => (outcome = error),
      );
      return () => {
        const fatal = world.works.find(({ threw, error }) => threw && (error as Error).name === "FatalError");
        if (fatal !== undefined) world.check(outcome === fatal.error, `L5: it ends in ${String(outcome)}`);
      };
    },
  },
  {
    name: "persistent: with a spawner that is cancelled, and cancelled itself (L8)",
    set(world) {
      const outer = world.outer();
      world.run(TaskScope, "lender", { onError: "ignore" }, (scope) => {
        const group = new PersistentTaskGroup({ spawner: scope, token: outer.token });
        spawn(world, group, "a", { ...both, asked: "cleans up" });
        spawn(world, group, "b", { asked: "obeys" });
        world.event("cancel the group", () => {
          world.cancel("group.cancel", () => group.cancel());
        });
        world.event("cancel the lender", () => {
          world.cancel("lender.cancel", () => scope.cancel());
        });
        // As long as it is open it follows its token.
        world.last("dispose", () => world.wait("dispose", group[Symbol.asyncDispose]()));
      });
      return undefined;
    },
  },
  {
    name: "persistent: with retain: failures, a loop gets what succeeds while it waits",
    set(world) {
      const group = new PersistentTaskGroup({ retain: "failures" });
      spawn(world, group, "a", both);
      spawn(world, group, "b", both);
      let got: Task<unknown>[] = [];
      world.event("iterate", () => {
        got = iterate(world, "the loop", group);
      });
      return () => {
        deliver(world, got);
        const failed = world.works.filter(({ threw }) => threw).length;
        world.check(
          got.filter(({ status }) => status === "failed").length === failed,
          "a failure was not kept",
        );
        empty(world, group);
      };
    },
  },
  {
    name: "service: start and stop against the crash of main",
    set(world) {
      const service = new Worker(world, "a", { ends: ["fails"], asked: "cleans up" });
      world.expectedReports = (error) => world.thrown.has(error);
      world.event("start", () => service.start());
      world.event("start again", () => service.start());
      world.event("stop", () => waitForAll(world, "stop", () => service.stop()));
      world.last("the last stop", () => waitForAll(world, "the last stop", () => service.stop()));
      return () => {
        // A failure is logged at once as well: that is no report.
        for (const error of world.thrown.keys()) {
          const logged = world.reports.indexOf(error);
          world.check(logged >= 0, "the crash of main was not logged");
          world.reports.splice(logged, 1);
        }
        world.check(!service.isRunning, "it runs in the end");
      };
    },
  },
  {
    name: "service: a group stops in reverse while one crashes and all are cancelled",
    set(world) {
      const services = ["a", "b", "c"].map(
        (name, index) =>
          new Worker(world, name, {
            ends: index === 1 ? ["fails"] : [],
            asked: index === 2 ? "cleans up" : "obeys",
          }),
      );
      const group = new ServiceGroup(services);
      group.start();
      world.event("cancel", () => {
        world.cancel("group.cancel", () => group.cancel());
      });
      let outcome: unknown;
      const promise = group.join();
      waitForAll(world, "join", () => promise);
      promise.catch((error: unknown) => (outcome = error));
      world.expectedReports = (error) => world.thrown.has(error);
      return () => {
        for (const error of world.thrown.keys()) {
          const logged = world.reports.indexOf(error);
          if (logged >= 0) world.reports.splice(logged, 1);
        }
        const works = services.map((service) => service.works[0]);
        for (const [index, older] of works.entries()) {
          for (const newer of works.slice(index + 1)) {
            if (older?.asked === undefined || newer?.ended === undefined) continue;
            world.check(
              newer.ended < older.asked,
              `S1: ${older.name} was asked before ${newer.name} had ended`,
            );
          }
        }
        world.check(
          !group.isRunning && services.every(({ isRunning }) => !isRunning),
          "something runs in the end",
        );
        world.note(String(outcome));
      };
    },
  },
];
