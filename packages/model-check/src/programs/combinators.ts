/** `race`, `asCompleted`, `gather`: delivered failures, late ones, and leaving early. */
import { type CancellationToken, type Task, TaskGroupError, isCancellation } from "@scope/core";
import { asCompleted, gather, race } from "@scope/supervisor";
import type { Program } from "../explore.ts";
import type { Outer, WorkSpec, World } from "../world.ts";

type Fn = (token: CancellationToken) => unknown;

const both = { ends: ["returns", "fails"] } as const;

function works(world: World, specs: Record<string, WorkSpec>): Fn[] {
  return Object.entries(specs).map(([name, spec]) => world.work(name, spec).fn);
}

/** L1: when a combinator has settled, none of its functions runs. */
function allEnded(world: World, what: string): void {
  for (const { name, begun, ended } of world.works) {
    if (begun !== undefined && ended === undefined) world.violate(`L1: ${name} runs after ${what}`);
  }
}

/** What a promise comes to. What it rejects with is told by it; what it resolves with is for `take` to say. */
function settle<T>(world: World, what: string, promise: Promise<T>, take: (value: T) => void): Wanted {
  const wanted: Wanted = { rejected: false, error: undefined };
  world.wait(what, promise);
  promise.then(
    (value) => {
      allEnded(world, what);
      take(value);
    },
    (error: unknown) => {
      allEnded(world, what);
      wanted.rejected = true;
      wanted.error = error;
    },
  );
  return wanted;
}

interface Wanted {
  rejected: boolean;
  error: unknown;
}

function fatalOf(world: World): unknown {
  return world.works
    .filter(({ threw, error }) => threw && (error as Error).name === "FatalError")
    .sort((one, other) => one.ended! - other.ended!)[0]?.error;
}

/** L5: a cancellation comes from outside, and counts less than a fatal error. */
function checkCancelled(world: World, { rejected, error }: Wanted, outer?: Outer): void {
  const fatal = fatalOf(world);
  if (fatal !== undefined) world.check(error === fatal, `L5: it ends in ${String(error)}`);
  else if (rejected && isCancellation(error))
    world.check(error === outer?.error, "L4: whose cancellation is it?");
}

interface Disposable {
  name: string;
  disposed: number;
  [Symbol.asyncDispose](): Promise<void>;
}

function disposable(name: string): Disposable {
  return {
    name,
    disposed: 0,
    async [Symbol.asyncDispose]() {
      this.disposed++;
      await Promise.resolve();
    },
  };
}

/** A loop that takes tasks as events let it, and may leave early. */
function loop(
  world: World,
  tasks: AsyncIterableIterator<Task<unknown>> | ReturnType<typeof asCompleted>,
  leave: "break" | "throw" | "never",
): { promise: Promise<number>; count: () => number } {
  const iterator = tasks as ReturnType<typeof asCompleted>;
  let count = 0;
  const run = async (): Promise<number> => {
    for (;;) {
      const step = await iterator.next();
      if (step.done === true) return count;
      count++;
      const task = step.value;
      world.check(task.done, "a task was handed out that is not done");
      world.note(`handed out: ${task.status}`);
      if (task.status === "failed") world.delivered.push(task.error);
      if (leave === "break") {
        await iterator.return();
        return count;
      }
      if (leave === "throw") {
        // As `for await` does: what `return` ends in counts less.
        await iterator.return().catch(() => undefined);
        throw world.error("the loop");
      }
    }
  };
  return { promise: run(), count: () => count };
}

export const combinatorPrograms: readonly Program[] = [
  {
    name: "race: the winner against the outer token and a failing loser (L2)",
    set(world) {
      const outer = world.outer();
      const fns = works(world, { a: both, b: { ...both, asked: "fails" } });
      const wanted = settle(world, "race", race(fns, { token: outer.token }), ({ value, index, errors }) => {
        world.check(value === ["a", "b"][index], "another one's value");
        world.delivered.push(...errors);
      });
      return () => {
        checkCancelled(world, wanted, outer);
      };
    },
  },
  {
    name: "race: the first success, while others fail before and after it (L2)",
    set(world) {
      const fns = works(world, { a: both, b: { ...both, asked: "cleans up" }, c: { ends: ["fails"] } });
      const promise = race(fns, { continueOnError: true });
      const wanted = settle(world, "race", promise, ({ errors }) => {
        world.delivered.push(...errors);
      });
      return () => {
        if (wanted.rejected)
          world.check(wanted.error instanceof TaskGroupError, `ends in ${String(wanted.error)}`);
      };
    },
  },
  {
    name: "race: the stagger timer against a failure (RFC 8305)",
    set(world) {
      const outer = world.outer();
      let secondAt = 0;
      const first = (): void => {
        secondAt = world.clock.now;
      };
      const fns = works(world, { a: both, b: { ...both, first }, c: {} });
      let failedAt: number | undefined;
      world.event(
        "look at a",
        () => {
          if (world.works[0]!.threw && world.works[1]!.begun === undefined) failedAt = world.clock.now;
        },
        () => world.works[0]?.ended !== undefined,
      );
      const promise = race(fns, { stagger: 10, token: outer.token });
      const wanted = settle(world, "race", promise, ({ errors }) => {
        world.delivered.push(...errors);
      });
      return () => {
        checkCancelled(world, wanted, outer);
        const [a, b, c] = world.works;
        if (c?.begun !== undefined) world.check(b!.begun! < c.begun, "started out of order");
        if (wanted.rejected || a?.threw !== true) return;
        world.check(b?.begun !== undefined || outer.at !== undefined, "a failure did not start the next");
        if (failedAt !== undefined && b?.begun !== undefined) {
          world.check(secondAt === failedAt, "a failure did not start the next at once");
        }
      };
    },
  },
  {
    name: "race: a loser's late value is disposed of, once, and waited for",
    set(world) {
      const outer = world.outer();
      const values = ["a", "b"].map(disposable);
      const fns = works(world, {
        a: { ends: ["returns"], asked: "cleans up", value: values[0] },
        b: { ends: ["returns"], asked: "ignores", value: values[1] },
      });
      let kept: unknown;
      const wanted = settle(world, "race", race(fns, { token: outer.token }), ({ value }) => (kept = value));
      return () => {
        checkCancelled(world, wanted, outer);
        for (const [index, value] of values.entries()) {
          const { ended, threw } = world.works[index]!;
          const expected = ended === undefined || threw || value === kept ? 0 : 1;
          world.check(value.disposed === expected, `${value.name} was disposed of ${value.disposed} times`);
        }
      };
    },
  },
  {
    name: "race: a fatal loser, and its timeout (L5)",
    set(world) {
      const fns = works(world, {
        a: { ends: ["returns", "fails fatally"] },
        b: { ends: ["fails fatally"], asked: "cleans up" },
      });
      const wanted = settle(world, "race", race(fns, { timeout: 10, continueOnError: true }), () => {});
      return () => {
        if (fatalOf(world) !== undefined) checkCancelled(world, wanted);
      };
    },
  },
  {
    name: "race: under a limit, the next in line against the winner",
    set(world) {
      const fns = works(world, { a: both, b: both, c: {} });
      settle(world, "race", race(fns, { concurrency: 1, continueOnError: true }), ({ errors }) => {
        world.delivered.push(...errors);
      });
      return undefined;
    },
  },
  {
    name: "asCompleted: the loop is left while a task ends (L2)",
    set(world) {
      const fns = works(world, { a: both, b: { ...both, asked: "cleans up" }, c: { asked: "fails" } });
      const { promise } = loop(world, asCompleted(fns), "break");
      settle(world, "loop", promise, () => {});
      return undefined;
    },
  },
  {
    name: "asCompleted: the loop is left by a throw, against the outer token (L5)",
    set(world) {
      const outer = world.outer();
      const fns = works(world, { a: both, b: { ends: ["returns"], asked: "cleans up" } });
      const { promise } = loop(world, asCompleted(fns, { token: outer.token }), "throw");
      const wanted = settle(world, "loop", promise, () => {});
      return () => {
        world.check(wanted.rejected, "the loop ends well");
      };
    },
  },
  {
    name: "asCompleted: the outer token against the next task (L5)",
    set(world) {
      const outer = world.outer();
      const fns = works(world, { a: both, b: { ends: ["fails"], asked: "cleans up" } });
      const { promise, count } = loop(world, asCompleted(fns, { token: outer.token }), "never");
      const wanted = settle(world, "loop", promise, () => {});
      return () => {
        checkCancelled(world, wanted, outer);
        world.check(wanted.rejected || count() === 2, "a task was not handed out");
      };
    },
  },
  {
    name: "asCompleted: under a limit, a fatal error against an ordinary one (L5)",
    set(world) {
      const fns = works(world, { a: { ends: ["fails fatally", "fails"] }, b: both, c: {} });
      const { promise } = loop(world, asCompleted(fns, { concurrency: 2 }), "never");
      const wanted = settle(world, "loop", promise, () => {});
      const lastDelivered = new Set(world.delivered);
      return () => {
        const fatal = fatalOf(world);
        if (fatal !== undefined && !lastDelivered.has(fatal)) checkCancelled(world, wanted);
      };
    },
  },
  {
    name: "asCompleted: two steps are asked for at once, and the loop is left meanwhile",
    set(world) {
      const fns = works(world, { a: both, b: { ...both, asked: "ignores" } });
      const tasks = asCompleted(fns);
      const got: { readonly step: number; readonly task: Task<unknown> }[] = [];
      const ask = (step: number): void => {
        const promise = tasks.next();
        world.wait(
          `step ${step}`,
          promise.then(({ done }) => done),
        );
        void promise.then(({ value: task }) => {
          if (task === undefined) return;
          world.check(!got.some((other) => other.task === task), "a task was handed out twice");
          got.push({ step, task });
          if (task.status === "failed") world.delivered.push(task.error);
        });
      };
      ask(1);
      world.event("ask again", () => {
        ask(2);
      });
      world.event("leave", () => {
        settle(world, "return", tasks.return(), () => {});
      });
      return () => {
        const steps = got.map(({ step }) => step).join();
        world.check(
          steps === "1,2" || steps === "1" || steps === "",
          `the steps were taken in the order ${steps}`,
        );
      };
    },
  },
  {
    name: "gather: what each came to, against the outer token (L2, L5)",
    set(world) {
      const outer = world.outer();
      const fns = works(world, { a: both, b: { ...both, asked: "cleans up" } });
      const wanted = settle(world, "gather", gather(fns, { token: outer.token }), (results) => {
        for (const result of results) if (result.status === "rejected") world.delivered.push(result.reason);
      });
      return () => {
        checkCancelled(world, wanted, outer);
        if (!wanted.rejected) return;
        // Failures that it cannot hand out any more are reported.
        world.check(wanted.error === outer.error, `it ends in ${String(wanted.error)}`);
      };
    },
  },
  {
    name: "gather: a timeout against a fatal error, under a limit (L5)",
    set(world) {
      const fns = works(world, {
        a: { ends: ["returns", "fails fatally"] },
        b: both,
        c: { asked: "ignores" },
      });
      const wanted = settle(world, "gather", gather(fns, { timeout: 10, concurrency: 2 }), (results) => {
        for (const result of results) if (result.status === "rejected") world.delivered.push(result.reason);
      });
      return () => {
        checkCancelled(world, wanted);
      };
    },
  },
];
