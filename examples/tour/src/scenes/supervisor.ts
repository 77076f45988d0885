import { setTimeout as delay } from "node:timers/promises";

import { type CancellationToken, sleep } from "@scope/core";
import { Supervisor } from "@scope/supervisor";

import { ask, of, yesOrNo } from "../comparison.ts";
import { isAnswered } from "../loopback.ts";
import { Processes, type Subprocess } from "../processes.ts";
import type { Scene, Stage } from "../stage.ts";

/** "shaky" crashes at the request after so many. */
const answersOfShaky = 2;
const crashes = 3;
/** Milliseconds between two requests to a worker. */
const pause = 50;
const later = 300;

export const supervisor: Scene = {
  name: "supervisor",
  title: "a process that crashes is started again, and its sibling does not notice",
  async play(stage) {
    stage.say(
      `Two worker processes, each of them asked every ${pause} ms. "shaky" crashes at every ${answersOfShaky + 1}rd request:`,
      'supervisor.supervise(worker, { name: "shaky", backoff: { initial: 80 } })',
    );
    const ours = await withSupervisor(stage);
    const plain = await withPromises(stage);
    stage.compare({
      ways: ["Supervisor", "Promise.all"],
      rows: ask(
        [ours, plain],
        [
          ["crashes of shaky, failures told", ({ crashed, told }) => `${crashed}, ${told}`],
          ["processes started in its place", ({ restarted }) => restarted],
          ["requests that steady has answered", ({ answered, asked }) => of(answered, asked)],
          ["shaky answers in the end", ({ recovered }) => yesOrNo(recovered)],
          [`processes left ${later} ms later`, ({ left }) => left],
          ["ports where they still answer", ({ ports }) => ports],
        ],
      ),
    });
  },
};

interface Measured {
  readonly crashed: number;
  readonly told: number;
  readonly restarted: number;
  /** Of steady. */
  readonly asked: number;
  readonly answered: number;
  readonly recovered: boolean;
  readonly left: number;
  readonly ports: number;
}

async function withSupervisor(stage: Stage): Promise<Measured> {
  await using office = new Office();
  let told = 0;
  const onError = (): void => {
    told++;
  };
  await stage.perform(() =>
    Supervisor.run(
      async (owner) => {
        const { token } = owner;
        for (const name of names) {
          owner.supervise(
            async (own, { ready }) => {
              await office.work(name, own, ready);
            },
            { name, backoff: { initial: 80 } },
          );
        }
        await office.ask(() => office.recovered && office.crashed === crashes, token);
        owner.cancel();
      },
      { name: "workers", token: stage.token, onError },
    ),
  );
  stage.token.throwIfCancelled();
  const { recovered } = office;
  return { told, recovered, ...(await office.measure(stage.token)) };
}

async function withPromises(stage: Stage): Promise<Measured> {
  stage.announce("Promise.all([worker(...), worker(...)])");
  await using office = new Office();
  let told = 0;
  let over = false;
  try {
    const workers = names.map((name) => office.work(name));
    await stage.token.race(Promise.all([...workers, office.ask(() => over)]));
  } catch {
    stage.token.throwIfCancelled();
    told++;
  }
  over = true;
  const recovered = await office.answers("shaky");
  return { told, recovered, ...(await office.measure(stage.token)) };
}

const names = ["steady", "shaky"] as const;
type Name = (typeof names)[number];

/** The workers of one run, and who asks them. */
class Office implements AsyncDisposable {
  readonly #processes = new Processes();
  /** Where they listen, the last one of each name. */
  readonly #ports = new Map<Name, number>();
  readonly #tally = { crashed: 0, restarted: -2, asked: 0, answered: 0 };
  #recovered = false;
  #over = false;
  readonly #bothListen: Promise<void>;
  #noteListening: () => void = () => undefined;

  constructor() {
    this.#bothListen = new Promise((resolve) => {
      this.#noteListening = () => {
        if (this.#ports.size === names.length) resolve();
      };
    });
  }

  /** Has a process work until it ends, which it should not. */
  async work(name: Name, token?: CancellationToken, ready?: () => void): Promise<never> {
    token?.throwIfCancelled();
    const args = name === "shaky" ? [String(answersOfShaky)] : [];
    const worker = this.#processes.start("worker.mjs", ...args);
    this.#tally.restarted++;
    token?.onCancel(() => worker.kill());
    await this.#listening(name, worker, ready);
    const end = await worker.ended;
    token?.throwIfCancelled();
    this.#tally.crashed++;
    this.#recovered = false;
    throw new Error(`exit ${end}`);
  }

  async #listening(name: Name, worker: Subprocess, ready?: () => void): Promise<void> {
    const port = await worker.port;
    if (port === undefined) return;
    this.#ports.set(name, port);
    ready?.();
    this.#noteListening();
  }

  /** Asks both, again and again, from when they listen until it is enough. */
  async ask(enough: () => boolean, token?: CancellationToken): Promise<void> {
    await (token?.race(this.#bothListen) ?? this.#bothListen);
    while (!enough() && !this.#over) {
      if (await this.answers("steady", token)) this.#tally.answered++;
      this.#tally.asked++;
      if (await this.answers("shaky", token)) this.#recovered = true;
      await (token === undefined ? delay(pause) : sleep(pause, token));
    }
  }

  async answers(name: Name, token?: CancellationToken): Promise<boolean> {
    const port = this.#ports.get(name);
    return port !== undefined && (await isAnswered(port, "", token));
  }

  /** Whether shaky has answered since it crashed last. */
  get recovered(): boolean {
    return this.#recovered;
  }

  get crashed(): number {
    return this.#tally.crashed;
  }

  async measure(token: CancellationToken): Promise<Omit<Measured, "told" | "recovered">> {
    const tally = { ...this.#tally };
    await sleep(later, token);
    const answered = await Promise.all(
      Array.from(this.#ports.values(), (port) => isAnswered(port, "", token)),
    );
    return { ...tally, left: this.#processes.running, ports: answered.filter(Boolean).length };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over = true;
    await this.#processes[Symbol.asyncDispose]();
  }
}
