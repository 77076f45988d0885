import { setTimeout as delay } from "node:timers/promises";

import { type CancellationToken, isCancellation, sleep } from "@scope/core";
import { PersistentTaskGroup } from "@scope/persistent";

import { aftermath } from "../aftermath.ts";
import { ask, of } from "../comparison.ts";
import { Loopback, answers, download, every, resets } from "../loopback.ts";
import type { Scene, Stage } from "../stage.ts";

const targets = ["alpha", "beta", "gamma"] as const;
/** The monitor is stopped after so many failures. */
const enough = 5;
/** Milliseconds between two polls of a target. */
const pause = 50;
const later = 300;

export const persistent: Scene = {
  name: "persistent",
  title: "failures are looked at one by one, while the rest goes on",
  async play(stage) {
    stage.say(
      "A monitor polls three targets until it is stopped. Now and then one of them answers 503, or breaks",
      "the connection; whoever watches looks at the failure, and has the target polled again:",
      "for await (const task of group.asCompleted()) { tell(task.error); group.spawn(poll, { name: task.name }); }",
    );
    const ours = await withGroup(stage);
    const [all, settled] = await withPromises(stage, ours.took);
    stage.compare({
      ways: ["PersistentTaskGroup", "Promise.all", "Promise.allSettled"],
      rows: ask(
        [ours, all, settled],
        [
          [`failures told within ${ours.took} ms`, ({ told, failures }) => of(told.length, failures)],
          ["the first one after", ({ told: [first] }) => (first === undefined ? "never" : `${first} ms`)],
          ["polled again after a failure", ({ again }) => again],
          [`polls in the ${later} ms after that`, ({ polls }) => polls],
        ],
      ),
    });
  },
};

interface Measured {
  readonly took: number;
  readonly failures: number;
  /** When: in milliseconds after the beginning. */
  readonly told: readonly number[];
  readonly again: number;
  readonly polls: number;
}

/** One run: its server, and what is counted. */
class Watch implements AsyncDisposable {
  readonly server: Loopback;
  readonly told: number[] = [];
  failures = 0;
  again = 0;
  readonly #began = performance.now();
  #over = false;

  private constructor(server: Loopback) {
    this.server = server;
  }

  static async open(): Promise<Watch> {
    const usually = answers(5);
    return new Watch(
      await Loopback.open({
        alpha: usually,
        beta: every(4, usually, answers(5, 503)),
        gamma: every(6, usually, resets(5)),
      }),
    );
  }

  get took(): number {
    return Math.round(performance.now() - this.#began);
  }

  tell(): void {
    this.told.push(this.took);
  }

  /** Polls a target until that fails. */
  async poll(name: string, token?: CancellationToken): Promise<void> {
    while (!this.#isOver()) {
      try {
        await download(this.server.url(name), token?.signal);
      } catch (error) {
        if (!isCancellation(error) && !this.#isOver()) this.failures++;
        throw error;
      }
      await (token === undefined ? delay(pause) : sleep(pause, token));
    }
  }

  #isOver(): boolean {
    return this.#over;
  }

  /** It is to be over. */
  async measure(token: CancellationToken, took = this.took): Promise<Measured> {
    const { failures, again } = this;
    const told = [...this.told];
    const { requests } = await aftermath(this.server, later, token);
    return { took, failures, told, again, polls: requests };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over = true;
    await this.server[Symbol.asyncDispose]();
  }
}

async function withGroup(stage: Stage): Promise<Measured> {
  await using watch = await Watch.open();
  await stage.perform(() =>
    PersistentTaskGroup.run(
      async (group) => {
        const poll = (name: string): void => {
          // Whoever iterates tells.
          group.spawn((token) => watch.poll(name, token), { name, logError: false });
        };
        targets.forEach(poll);
        for await (const task of group.asCompleted()) {
          if (task.status !== "failed") continue;
          watch.tell();
          if (watch.told.length === enough) {
            group.acknowledge(task);
            break;
          }
          watch.again++;
          poll(task.name.split(":").at(-1) ?? "");
        }
      },
      { uniqueId: "monitor", token: stage.token },
    ),
  );
  return await watch.measure(stage.token);
}

/** Both at once: they do not know each other. */
async function withPromises(stage: Stage, took: number): Promise<[Measured, Measured]> {
  stage.announce("Promise.all(polls), and with Promise.allSettled(polls)");
  await using all = await Watch.open();
  await using settled = await Watch.open();
  const polls = [all, settled].map((watch) => targets.map((name) => watch.poll(name)));
  const [ofAll = [], ofSettled = []] = polls;
  void Promise.all(ofAll).catch(() => all.tell());
  void Promise.allSettled(ofSettled).then(() => settled.tell());
  // As long as the monitor above; and all that fail, once, have to, however slow this machine is.
  await sleep(took, stage.token);
  await stage.token.race(Promise.allSettled(polls.flatMap(([, ...failing]) => failing)));
  return await Promise.all([all.measure(stage.token, took), settled.measure(stage.token, took)]);
}
