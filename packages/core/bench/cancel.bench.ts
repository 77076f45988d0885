/** Cancelling waiting tasks, against abort controllers linked by listeners, and against the bare rejections. */
import { setMaxListeners } from "node:events";
import { type CancellationToken, TaskScope, sleep } from "@scope/core";
import { checkEqual, goal, table, time } from "../../test-utils/src/bench.ts";
import { macrotask } from "../../test-utils/src/waiting.ts";

const COUNT = 10_000;

interface Waiting {
  cancel(): void;
  /** Fulfilled when all have ended. */
  ended: Promise<unknown>;
  /** How each has ended, once all have. */
  statuses(): Promise<string[]>;
}

function inScope(wait: (token: CancellationToken) => Promise<unknown>): () => Waiting {
  return () => {
    const scope = new TaskScope();
    const tasks = Array.from({ length: COUNT }, () =>
      scope.spawn(async (token) => {
        await wait(token);
      }),
    );
    const ended = scope.join();
    return {
      cancel: () => {
        scope.cancel();
      },
      ended,
      statuses: async () => {
        await ended;
        return tasks.map(({ status }) => (status === "cancelled" ? "rejected" : status));
      },
    };
  };
}

function bare(waits: readonly (() => Promise<unknown>)[], cancel: () => void): Waiting {
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
    const { signal } = controller;
    const abort = (): void => {
      controller.abort(parent.signal.reason);
    };
    parent.signal.addEventListener("abort", abort, { once: true });
    return () =>
      new Promise((_, reject) => {
        const fail = (): void => {
          reject(signal.reason);
        };
        signal.addEventListener("abort", fail, { once: true });
      });
  });
  return bare(waits, () => {
    parent.abort();
  });
}

function rejections(): Waiting {
  const rejects: ((error: unknown) => void)[] = [];
  const wait = (): Promise<void> =>
    new Promise((_, reject) => {
      rejects.push(reject);
    });
  return bare(new Array<typeof wait>(COUNT).fill(wait), () => {
    const error = new Error("cancelled");
    for (const reject of rejects) reject(error);
  });
}

function onCancel(token: CancellationToken): Promise<void> {
  return new Promise((_, reject) => {
    token.onCancel(reject);
  });
}

const ours = [
  { name: "token.race()", open: inScope((token) => token.race(new Promise(() => {}))) },
  { name: "token.onCancel()", open: inScope(onCancel) },
  { name: "sleep(Infinity, token)", open: inScope((token) => sleep(Infinity, token)) },
];
const peers = [
  { name: "AbortController, linked", open: abortControllers },
  { name: "bare rejections", open: rejections },
];
const ways = [...ours, ...peers];

await checkEqual(ways, ({ open }) => {
  const { cancel, statuses } = open();
  cancel();
  return statuses();
});

/** Collecting what the beginning has left behind is no part of the end: done before, as far as it goes. */
function settled(waiting: Waiting): Waiting {
  for (let round = 0; round < 2; round++) gc!({ type: "minor" });
  return waiting;
}

const asked = await time(
  ours.map(({ name, open }) => ({
    name,
    prepare: async () => {
      await macrotask(); // What the last ones do about their cancellation is not timed.
      return settled(open());
    },
    run: ({ cancel }: Waiting) => {
      cancel();
    },
  })),
);
const ended = await time(
  ways.map(({ name, open }) => ({
    name,
    prepare: () => settled(open()),
    run: ({ cancel, ended }: Waiting) => {
      cancel();
      return ended;
    },
  })),
  { rounds: 5 },
);
const [controllers, least] = ended.slice(ours.length);

table(
  `Cancelling ${COUNT.toLocaleString("en")} waiting tasks, microseconds of processor time per task`,
  ["waiting on", "cancel()", "goal", "", "until all have ended", "of AbortController", "of rejections"],
  ways.map(({ name }, index) => [
    name,
    ...(index < ours.length ? goal(asked[index]!.cpu / COUNT / 1e3, 0.5) : ["", "", ""]),
    (ended[index]!.cpu / COUNT / 1e3).toFixed(2),
    (ended[index]!.cpu / controllers!.cpu).toFixed(2),
    (ended[index]!.cpu / least!.cpu).toFixed(2),
  ]),
);
