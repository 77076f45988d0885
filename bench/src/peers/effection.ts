import { type Operation, type Task, call, createScope, race, run, spawn, suspend } from "effection";
import { type Peer, type Tally, errorOf, fails, noteEnd, range, wins } from "../peer.ts";

function* waits(tally: Tally): Operation<void> {
  tally.begun++;
  if (tally.ended === undefined) yield* suspend();
  try {
    yield* suspend();
  } finally {
    noteEnd(tally);
  }
}

const OWN = "its waiting operations hold no promise";

const effection: Peer = {
  name: "effection",
  kind: "library",
  lacks: { d: "no limit", g: "no iteration by completion", j: "no tokens apart from scopes" },
  ownKind: { c: OWN, e: OWN, f: OWN },
  join: (fns) =>
    run(function* () {
      const tasks: Task<unknown>[] = [];
      for (const fn of fns) tasks.push(yield* spawn(() => call(fn)));
      for (const task of tasks) yield* task;
    }),
  wait(count, tally) {
    const task = run(function* () {
      for (let n = 0; n < count; n++) void (yield* spawn(() => waits(tally)));
      yield* suspend();
    });
    let halted: Promise<unknown>;
    return {
      cancel: () => {
        halted = Promise.resolve(task.halt());
      },
      ended: () => halted,
    };
  },
  failFast: (count, failing, error, tally) =>
    errorOf(
      run(function* () {
        for (let n = 0; n < count; n++) {
          void (yield* spawn(() => (n === failing ? call(() => fails(tally, error)) : waits(tally))));
        }
        yield* suspend();
      }),
    ),
  race: (count, winner, tally) =>
    run(() =>
      race(
        range(count, (index): Operation<unknown> =>
          index === winner ? call(() => wins(tally)) : waits(tally),
        ),
      ),
    ),
  open() {
    const [scope, destroy] = createScope();
    return {
      pass: (fn, count) => Promise.all(range(count, () => scope.run(() => call(fn)))),
      close: () => destroy(),
    };
  },
  keeper() {
    const [scope, destroy] = createScope();
    return { start: (fn) => scope.run(() => call(fn)), close: () => destroy() };
  },
};

export const peers = [effection];
