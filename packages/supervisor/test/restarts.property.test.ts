/**
 * Random restart histories, run on a test clock and, beside it, by a small model of OTP's rules: the same children alive,
 * the same order of starts and stops, the same moment of giving up.
 *
 * The histories are the same every time, so that nobody's build fails by chance; others come with `FUZZ_SEED=random`, more
 * of them with `FUZZ_RUNS=<count>`.
 */
import { RestartLimitError, Supervisor } from "@scope/supervisor";
import type { Child, RestartPolicy, Strategy } from "@scope/supervisor";
import { Deferred, flushMicrotasks } from "@scope/test-utils";
import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

const { FUZZ_RUNS = "500", FUZZ_SEED = "1" } = process.env;
const runs = Number(FUZZ_RUNS);
const seed = FUZZ_SEED === "random" ? Date.now() : Number(FUZZ_SEED);

interface Spec {
  policy: RestartPolicy;
  /** Milliseconds that it takes to end when it is asked; even. */
  stopping: number;
  /** Milliseconds before the first restart, odd; three times as many before every next one, 15 at most. */
  initial: number | undefined;
  significant: boolean;
}

type Step =
  | { do: "fail" | "return" | "cancel" | "stop" | "restart"; child: number }
  | { do: "pass"; time: number }
  | { do: "supervise"; spec: Spec };

interface History {
  strategy: Strategy;
  maxRestarts: number;
  children: Spec[];
  steps: Step[];
}

/** Even, as is the time of every step: a back-off, which is odd, ends at no other event's moment. */
const WITHIN = 20;
const MAX = 15;

interface ModelChild extends Spec {
  name: string;
  status: Child["status"];
  begun: number;
  streak: number;
  /** When the back-off ends, and which began first. */
  due: number;
  turn: number;
  restarts: number;
}

/** What is to happen. Knows nothing of promises: a step is through before the next comes. */
class Model {
  readonly log: string[] = [];
  readonly known: ModelChild[] = [];
  now = 0;
  /** When. */
  gaveUp: number | undefined;
  over = false;
  #order: ModelChild[] = [];
  #restarts: number[] = [];
  /** Time spent stopping for a strategy, which the window does not see. */
  #stood = 0;
  #turn = 0;
  readonly #history: History;

  constructor(history: History) {
    this.#history = history;
  }

  take(step: Step): void {
    if (step.do === "pass") return this.#elapse(step.time);
    if (step.do === "supervise") return this.#supervise(step.spec);
    const child = this.known[step.child % this.known.length];
    if (child === undefined) return;
    const running = child.status === "running";
    switch (step.do) {
      case "fail":
      case "return":
        if (running) this.#ended(child, step.do === "fail");
        break;
      case "cancel":
        if (!running) break;
        this.#ask(child);
        this.#decide(child, false);
        break;
      case "stop":
        if (running) this.#ask(child);
        if (running || child.status === "backing-off") this.#retire(child, "stopped");
        break;
      case "restart":
        if (running) this.#ask(child);
        if (!this.#order.includes(child)) this.#order.push(child);
        this.#start(child);
        break;
    }
  }

  /** Everybody stops, the last first; who waits for a restart need not. */
  shutDown(): void {
    this.over = true;
    for (const child of this.#order) if (child.status === "backing-off") child.status = "stopped";
    for (const child of [...this.#order].reverse()) {
      if (child.status !== "running") continue;
      this.#ask(child);
      child.status = "stopped";
    }
  }

  #supervise(spec: Spec): void {
    const name = `child ${this.known.length}`;
    const child: ModelChild = {
      ...spec,
      name,
      status: "stopped",
      begun: 0,
      streak: 0,
      due: Infinity,
      turn: 0,
      restarts: 0,
    };
    this.known.push(child);
    this.#order.push(child);
    this.#start(child);
  }

  #note(event: string): void {
    this.log.push(`${this.now} ${event}`);
  }

  #start(child: ModelChild): void {
    child.status = "running";
    child.begun = this.now;
    this.#note(`${child.name} starts`);
  }

  #ask(child: ModelChild): void {
    this.#note(`${child.name} is asked`);
    this.#elapse(child.stopping);
    this.#note(`${child.name} ends`);
  }

  #ended(child: ModelChild, failed: boolean): void {
    this.#note(`${child.name} ends`);
    this.#decide(child, failed);
  }

  #decide(child: ModelChild, failed: boolean): void {
    if (child.policy === "temporary" || (child.policy === "transient" && !failed)) {
      this.#retire(child, failed ? "failed" : "stopped");
      if (child.significant) this.shutDown();
      return;
    }
    const instant = this.now - this.#stood;
    this.#restarts = [...this.#restarts, instant].filter((time) => time >= instant - WITHIN);
    if (this.#restarts.length > this.#history.maxRestarts) {
      child.status = "failed";
      this.gaveUp = this.now;
      this.shutDown();
      return;
    }
    child.restarts++;
    if (this.#history.strategy === "one-for-one") this.#backOff(child);
    else this.#together(child);
  }

  #backOff(child: ModelChild): void {
    if (this.now - child.begun >= WITHIN) child.streak = 0;
    const delay = child.initial === undefined ? 0 : Math.min(MAX, child.initial * 3 ** child.streak++);
    child.status = "backing-off";
    child.due = this.now + delay;
    child.turn = ++this.#turn;
    if (delay === 0) this.#start(child);
  }

  #together(child: ModelChild): void {
    const from = this.#history.strategy === "one-for-all" ? 0 : this.#order.indexOf(child);
    const living = this.#order.slice(from).filter(({ status }) => status === "running");
    const before = this.now;
    for (const each of living.filter((other) => other !== child).reverse()) {
      this.#ask(each);
      if (each.policy === "temporary") this.#retire(each, "stopped");
    }
    this.#stood += this.now - before;
    for (const each of living) if (each.policy !== "temporary") this.#start(each);
  }

  #retire(child: ModelChild, status: "stopped" | "failed"): void {
    child.status = status;
    if (child.policy === "temporary") this.#order = this.#order.filter((other) => other !== child);
  }

  #elapse(time: number): void {
    const end = this.now + time;
    for (;;) {
      const [next] = this.known
        .filter(({ status, due }) => status === "backing-off" && due <= end)
        .sort((one, other) => one.due - other.due || one.turn - other.turn);
      if (next === undefined) break;
      this.now = next.due;
      this.#start(next);
    }
    this.now = end;
  }
}

/** The same history in a supervisor. */
class Reality {
  readonly log: string[] = [];
  readonly children: Child[] = [];
  readonly supervisor: Supervisor;
  gaveUp: number | undefined;
  readonly #gates: Deferred[] = [];
  readonly #began = performance.now();

  constructor({ strategy, maxRestarts }: History) {
    this.supervisor = new Supervisor({
      strategy,
      maxRestarts,
      withinMs: WITHIN,
      onError: "ignore",
      onEvent: ({ type }) => {
        if (type === "gave-up") this.gaveUp = this.#time;
      },
    });
  }

  /** Takes a step, and then as much time as the model says. */
  async take(step: Step, until: number): Promise<void> {
    if (step.do === "supervise") this.#supervise(step.spec);
    else if (step.do !== "pass") {
      const index = step.child % this.children.length;
      const child = this.children[index];
      const gate = this.#gates[index];
      if (step.do === "fail") gate?.reject(new Error("boom"));
      else if (step.do === "return") gate?.resolve();
      else if (step.do === "cancel") child?.task?.cancel();
      else void child?.[step.do]().catch(() => undefined);
    }
    await this.pass(until);
  }

  async pass(until: number): Promise<void> {
    await flushMicrotasks(80);
    while (this.#time < until) {
      vi.advanceTimersByTime(1);
      await flushMicrotasks(30);
    }
    await flushMicrotasks(80);
  }

  get #time(): number {
    return Math.round(performance.now() - this.#began);
  }

  #note(event: string): void {
    this.log.push(`${this.#time} ${event}`);
  }

  #supervise({ policy, stopping, initial, significant }: Spec): void {
    const index = this.children.length;
    const name = `child ${index}`;
    const child = this.supervisor.supervise(
      async (token) => {
        this.#note(`${name} starts`);
        const gate = new Deferred();
        this.#gates[index] = gate;
        const forget = token.onCancel(() => {
          this.#note(`${name} is asked`);
        });
        try {
          await token.race(gate.promise);
        } finally {
          forget();
          if (token.cancelRequested && stopping > 0) {
            await new Promise((resolve) => setTimeout(resolve, stopping));
          }
          this.#note(`${name} ends`);
        }
      },
      {
        name,
        restart: policy,
        significant,
        ...(initial !== undefined && { backoff: { initial, factor: 3, max: MAX } }),
      },
    );
    this.children.push(child);
  }
}

const spec: fc.Arbitrary<Spec> = fc.record({
  policy: fc.constantFrom<RestartPolicy>("permanent", "permanent", "transient", "temporary"),
  stopping: fc.constantFrom(0, 0, 2, 30),
  initial: fc.constantFrom(undefined, undefined, 1, 3),
  significant: fc.nat(9).map((n) => n === 0),
});

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom("fail" as const, "fail" as const, "return" as const),
      child: fc.nat(5),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom("cancel" as const, "stop" as const, "restart" as const, "restart" as const),
      child: fc.nat(5),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("pass" as const), time: fc.constantFrom(2, 8, 10, 20, 22) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("supervise" as const), spec }) },
);

const histories: fc.Arbitrary<History> = fc
  .record({
    strategy: fc.constantFrom<Strategy>("one-for-one", "one-for-all", "rest-for-one"),
    maxRestarts: fc.constantFrom(0, 1, 2, 2, 3, 5),
    children: fc.array(spec, { minLength: 1, maxLength: 4 }),
    steps: fc.array(step, { minLength: 4, maxLength: 16 }),
  })
  // What a shared back-off does to children that fail meanwhile is no rule of OTP's: there are none.
  .map((history) =>
    history.strategy === "one-for-one"
      ? history
      : {
          ...history,
          children: history.children.map((child) => ({ ...child, initial: undefined })),
          steps: history.steps.map((taken) =>
            taken.do === "supervise" ? { ...taken, spec: { ...taken.spec, initial: undefined } } : taken,
          ),
        },
  );

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

/** Runs a history in both, and compares after every step; returns the model. */
async function compare(history: History): Promise<Model> {
  const model = new Model(history);
  const reality = new Reality(history);
  const steps: Step[] = [
    ...history.children.map((child): Step => ({ do: "supervise", spec: child })),
    ...history.steps,
  ];
  for (const taken of steps) {
    if (model.over) break;
    model.take(taken);
    await reality.take(taken, model.now);
    check(model, reality);
  }
  if (!model.over) {
    model.shutDown();
    reality.supervisor.cancel();
    await reality.pass(model.now);
    check(model, reality);
  }
  const outcome = await reality.supervisor.join().then(
    () => undefined,
    (error: unknown) => error,
  );
  if (model.gaveUp !== undefined) expect(outcome).toBeInstanceOf(RestartLimitError);
  else expect(outcome).toBeUndefined();
  expect(vi.getTimerCount()).toBe(0);
  return model;
}

function check(model: Model, reality: Reality): void {
  expect(reality.log).toEqual(model.log);
  expect(reality.gaveUp).toBe(model.gaveUp);
  expect(reality.children.map(({ name, status, restarts }) => [name, status, restarts])).toEqual(
    model.known.map(({ name, status, restarts }) => [name, status, restarts]),
  );
}

describe("random restart histories", () => {
  it(`go as OTP's rules have it, in ${runs} runs`, { timeout: 60_000 + 20 * runs }, async () => {
    let gaveUp = 0;
    let restarts = 0;
    let significant = 0;
    await fc.assert(
      fc.asyncProperty(histories, async (history) => {
        const model = await compare(history);
        if (model.gaveUp !== undefined) gaveUp++;
        else if (model.over && model.known.some((child) => child.significant)) significant++;
        for (const child of model.known) restarts += child.restarts;
      }),
      { numRuns: runs, seed },
    );
    // The histories are worth running.
    expect(gaveUp).toBeGreaterThan(runs / 20);
    expect(restarts).toBeGreaterThan(runs / 2);
    expect(significant).toBeGreaterThan(0);
  });
});
