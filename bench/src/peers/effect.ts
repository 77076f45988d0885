import { Effect, Fiber, FiberSet, Stream } from "effect";
import { type Fn, type Peer, type Tally, noteEnd, range, WON } from "../peer.ts";

const UNBOUNDED = { concurrency: "unbounded", discard: true } as const;

/** Waits as its own fibers do: in no promise. An async function that is interrupted would not be waited for. */
function waits(tally: Tally): Effect.Effect<never> {
  const waiting = Effect.suspend(() => {
    tally.begun++;
    return Effect.never;
  });
  if (tally.ended === undefined) return waiting;
  return waiting.pipe(
    Effect.ensuring(
      Effect.sync(() => {
        noteEnd(tally);
      }),
    ),
  );
}

/** Does so after a turn of the microtask queue, as the others do. */
function after<T, E>(tally: Tally, end: Effect.Effect<T, E>): Effect.Effect<T, E> {
  return Effect.promise(async () => {
    tally.begun++;
    await Promise.resolve();
    noteEnd(tally);
  }).pipe(Effect.andThen(end));
}

function effects(fns: readonly Fn[]): Effect.Effect<unknown>[] {
  return fns.map((fn) => Effect.promise(fn));
}

function failing(count: number, at: number, error: Error, tally: Tally): Effect.Effect<never, Error>[] {
  return range(count, (index) => (index === at ? after(tally, Effect.fail(error)) : waits(tally)));
}

/** The works that differ in how fibers are started and waited for alone. */
function starting(
  startAll: <A, E>(all: readonly Effect.Effect<A, E>[]) => Effect.Effect<unknown, E>,
): Required<Pick<Peer, "join" | "wait" | "failFast">> {
  return {
    join: (fns) => Effect.runPromise(startAll(effects(fns))),
    wait(count, tally) {
      const fiber = Effect.runFork(startAll(range(count, () => waits(tally))));
      return {
        cancel: () => {
          fiber.interruptUnsafe();
        },
        ended: () => Effect.runPromise(Fiber.await(fiber)),
      };
    },
    failFast: (count, at, error, tally) =>
      Effect.runPromise(Effect.flip(startAll(failing(count, at, error, tally)))),
  };
}

const ownFibers =
  "its waiting fibers hold no promise; an async function that it interrupts is not waited for";
const ownKind = { c: ownFibers, e: ownFibers, f: ownFibers };

const noTokens = "no tokens apart from fibers";

const forkChild: Peer = {
  name: "effect: forkChild, join",
  kind: "library",
  lacks: {
    d: "see Effect.all",
    f: "see Effect.all",
    g: "see Effect.all",
    h: "see FiberSet",
    i: "see FiberSet",
    j: noTokens,
  },
  ownKind,
  ...starting((all) =>
    Effect.gen(function* () {
      const fibers = [];
      for (const effect of all) fibers.push(yield* Effect.forkChild(effect));
      yield* Fiber.joinAll(fibers);
    }),
  ),
};

const fiberSet: Peer = {
  name: "effect: FiberSet",
  kind: "library",
  lacks: { d: "see Effect.all", f: "see Effect.all", g: "see Effect.all", j: noTokens },
  ownKind,
  ...starting(<A, E>(all: readonly Effect.Effect<A, E>[]) =>
    Effect.scoped(
      Effect.gen(function* () {
        const set = yield* FiberSet.make<A, E>();
        for (const effect of all) yield* FiberSet.run(set, effect);
        // The set's own `join` waits for a failure for ever; whichever is first.
        yield* Effect.raceFirst(FiberSet.join(set), FiberSet.awaitEmpty(set));
      }),
    ),
  ),
  open() {
    const { run, done, close } = openSet();
    return {
      async pass(fn, count) {
        for (let n = 0; n < count; n++) run(Effect.promise(fn));
        await Effect.runPromise(done);
      },
      close,
    };
  },
  keeper() {
    const { run, close } = openSet();
    return { start: (fn) => run(Effect.promise(fn)), close };
  },
};

/** A set that lives until it is closed. */
function openSet(): {
  run(effect: Effect.Effect<unknown>): unknown;
  done: Effect.Effect<void>;
  close(): Promise<unknown>;
} {
  let set!: FiberSet.FiberSet;
  let run!: (effect: Effect.Effect<unknown>) => unknown;
  const fiber = Effect.runFork(
    Effect.scoped(
      Effect.gen(function* () {
        set = yield* FiberSet.make();
        run = yield* FiberSet.runtime(set)();
        yield* Effect.never;
      }),
    ),
  );
  return {
    run,
    done: FiberSet.awaitEmpty(set),
    close: () => Effect.runPromise(Fiber.interrupt(fiber)),
  };
}

const all: Peer = {
  name: "effect: Effect.all",
  kind: "library",
  lacks: { h: "a fixed list: see FiberSet", i: "see FiberSet", j: noTokens },
  ownKind,
  ...starting((every) => Effect.all(every, UNBOUNDED)),
  limited: (fns, concurrency) => Effect.runPromise(Effect.all(effects(fns), { concurrency, discard: true })),
  race: (count, winner, tally) =>
    Effect.runPromise(
      Effect.raceAllFirst(
        range(count, (index) => (index === winner ? after(tally, Effect.succeed(WON)) : waits(tally))),
      ),
    ),
  completed: (fns) =>
    Effect.runPromise(
      Stream.fromIterable(fns).pipe(
        Stream.mapEffect((fn) => Effect.promise(fn), { concurrency: "unbounded", unordered: true }),
        Stream.runCollect,
      ),
    ),
};

export const peers = [forkChild, fiberSet, all];
