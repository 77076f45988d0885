/** `Supervisor`: restarts against everything that ends them. */
import { InvalidStateError, TaskScope, TimeoutError } from "@scope/core";
import {
  type Child,
  type ChildFunction,
  type ChildSpec,
  RestartLimitError,
  Supervisor,
} from "@scope/supervisor";
import type { Program } from "../explore.ts";
import type { OwnerOptions, Work, WorkSpec, World } from "../world.ts";
import { outcomeOf } from "./outcome.ts";

/** A supervised child: each attempt is a piece of work, of which `attempts` end by themselves. */
class Supervised {
  readonly child: Child;
  readonly attempts: Work[] = [];
  readonly #world: World;
  readonly #name: string;
  readonly #work: WorkSpec;
  readonly #supervisor: Supervisor;

  constructor(
    world: World,
    supervisor: Supervisor,
    name: string,
    work: WorkSpec & { times?: number },
    spec: Partial<ChildSpec> = {},
  ) {
    this.#world = world;
    this.#name = name;
    this.#work = work;
    this.#supervisor = supervisor;
    this.child = supervisor.supervise(this.#attempt(work.times ?? 1), { name, ...spec });
  }

  #attempt(times: number): ChildFunction {
    return (token) => {
      const number = this.attempts.length + 1;
      const { asked = "obeys", ends = ["fails"] } = this.#work;
      const name = `${this.#name}${number}`;
      const spec = number <= times ? { asked, ends } : { ends: [] };
      const { work, fn } = this.#world.work(name, spec, this.#world.record(this.#supervisor));
      const other = this.attempts.find(({ ended }) => ended === undefined);
      if (other !== undefined) this.#world.violate(`V2: ${name} begins, and ${other.name} has not ended`);
      if (this.#supervisor.state === "closed") this.#world.violate(`L1: ${name} begins when all is over`);
      this.attempts.push(work);
      return fn(token);
    };
  }
}

interface Options extends OwnerOptions {
  readonly strategy?: "one-for-one" | "one-for-all" | "rest-for-one";
  readonly maxRestarts?: number;
}

/** Runs a supervisor whose body waits until it is asked; "stop" is an event. */
function supervise(
  world: World,
  options: Options,
  set: (supervisor: Supervisor) => void,
  spec: WorkSpec = { ends: [] },
): { supervisor: Supervisor; outcome: { value: unknown } } {
  const result: { supervisor?: Supervisor; outcome: { value: unknown } } = {
    outcome: { value: "nothing yet" },
  };
  const promise = world.open(
    Supervisor,
    "supervisor",
    { ...options, onError: world.onError, onEvent: () => world.callback("onEvent") },
    (supervisor) => {
      result.supervisor = supervisor;
      set(supervisor);
    },
    { ...spec, free: true },
  );
  promise.then(
    (value) => (result.outcome.value = value),
    (error: unknown) => (result.outcome.value = error),
  );
  return result as ReturnType<typeof supervise>;
}

function stopEvent(world: World, supervisor: Supervisor): void {
  world.event("stop", () => world.stop(supervisor));
}

/** V1: of those that were asked when all stopped, each after the newer ones had ended. */
function stoppedInReverse(world: World, supervised: readonly Supervised[]): void {
  const last = supervised.map(({ attempts }) => attempts.at(-1));
  for (const [index, older] of last.entries()) {
    for (const newer of last.slice(index + 1)) {
      if (older?.asked === undefined || newer?.asked === undefined) continue;
      world.check(newer.ended! < older.asked, `V1: ${older.name} was asked before ${newer.name} had ended`);
    }
  }
}

function endedForGood(world: World, supervised: readonly Supervised[]): void {
  for (const { child } of supervised) {
    const { status, name, task } = child;
    world.check(status === "stopped" || status === "failed", `${name} is ${status} in the end`);
    world.check(task === undefined, `${name} has a task in the end`);
  }
}

export const supervisorPrograms: readonly Program[] = [
  {
    name: "supervisor: stop against the restart back-off",
    set(world) {
      let a: Supervised;
      const { supervisor } = supervise(world, {}, (opened) => {
        a = new Supervised(world, opened, "a", { asked: "cleans up" }, { backoff: { initial: 100 } });
        stopEvent(world, opened);
      });
      return () => {
        endedForGood(world, [a]);
        world.check(supervisor.size === 0, "it has children in the end");
        world.check(a.attempts.length <= 2, "one failure, and more than one restart");
      };
    },
  },
  {
    name: "supervisor: the outer token is cancelled while a child is restarted",
    set(world) {
      const outer = world.outer("outer cancel", { needed: true });
      let a: Supervised;
      const { outcome } = supervise(world, { token: outer.token }, (opened) => {
        a = new Supervised(world, opened, "a", { asked: "fails", times: 2 });
      });
      return () => {
        endedForGood(world, [a]);
        world.check(outcome.value === outer.error, `it ends in ${String(outcome.value)}`);
      };
    },
  },
  {
    name: "supervisor: child.restart against its failure",
    set(world) {
      let a: Supervised;
      supervise(world, {}, (opened) => {
        a = new Supervised(world, opened, "a", { asked: "cleans up" }, { backoff: { initial: 100 } });
        world.event("restart", () => {
          const waiting = a.child.status;
          world.note(`it is ${waiting}`);
          world.wait(
            "restart",
            a.child.restart().then(
              () => world.check(a.child.status !== "backing-off", "restart resolves too early"),
              (error: unknown) => world.check(error instanceof InvalidStateError, String(error)),
            ),
          );
        });
        stopEvent(world, opened);
      });
      return () => endedForGood(world, [a]);
    },
  },
  {
    name: "supervisor: child.restart twice, and child.stop",
    set(world) {
      let a: Supervised;
      supervise(world, {}, (opened) => {
        a = new Supervised(world, opened, "a", { ends: [], asked: "cleans up", times: 1 });
        for (const name of ["restart", "restart again"]) {
          world.event(name, () => {
            world.wait(
              name,
              a.child.restart().catch((error: unknown) => {
                world.check(error instanceof InvalidStateError, String(error));
              }),
            );
          });
        }
        world.event("child.stop", () => {
          world.wait(
            "child.stop",
            a.child.stop().then(() => world.note(`stopped: ${a.child.status}`)),
          );
        });
        // Whoever is last may have started it again.
        world.event(
          "the end",
          () => opened.cancel(),
          () => a.child.status === "stopped" || a.attempts.length > 1,
        );
        world.event("cancel", () => opened.cancel());
      });
      return () => endedForGood(world, [a]);
    },
  },
  {
    name: "supervisor: child.stop against its failure, and against its back-off",
    set(world) {
      let a: Supervised;
      supervise(world, {}, (opened) => {
        a = new Supervised(
          world,
          opened,
          "a",
          { asked: "cleans up", times: 2 },
          { backoff: { initial: 10 } },
        );
        world.event("child.stop", () => {
          world.wait(
            "child.stop",
            a.child.stop().then(() => {
              world.check(a.child.status === "stopped", `stopped, it is ${a.child.status}`);
              world.check(a.attempts.at(-1)?.ended !== undefined, "L1: it runs after its stop");
            }),
          );
        });
        world.event("cancel", () => opened.cancel());
      });
      return () => {
        endedForGood(world, [a]);
      };
    },
  },
  {
    name: "supervisor: child.task.cancel against its failure",
    set(world) {
      let a: Supervised;
      supervise(world, {}, (opened) => {
        a = new Supervised(world, opened, "a", { asked: "cleans up", ends: ["fails", "returns"] });
        world.event("cancel the attempt", () => {
          world.cancel("task.cancel", () => a.child.task?.cancel());
        });
        world.event(
          "cancel",
          () => opened.cancel(),
          () => a.attempts.length > 1,
        );
        world.event(
          "stop",
          () => world.stop(opened),
          () => a.attempts.length > 1,
        );
      });
      return () => {
        endedForGood(world, [a]);
        world.check(
          a.attempts.length === 2 || a.attempts.length === 3,
          "a permanent child was not restarted",
        );
      };
    },
  },
  {
    name: "supervisor: one-for-all while it is stopped (V1)",
    set(world) {
      const all: Supervised[] = [];
      supervise(world, { strategy: "one-for-all" }, (opened) => {
        all.push(new Supervised(world, opened, "a", {}));
        all.push(new Supervised(world, opened, "b", { ends: [], asked: "cleans up" }));
        stopEvent(world, opened);
      });
      return () => endedForGood(world, all);
    },
  },
  {
    name: "supervisor: one-for-all, and two children fail",
    set(world) {
      const all: Supervised[] = [];
      supervise(world, { strategy: "one-for-all" }, (opened) => {
        all.push(new Supervised(world, opened, "a", { asked: "cleans up" }));
        all.push(new Supervised(world, opened, "b", { asked: "fails" }));
        world.event(
          "cancel",
          () => opened.cancel(),
          () => all.every(({ attempts }) => attempts.length > 1),
        );
      });
      return () => {
        endedForGood(world, all);
        stoppedInReverse(world, all);
        const begun = all.map(({ attempts }) => attempts.at(-1)?.begun ?? 0);
        world.check(begun[0]! < begun[1]!, "V1: started in another order");
      };
    },
  },
  {
    name: "supervisor: rest-for-one, and two children fail, under a back-off",
    set(world) {
      const all: Supervised[] = [];
      supervise(world, { strategy: "rest-for-one" }, (opened) => {
        all.push(new Supervised(world, opened, "a", {}, { backoff: { initial: 10 } }));
        all.push(new Supervised(world, opened, "b", { asked: "cleans up" }, { backoff: { initial: 20 } }));
        all.push(new Supervised(world, opened, "c", { ends: [] }));
        stopEvent(world, opened);
      });
      return () => endedForGood(world, all);
    },
  },
  {
    name: "supervisor: rest-for-one while a child is stopped and restarted by hand",
    set(world) {
      const all: Supervised[] = [];
      supervise(world, { strategy: "rest-for-one" }, (opened) => {
        all.push(new Supervised(world, opened, "a", {}));
        all.push(new Supervised(world, opened, "b", { ends: [], asked: "cleans up" }));
        world.event("stop b", () => {
          world.wait("b.stop", all[1]!.child.stop());
        });
        world.event("restart b", () => {
          world.wait(
            "b.restart",
            all[1]!.child.restart().catch((error: unknown) => {
              world.check(error instanceof InvalidStateError, String(error));
            }),
          );
        });
        world.event(
          "cancel",
          () => opened.cancel(),
          () => all[0]!.attempts.length > 1,
        );
      });
      return () => endedForGood(world, all);
    },
  },
  {
    name: "supervisor: three children stop one after another while one fails (V1)",
    set(world) {
      const all: Supervised[] = [];
      supervise(world, {}, (opened) => {
        all.push(new Supervised(world, opened, "a", { ends: [] }));
        all.push(new Supervised(world, opened, "b", { asked: "cleans up" }));
        all.push(new Supervised(world, opened, "c", { ends: [], asked: "cleans up" }));
        world.event("cancel", () => {
          opened.cancel();
        });
      });
      return () => {
        endedForGood(world, all);
        stoppedInReverse(world, all);
      };
    },
  },
  {
    name: "supervisor: the restart limit against stop",
    set(world) {
      let a: Supervised;
      let b: Supervised;
      const { outcome } = supervise(world, { maxRestarts: 1 }, (opened) => {
        a = new Supervised(world, opened, "a", { times: 2 });
        b = new Supervised(world, opened, "b", { ends: [], asked: "cleans up" });
        stopEvent(world, opened);
      });
      return () => {
        endedForGood(world, [a, b]);
        const { value } = outcome;
        world.check(a.attempts.length <= 2, "it was restarted past the limit");
        const gaveUp = a.attempts.length === 2 && a.attempts[1]!.threw && a.attempts[1]!.asked === undefined;
        const fine = value instanceof RestartLimitError || (value as Error).name === "AbortError";
        world.check(fine, `it ends in ${String(value)}`);
        if (value instanceof RestartLimitError)
          world.check(gaveUp && value.cause === a.attempts[1]!.error, "why?");
        const told = world.waits.filter(({ outcome: error }) => error instanceof RestartLimitError);
        world.check(told.length <= 2, "it was told too often");
      };
    },
  },
  {
    name: "supervisor: a child that is late when all stops, is named and waited for (L1)",
    set(world) {
      const all: Supervised[] = [];
      const { outcome } = supervise(world, {}, (opened) => {
        all.push(new Supervised(world, opened, "a", { ends: [] }, { stopTimeout: 20 }));
        all.push(new Supervised(world, opened, "b", { ends: [], asked: "cleans up" }, { stopTimeout: 10 }));
        world.event("cancel", () => opened.cancel());
      });
      return () => {
        endedForGood(world, all);
        const { value } = outcome;
        const late = value instanceof TimeoutError;
        world.check(late || (value as Error).name === "AbortError", `it ends in ${String(value)}`);
        if (late) world.check(value.message.includes('"b"') && !value.message.includes('"a"'), value.message);
        const [a, b] = all.map(({ attempts }) => attempts[0]!);
        world.check(b!.asked! < a!.asked!, "V1: the older one was asked first");
      };
    },
  },
  {
    name: "supervisor: child.stop, late, while the supervisor is stopped",
    set(world) {
      let a: Supervised;
      let stopped: { value: unknown } | undefined;
      supervise(world, {}, (opened) => {
        a = new Supervised(world, opened, "a", { ends: [], asked: "cleans up" }, { stopTimeout: 10 });
        world.event("child.stop", () => {
          stopped = outcomeOf(world, "child.stop", a.child.stop());
        });
        world.event("cancel", () => opened.cancel());
      });
      world.expectedReports = (error) => error instanceof TimeoutError;
      return () => {
        endedForGood(world, [a]);
        const value = stopped?.value;
        world.check(value === undefined || value instanceof TimeoutError, `it ends in ${String(value)}`);
      };
    },
  },
  {
    name: "supervisor: a significant child ends while it is stopped and a sibling fails",
    set(world) {
      const all: Supervised[] = [];
      supervise(world, {}, (opened) => {
        const spec = { restart: "transient", significant: true } as const;
        all.push(new Supervised(world, opened, "a", { ends: ["returns"], asked: "cleans up" }, spec));
        all.push(new Supervised(world, opened, "b", {}));
        stopEvent(world, opened);
      });
      return () => endedForGood(world, all);
    },
  },
  {
    name: "supervisor: a one-shot child fails while it is cancelled from outside (L2)",
    set(world) {
      const outer = world.outer("outer cancel", { needed: true });
      const all: Supervised[] = [];
      supervise(world, { token: outer.token }, (opened) => {
        all.push(new Supervised(world, opened, "a", {}));
        world.spawn(opened, "one-shot", { ends: ["fails", "returns"], asked: "cleans up" });
      });
      return () => endedForGood(world, all);
    },
  },
  {
    name: "supervisor: a fatal child against a failing one and a one-shot (L5)",
    set(world) {
      const all: Supervised[] = [];
      const { outcome } = supervise(world, {}, (opened) => {
        all.push(new Supervised(world, opened, "a", { ends: ["fails fatally"] }));
        all.push(new Supervised(world, opened, "b", { ends: ["fails"], asked: "fails" }));
        world.spawn(opened, "one-shot", { ends: ["fails fatally"], asked: "obeys" });
      });
      return () => {
        endedForGood(world, all);
        world.check((outcome.value as Error).name === "FatalError", `it ends in ${String(outcome.value)}`);
      };
    },
  },
  {
    name: "supervisor: the body ends while the last child does",
    set(world) {
      const all: Supervised[] = [];
      const { outcome } = supervise(
        world,
        {},
        (opened) => {
          all.push(
            new Supervised(world, opened, "a", { ends: ["returns", "fails"] }, { restart: "temporary" }),
          );
          world.spawn(opened, "one-shot");
        },
        { ends: ["returns", "fails"] },
      );
      return () => {
        endedForGood(world, all);
        const body = world.works.find(({ name }) => name === "supervisor's body");
        const expected = body?.threw === true ? body.error : "supervisor's body";
        world.check(outcome.value === expected, `it ends in ${String(outcome.value)}`);
      };
    },
  },
  {
    name: "supervisor: a child is supervised while it is cancelled, and while another starts",
    set(world) {
      const all: Supervised[] = [];
      supervise(world, {}, (opened) => {
        all.push(new Supervised(world, opened, "a", {}));
        world.event("supervise b", () => {
          try {
            all.push(new Supervised(world, opened, "b", { ends: ["fails"] }));
          } catch (error) {
            world.check(error instanceof InvalidStateError, String(error));
            world.check(opened.cancelRequested, "refused, though it is open");
          }
        });
        stopEvent(world, opened);
      });
      return () => endedForGood(world, all);
    },
  },
  {
    name: "supervisor: a supervisor in a task of a scope that is cancelled",
    set(world) {
      const outer = world.outer("outer cancel", { needed: true });
      let a: Supervised;
      world.run(TaskScope, "scope", { token: outer.token, onError: world.onError }, (scope) => {
        world.spawn(scope, "middle", {
          fn: (token) =>
            world.open(
              Supervisor,
              "supervisor",
              { token, onError: world.onError },
              (supervisor) => {
                a = new Supervised(world, supervisor, "a", { asked: "cleans up" });
              },
              { nested: true, free: true, ends: [] },
            ),
        });
        world.spawn(scope, "sibling", { ends: ["fails"], asked: "fails" });
      });
      return () => endedForGood(world, [a]);
    },
  },
];
