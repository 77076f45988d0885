/**
 * Long-lived tasks that end at random and are started again by a loop, in a PersistentTaskGroup and, by hand, in a bare TaskScope
 * whose ends are put into a queue; beside them a scope whose `onTaskDone` starts the next at once, without a name, a queue or a
 * loop. And what iterating and stopping costs each task, few or many. `--short`: fewer, to see that it runs.
 */
import { type Task, TaskScope } from "@scope/core";
import { PersistentTaskGroup } from "@scope/persistent";
import { checkEqual, goal, table, time } from "../../test-utils/src/bench.ts";
import { heapUsed } from "../../test-utils/src/heap.ts";

const short = process.argv.includes("--short");

/** So many are alive at once. */
const ALIVE = 1_000;
const COMPLETIONS = short ? 100_000 : 1_000_000;

/** Tasks that wait for their turn; some that are picked at random end in every turn of the event loop. */
class World {
  readonly #ends: (() => void)[] = [];
  #seed = 1;
  calls = 0;

  readonly work = (): Promise<void> => {
    this.calls++;
    return new Promise((resolve) => {
      this.#ends.push(resolve);
    });
  };

  /** Ends so many, then all that are left if `last`. */
  async turn(count: number): Promise<void> {
    const ends = this.#ends;
    for (let n = 0; n < count && ends.length > 0; n++) {
      this.#seed = (this.#seed * 48_271) % 2_147_483_647;
      const index = this.#seed % ends.length;
      const end = ends[index]!;
      ends[index] = ends.at(-1)!;
      ends.pop();
      end();
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const PER_TURN = 100;

const owners = [
  {
    name: "PersistentTaskGroup",
    async run(world: World, completions: number): Promise<number> {
      const group = new PersistentTaskGroup();
      let restarts = 0;
      for (let n = 0; n < ALIVE; n++) group.spawn(world.work);
      const loop = (async () => {
        for await (const task of group.asCompleted()) {
          if (task.status !== "succeeded") continue;
          if (++restarts < completions) group.spawn(world.work);
          else break;
        }
      })();
      while (restarts < completions) await world.turn(PER_TURN);
      await loop;
      group.cancel();
      while (group.isRunning) await world.turn(ALIVE);
      await group.stop();
      return restarts;
    },
  },
  {
    name: "TaskScope and a queue",
    async run(world: World, completions: number): Promise<number> {
      const scope = new TaskScope();
      let queue: Task<unknown>[] = [];
      let wake: (() => void) | undefined;
      let spawned = 0;
      const spawn = (): void => {
        scope.spawn(world.work, { name: `TaskScope:1:task-${++spawned}` }).onDone((task) => {
          queue.push(task);
          wake?.();
        });
      };
      let restarts = 0;
      for (let n = 0; n < ALIVE; n++) spawn();
      const loop = (async () => {
        while (restarts < completions) {
          const ended = queue;
          queue = [];
          for (const task of ended) if (task.status === "succeeded" && ++restarts < completions) spawn();
          if (restarts >= completions) break;
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      })();
      while (restarts < completions) await world.turn(PER_TURN);
      await loop;
      const stop = scope.stop();
      while (scope.size > 0) await world.turn(ALIVE);
      await stop;
      return Math.min(restarts, completions);
    },
  },
  {
    name: "TaskScope and onTaskDone",
    async run(world: World, completions: number): Promise<number> {
      let restarts = 0;
      const scope: TaskScope = new TaskScope({
        onTaskDone: (task: Task<unknown>) => {
          if (task.status === "succeeded" && ++restarts < completions) scope.spawn(world.work);
        },
      });
      for (let n = 0; n < ALIVE; n++) scope.spawn(world.work);
      while (restarts < completions) await world.turn(PER_TURN);
      const stop = scope.stop();
      while (scope.size > 0) await world.turn(ALIVE);
      await stop;
      return Math.min(restarts, completions);
    },
  },
] as const;

await checkEqual(owners, async ({ run }) => {
  const world = new World();
  return [await run(world, 5_000), world.calls > 5_000];
});

const [group, ...others] = await time(
  owners.map(({ name, run }) => ({ name, run: () => run(new World(), COMPLETIONS) })),
  { rounds: short ? 3 : 5 },
);
table(
  `${COMPLETIONS.toLocaleString("en")} completions of ${ALIVE.toLocaleString("en")} tasks that start again, processor time per completion`,
  ["against", "PersistentTaskGroup, ns", "other, ns", "ratio", "goal", "", "of wall times"],
  others.map((other, index) => [
    owners[index + 1]!.name,
    (group!.cpu / COMPLETIONS).toFixed(0),
    (other.cpu / COMPLETIONS).toFixed(0),
    ...goal(group!.cpu / other.cpu, 2),
    (group!.wall / other.wall).toFixed(2),
  ]),
);

/** What one group that goes on has grown by. */
async function growth(): Promise<number> {
  const world = new World();
  const owner = new PersistentTaskGroup();
  for (let n = 0; n < ALIVE; n++) owner.spawn(world.work);
  let seen = 0;
  const loop = (async () => {
    for await (const task of owner.asCompleted()) {
      seen++;
      if (task.status === "succeeded" && seen < 1.1 * COMPLETIONS) owner.spawn(world.work);
    }
  })();
  while (seen < 0.1 * COMPLETIONS) await world.turn(PER_TURN);
  const before = await heapUsed();
  while (seen < 1.05 * COMPLETIONS) await world.turn(PER_TURN);
  const grown = (await heapUsed()) - before;
  while (owner.isRunning) await world.turn(ALIVE);
  await loop;
  return grown / 2 ** 20;
}

table(
  `Heap after ${(0.95 * COMPLETIONS).toLocaleString("en")} more completions in one group that goes on`,
  ["", "grown, MB", "goal", ""],
  [["PersistentTaskGroup", ...goal(await growth(), 1)]],
);

/** Nanoseconds for each of so many tasks that wait to be looked at. */
async function each(count: number, work: (group: PersistentTaskGroup) => Promise<unknown>): Promise<number> {
  const [one] = await time(
    [
      {
        name: "",
        prepare: async () => {
          const owner = new PersistentTaskGroup();
          for (let n = 0; n < count; n++) owner.spawn(() => undefined);
          await new Promise((resolve) => setImmediate(resolve));
          return owner;
        },
        run: work,
      },
    ],
    { rounds: short ? 3 : 9 },
  );
  return one!.cpu / count;
}

const works = {
  "for await": async (owner: PersistentTaskGroup) => {
    let count = 0;
    for await (const task of owner.asCompleted()) if (task.done) count++;
    return count;
  },
  stop: (owner: PersistentTaskGroup) => owner.stop(),
};
const FEW = 1_000;
const MANY = 200_000;
const rows: string[][] = [];
for (const [name, work] of Object.entries(works)) {
  const few = await each(FEW, work);
  const many = await each(MANY, work);
  rows.push([name, few.toFixed(0), many.toFixed(0), ...goal(many / few, 5)]);
}
table(
  `Tasks that have ended and wait, processor time per task`,
  ["", `of ${FEW.toLocaleString("en")}, ns`, `of ${MANY.toLocaleString("en")}, ns`, "ratio", "goal", ""],
  rows,
);
