/** The works: what is timed, and what has to be true of it before it is. */
import { isDeepStrictEqual } from "node:util";
import { macrotask } from "../../packages/test-utils/src/waiting.ts";
import { type Fn, type Letter, type Peer, type Tally, WON, allBegun, range } from "./peer.ts";

/** One piece of work, repeatable. */
export interface Timed<P = unknown> {
  /** Not timed. */
  prepare?(): Promise<P> | P;
  run(prepared: P): unknown;
}

export interface WorkKind {
  readonly letter: Exclude<Letter, "i">;
  readonly title: string;
  /** What `count` counts. */
  readonly unit: string;
  /** The method that a peer needs. */
  readonly needs: keyof Peer;
  /** Everything that is prepared takes memory: so many at once. */
  readonly prepared?: true;
  /** Does the work once, in a way that shows what it did. */
  outcome(peer: Peer, count: number): Promise<unknown>;
  /** What that has to be. */
  expected(count: number): unknown;
  /** The work itself, as many times over as is asked. */
  timed(peer: Peer, count: number): (times: number) => Timed;
}

function repeated(once: () => Promise<unknown>): (times: number) => Timed {
  return (times) => ({
    run: async () => {
      for (let n = 0; n < times; n++) await once();
    },
  });
}

export const LIMIT = 16;

/** So many of the ten million are alive at once (h). */
export const BATCH = 1_000;

const noop = async (): Promise<void> => {};
const yields = async (): Promise<void> => {
  await Promise.resolve();
};
const failure = new Error("the one that fails");

/** Counts both; while it is timed, the beginnings alone. */
function tally(): Required<{ [K in keyof Tally]: number }> {
  return { begun: 0, ended: 0 };
}

/** Functions that tell when they begin and end; what they have told once nothing is left to run. */
async function told(
  count: number,
  run: (fns: Fn[]) => Promise<unknown>,
  turns = 1,
  seeLive: (live: number) => void = () => undefined,
): Promise<object> {
  const found = tally();
  await run(
    range(count, () => async () => {
      found.begun++;
      seeLive(found.begun - found.ended);
      for (let turn = 0; turn < turns; turn++) await Promise.resolve();
      found.ended++;
    }),
  );
  const atEnd = { ...found };
  await macrotask();
  return { ...atEnd, late: found.ended - atEnd.ended };
}

function allEnded(count: number): object {
  return { begun: count, ended: count, late: 0 };
}

function joining(letter: "a" | "b", title: string, fn: Fn): WorkKind {
  return {
    letter,
    title,
    unit: "task",
    needs: "join",
    outcome: (peer, count) => told(count, (fns) => peer.join!(fns), letter === "a" ? 0 : 1),
    expected: allEnded,
    timed(peer, count) {
      const fns = range(count, () => fn);
      return repeated(() => peer.join!(fns));
    },
  };
}

/** The works that end tasks which wait. */
function ending(
  letter: "e" | "f",
  title: string,
  needs: "failFast" | "race",
  result: unknown,
  once: (peer: Peer, count: number, found: Tally) => Promise<unknown>,
): WorkKind {
  return {
    letter,
    title,
    unit: "task",
    needs,
    async outcome(peer, count) {
      const found = tally();
      const value = await once(peer, count, found);
      const atEnd = { ...found, value };
      await macrotask();
      return { ...atEnd, late: found.ended - atEnd.ended };
    },
    expected: (count) => ({ begun: count, ended: count, value: result, late: 0 }),
    timed(peer, count) {
      const found: Tally = { begun: 0, ended: undefined };
      return repeated(() => once(peer, count, found));
    },
  };
}

export const kinds: readonly WorkKind[] = [
  joining("a", "spawn and join no-op async functions", noop),
  joining("b", "spawn and join async functions that yield once", yields),
  {
    letter: "c",
    title: "cancel waiting tasks and wait for them",
    unit: "task",
    needs: "wait",
    prepared: true,
    async outcome(peer, count) {
      const found = tally();
      const waiting = peer.wait!(count, found);
      await allBegun(found, count);
      const before = { ...found };
      waiting.cancel();
      await waiting.ended();
      const after = { ...found };
      await macrotask();
      return { before, after, late: found.ended - after.ended };
    },
    expected: (count) => ({
      before: { begun: count, ended: 0 },
      after: { begun: count, ended: count },
      late: 0,
    }),
    timed: (peer, count) => (times) => ({
      prepare: async () => {
        const found: Tally = { begun: 0, ended: undefined };
        const all = range(times, () => peer.wait!(count, found));
        await allBegun(found, count * times);
        return all;
      },
      run: async (prepared) => {
        for (const waiting of prepared as ReturnType<NonNullable<Peer["wait"]>>[]) {
          waiting.cancel();
          await waiting.ended();
        }
      },
    }),
  },
  {
    letter: "d",
    title: `tasks that yield once, under a concurrency limit of ${LIMIT}`,
    unit: "task",
    needs: "limited",
    async outcome(peer, count) {
      let most = 0;
      const found = await told(
        count,
        (fns) => peer.limited!(fns, LIMIT),
        1,
        (live) => {
          most = Math.max(most, live);
        },
      );
      return { ...found, withinLimit: most <= LIMIT || peer.weaker?.d !== undefined };
    },
    expected: (count) => ({ ...allEnded(count), withinLimit: true }),
    timed(peer, count) {
      const fns = range(count, () => yields);
      return repeated(() => peer.limited!(fns, LIMIT));
    },
  },
  ending("e", "fail fast: one task fails, all others end", "failFast", failure, (peer, count, found) =>
    peer.failFast!(count, count >> 1, failure, found),
  ),
  ending("f", "race: one task wins, all others end", "race", WON, (peer, count, found) =>
    peer.race!(count, count >> 1, found),
  ),
  {
    letter: "g",
    title: "take results in the order of completion",
    unit: "task",
    needs: "completed",
    async outcome(peer, count) {
      // The last begun ends first: each gate is opened by the function behind it.
      const opens: (() => void)[] = [];
      const gates = range(count, () => new Promise<void>((resolve) => void opens.push(resolve)));
      opens[count - 1]!();
      const values = await peer.completed!(
        range(count, (index) => async () => {
          await gates[index];
          setTimeout(() => opens[index - 1]?.(), 0);
          return index;
        }),
      );
      return values;
    },
    expected: (count) => range(count, (index) => count - 1 - index),
    timed(peer, count) {
      const fns = range(count, (index) => async () => {
        await Promise.resolve();
        return index;
      });
      return repeated(() => peer.completed!(fns));
    },
  },
  {
    letter: "h",
    title: `short tasks through one long-lived owner, ${BATCH} at a time`,
    unit: "task",
    needs: "open",
    outcome: (peer, count) =>
      told(count, async ([...fns]) => {
        const owner = peer.open!();
        await owner.pass(() => fns.pop()!(), count);
        await owner.pass(noop, 1);
        await owner.close();
      }),
    expected: allEnded,
    timed: (peer, count) => (times) => ({
      run: async () => {
        const owner = peer.open!();
        for (let n = 0; n < times; n++) {
          for (let done = 0; done < count; done += BATCH) await owner.pass(noop, Math.min(count, BATCH));
        }
        await owner.close();
      },
    }),
  },
  {
    letter: "j",
    title: "child token or signal: create, register a callback, dispose; `count` siblings live on",
    unit: "child",
    needs: "parent",
    async outcome(peer, count) {
      const parent = peer.parent!();
      let toldOf = 0;
      for (let n = 0; n < count; n++) {
        parent.keep(() => {
          toldOf++;
        });
        parent.pass(() => {
          throw new Error("taken back");
        });
      }
      parent.cancel();
      return toldOf;
    },
    expected: (count) => count,
    timed(peer, count) {
      const parent = peer.parent!();
      const callback = (): void => {};
      for (let n = 0; n < count; n++) parent.keep(callback);
      return (times) => ({
        run: () => {
          for (let n = 0; n < times; n++) parent.pass(callback);
        },
      });
    },
  },
];

export function kindOf(letter: Letter): WorkKind {
  return kinds.find((kind) => kind.letter === letter)!;
}

/** How many pieces of `unit` one time is. */
export function pieces(letter: Letter, count: number): number {
  return letter === "j" ? 1 : count;
}

export function offers(peer: Peer, kind: WorkKind): boolean {
  return peer[kind.needs] !== undefined;
}

/** Throws unless the peer does the work. */
export async function check(kind: WorkKind, peer: Peer, count: number): Promise<void> {
  const found = await kind.outcome(peer, count);
  const expected = kind.expected(count);
  if (!isDeepStrictEqual(found, expected)) {
    throw new Error(
      `(${kind.letter}) ${peer.name} does other work: ${JSON.stringify(found)} instead of ${JSON.stringify(expected)}`,
    );
  }
}
