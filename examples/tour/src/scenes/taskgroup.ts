import { isCancellation, TaskGroupError } from "@scope/core";
import { TaskGroup } from "@scope/taskgroup";
import prettyBytes from "pretty-bytes";

import { type Aftermath, aftermath } from "../aftermath.ts";
import { ask, of } from "../comparison.ts";
import { describe } from "../errors.ts";
import { Loopback, answers, download, resets, sends } from "../loopback.ts";
import type { Scene, Stage } from "../stage.ts";

const later = 300;
const requests = ["profile", "search", "payment", "orders", "mirror"] as const;
/** To break it off would leave nobody knowing whether it was done: it is not handed the signal. */
const uninterruptible = "payment";

export const taskgroup: Scene = {
  name: "taskgroup",
  title: "the first failure ends the rest, and every failure is told",
  async play(stage) {
    stage.say(
      "Five requests that are of use only together. The connection of the second one breaks; the third,",
      "a payment that must not be broken off, is refused a while later; two would go on for ever:",
      "TaskGroup.run((group) => { for (const url of urls) group.spawn((token) => request(url, token)); })",
    );
    const ours = await withGroup(stage);
    const plain = await withPromises(stage);
    stage.say(
      "",
      `TaskGroup has told: ${ours.told.join(", ")}`,
      `Promise.all has told: ${plain.told.join(", ")}`,
    );
    stage.compare({
      ways: ["TaskGroup", "Promise.all"],
      rows: ask(
        [ours, plain],
        [
          ["requests that still ran when it rejected", ({ running }) => running],
          [`connections open ${later} ms later`, ({ open }) => open],
          ["sent to them meanwhile", ({ sent }) => prettyBytes(sent)],
          ["failures told", ({ told, failures }) => of(told.length, failures.length)],
          ["the others seen as unhandledRejection", ({ unhandled }) => unhandled],
        ],
      ),
    });
  },
};

interface Measured extends Aftermath {
  /** All that happened, and what the caller was told of them. */
  readonly failures: readonly string[];
  readonly told: readonly string[];
  readonly running: number;
  readonly unhandled: number;
}

async function withGroup(stage: Stage): Promise<Measured> {
  await using server = await open();
  using witness = new Witness(server);
  const outcome = await stage.perform(() =>
    TaskGroup.run(
      (group) => {
        for (const name of requests) {
          group.spawn((token) => witness.request(name, name === uninterruptible ? undefined : token.signal), {
            name,
          });
        }
      },
      { name: "checkout", token: stage.token },
    ).catch((error: unknown) => error),
  );
  stage.token.throwIfCancelled();
  if (!(outcome instanceof TaskGroupError)) throw outcome;
  const { running } = witness;
  const after = await aftermath(server, later, stage.token);
  return { ...after, running, told: outcome.leaves().map(describe), ...witness.seen };
}

async function withPromises(stage: Stage): Promise<Measured> {
  stage.announce("Promise.all(requests)");
  await using server = await open();
  using witness = new Witness(server);
  const promises = requests.map((name) => witness.request(name));
  const outcome = await stage.token.race(Promise.all(promises).catch((error: unknown) => error));
  const { running } = witness;
  const after = await aftermath(server, later, stage.token);
  // However long it takes here.
  await stage.token.race(Promise.allSettled([promises[requests.indexOf(uninterruptible)]]));
  return { ...after, running, told: [describe(outcome)], ...witness.seen };
}

function open(): Promise<Loopback> {
  return Loopback.open({
    profile: answers(150),
    search: resets(400),
    payment: answers(850, 503),
    orders: sends(Infinity),
    mirror: sends(Infinity),
  });
}

/** Sees every request and every failure, whoever else is told. */
class Witness implements Disposable {
  readonly #server: Loopback;
  readonly #failures: string[] = [];
  #running = 0;
  #unhandled = 0;

  constructor(server: Loopback) {
    this.#server = server;
    process.on("unhandledRejection", this.#note);
  }

  readonly #note = (): void => {
    this.#unhandled++;
  };

  async request(name: string, signal?: AbortSignal): Promise<void> {
    this.#running++;
    try {
      await download(this.#server.url(name), signal);
    } catch (error) {
      if (!isCancellation(error)) this.#failures.push(describe(error));
      throw error;
    } finally {
      this.#running--;
    }
  }

  get running(): number {
    return this.#running;
  }

  get seen(): { failures: readonly string[]; unhandled: number } {
    return { failures: [...this.#failures], unhandled: this.#unhandled };
  }

  [Symbol.dispose](): void {
    process.off("unhandledRejection", this.#note);
  }
}
