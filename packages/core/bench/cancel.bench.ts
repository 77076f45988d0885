/** Cancelling waiting tasks, against abort controllers linked by listeners, and against the bare rejections. */
import { setMaxListeners } from "node:events";
import { type CancellationToken, TaskScope, sleep } from "@scope/core";
import { checkEqual, goal, table, time, type Work } from "../../test-utils/src/bench.ts";

const COUNT = 10_000;

interface Waiting {
  cancel(): void;
  /** Fulfilled when all have ended. */
  ended: Promise<unknown>;
  statuses(): unknown;
}

function inScope(wait: (token: CancellationToken) => Promise<unknown>) {
  return (): Waiting => {
    const scope = new TaskScope();
    const tasks = Array.from({ length: COUNT }, () =>
      scope.spawn(async (token) => {
        await wait(token);
      }),
    );
    return {
      cancel: () => {
        scope.cancel();
      },
      ended: scope.join(),
      statuses: () => tasks.map(({ status }) => (status === "cancelled" ? "rejected" : status)),
    };
  };
}

function waiting(waits: readonly (() => Promise<unknown>)[], cancel: () => void): Waiting {
  const ended = Promise.allSettled(
    waits.map(async (wait) => {
      await wait();
    }),
  );
  return { cancel, ended, statuses: async () => (await ended).map(({ status }) => status) };
}

function abortControllers(): Waiting {
  const parent = new AbortController();
  setMaxListeners(0, parent.signal);
  const waits = Array.from({ length: COUNT }, () => {
    const controller = new AbortController();
    const abort = (): void => {
      controller.abort(parent.signal.reason);
    };
    parent.signal.addEventListener("abort", abort, { once: true });
    return () =>
      new Promise((_, reject) => {
        const { signal } = controller;
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      });
  });
  return waiting(waits, () => parent.abort());
}

function rejections(): Waiting {
  const rejects: ((error: unknown) => void)[] = [];
  const wait = (): Promise<void> => new Promise((_, reject) => void rejects.push(reject));
  return waiting(
    Array.from({ length: COUNT }, () => wait),
    () => {
      const error = new Error("cancelled");
      for (const reject of rejects) reject(error);
    },
  );
}

const ways = [
  { name: "token.race", open: inScope((token) => token.race(new Promise(() => {}))) },
  {
    name: "token.onCancel",
    open: inScope((token) => new Promise((_, reject) => void token.onCancel(reject))),
  },
  { name: "sleep(Infinity, token)", open: inScope((token) => sleep(Infinity, token)) },
  { name: "AbortController, linked", open: abortControllers },
  { name: "bare rejections", open: rejections },
];

await checkEqual(ways, ({ open }) => {
  const { cancel, ended, statuses } = open();
  cancel();
  return ended.then(statuses);
});

const alone = ways.map(({ name, open }): Work<Waiting> => ({
  name,
  prepare: open,
  run: ({ cancel }) => cancel(),
}));
const waited = ways.map(({ name, open }): Work<Waiting> => ({
  name,
  prepare: open,
  run: ({ cancel, ended }) => {
    cancel();
    return ended;
  },
}));
const asked = await time(alone, { samples: 2 });
const ended = await time(waited, { samples: 2 });
const [controllers, bare] = ended.slice(-2);

table(
  `Cancelling ${COUNT.toLocaleString("en")} waiting tasks, microseconds of processor time per task`,
  ["waiting on", "cancel()", "goal", "", "until all have ended", "of AbortController", "of rejections"],
  ways.map(({ name }, index) => [
    name,
    ...goal(asked[index]!.cpu / COUNT / 1e3, index < 3 ? 0.5 : undefined),
    (ended[index]!.cpu / COUNT / 1e3).toFixed(2),
    (ended[index]!.cpu / controllers!.cpu).toFixed(2),
    (ended[index]!.cpu / bare!.cpu).toFixed(2),
  ]),
);
