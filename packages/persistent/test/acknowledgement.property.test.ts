/**
 * Random histories of a persistent group, run in one and, beside it, by a small model of who holds what: the same task for the
 * same loop, the same waits that end, the same failures told to whoever joins or stops.
 *
 * The histories are the same every time, so that nobody's build fails by chance; others come with `FUZZ_SEED=random`, more
 * of them with `FUZZ_RUNS=<count>`.
 */
import type { Task, TaskGroupError, TaskStatus } from "@scope/core";
import { type CompletedTasks, PersistentTaskGroup } from "@scope/persistent";
import { Deferred, flushMicrotasks } from "@scope/test-utils";
import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

const { FUZZ_RUNS = "500", FUZZ_SEED = "1" } = process.env;
const runs = Number(FUZZ_RUNS);
const seed = FUZZ_SEED === "random" ? Date.now() : Number(FUZZ_SEED);

/** Milliseconds; a loop without a limit has none. */
const LIMIT = 10;

type Retain = "all" | "failures";

type Step =
  | { do: "spawn" | "pass" | "cancel all" | "join" | "stop" }
  | { do: "succeed" | "fail" | "cancel" | "acknowledge"; task: number }
  | { do: "iterate"; timeout: number | undefined }
  /** To ask for the next one; to leave by break, or by throwing. */
  | { do: "next" | "break" | "throw"; loop: number };

interface History {
  retain: Retain;
  steps: Step[];
}

interface ModelLoop {
  timeout: number | undefined;
  over: boolean;
  waits: boolean;
  held: number | undefined;
  /** What it was given last. */
  given: string;
}

/** Who holds what. Knows nothing of promises: a step is through before the next comes. */
class Model {
  readonly statuses: TaskStatus[] = [];
  readonly loops: ModelLoop[] = [];
  readonly told: string[] = [];
  /** In the order of their ends. */
  unacknowledged: number[] = [];
  #line: number[] = [];
  /** Loops, in the order in which they began to wait. */
  #waiting: ModelLoop[] = [];
  #joining = false;
  readonly #retain: Retain;

  constructor(retain: Retain) {
    this.#retain = retain;
  }

  get running(): number[] {
    return this.#those("running");
  }

  take(step: Step): void {
    switch (step.do) {
      case "spawn":
        this.statuses.push("running");
        break;
      case "succeed":
      case "fail":
      case "cancel": {
        const task = step.task % this.statuses.length;
        const status = step.do === "succeed" ? "succeeded" : step.do === "fail" ? "failed" : "cancelled";
        if (this.statuses[task] === "running") this.#ended(task, status);
        break;
      }
      case "cancel all":
        this.#cancelAll();
        break;
      case "acknowledge":
        this.#acknowledge(step.task % this.statuses.length);
        break;
      case "iterate":
        this.loops.push({
          timeout: step.timeout,
          over: false,
          waits: false,
          held: undefined,
          given: "nothing",
        });
        break;
      case "next":
      case "break":
      case "throw": {
        const loop = this.loops[step.loop % this.loops.length];
        if (loop === undefined) break;
        if (step.do === "next") this.#next(loop);
        else this.#leave(loop);
        break;
      }
      case "pass":
        for (const loop of [...this.#waiting]) if (loop.timeout !== undefined) this.#end(loop);
        break;
      case "join":
        if (this.#joining) break;
        this.#joining = true;
        this.#settle();
        break;
      case "stop":
        if (this.#joining) break;
        this.#cancelAll();
        this.#tell("failed");
        break;
    }
  }

  #those(status: TaskStatus): number[] {
    return this.statuses.flatMap((each, task) => (each === status ? [task] : []));
  }

  /** The newest is asked first, and ends first. */
  #cancelAll(): void {
    for (const task of this.running.reverse()) this.#ended(task, "cancelled");
  }

  #ended(task: number, status: TaskStatus): void {
    this.statuses[task] = status;
    this.#offer(task, (line) => [...line, task]);
    if (this.running.length > 0) return;
    for (const loop of [...this.#waiting]) this.#end(loop);
    this.#settle();
  }

  #offer(task: number, enter: (line: number[]) => number[]): void {
    const loop = this.#waiting.shift();
    const kept = this.#retain === "all" || this.statuses[task] === "failed";
    if (loop === undefined && !kept) {
      this.#acknowledge(task);
      return;
    }
    if (!this.unacknowledged.includes(task)) this.unacknowledged.push(task);
    if (loop === undefined) this.#line = enter(this.#line);
    else this.#give(loop, task);
  }

  #give(loop: ModelLoop, task: number): void {
    loop.waits = false;
    loop.held = task;
    loop.given = `task ${task}`;
  }

  #end(loop: ModelLoop): void {
    this.#waiting = this.#waiting.filter((other) => other !== loop);
    loop.waits = false;
    loop.over = true;
    loop.given = "the end";
  }

  #next(loop: ModelLoop): void {
    if (loop.waits) return;
    if (loop.held !== undefined) this.#acknowledge(loop.held);
    loop.held = undefined;
    const task = loop.over ? undefined : this.#line.shift();
    if (task !== undefined) this.#give(loop, task);
    else if (loop.over || this.running.length === 0 || loop.timeout === 0) this.#end(loop);
    else {
      loop.waits = true;
      loop.given = "nothing yet";
      this.#waiting.push(loop);
    }
  }

  #leave(loop: ModelLoop): void {
    const { held } = loop;
    if (loop.waits) this.#end(loop);
    loop.over = true;
    loop.held = undefined;
    if (held !== undefined && this.unacknowledged.includes(held)) {
      this.#offer(held, (line) => [held, ...line]);
    }
  }

  #acknowledge(task: number): void {
    this.unacknowledged = this.unacknowledged.filter((other) => other !== task);
    this.#line = this.#line.filter((other) => other !== task);
  }

  #settle(): void {
    if (!this.#joining || this.running.length > 0) return;
    this.#joining = false;
    this.#tell("failed", "cancelled");
  }

  #tell(...statuses: TaskStatus[]): void {
    const tasks = this.unacknowledged.filter((task) => statuses.includes(this.statuses[task]!));
    this.told.push(tasks.join(" "));
    this.unacknowledged = [];
    this.#line = [];
  }
}

interface Loop {
  tasks: CompletedTasks;
  waits: boolean;
  given: string;
}

/** The same history in a group. */
class Reality {
  readonly group: PersistentTaskGroup;
  readonly told: string[] = [];
  readonly loops: Loop[] = [];
  readonly tasks: Task<unknown>[] = [];
  readonly #gates: Deferred[] = [];
  #joining = false;

  constructor(retain: Retain) {
    this.group = new PersistentTaskGroup({ retain });
  }

  async take(step: Step): Promise<void> {
    switch (step.do) {
      case "spawn": {
        const gate = new Deferred();
        this.#gates.push(gate);
        const name = String(this.tasks.length);
        this.tasks.push(this.group.spawn((token) => token.race(gate.promise), { name, logError: false }));
        break;
      }
      case "succeed":
        this.#gates[step.task % this.tasks.length]?.resolve();
        break;
      case "fail":
        this.#gates[step.task % this.tasks.length]?.reject(new Error("failed"));
        break;
      case "cancel":
        this.tasks[step.task % this.tasks.length]?.cancel();
        break;
      case "cancel all":
        this.group.cancel();
        break;
      case "acknowledge": {
        const task = this.tasks[step.task % this.tasks.length];
        if (task === undefined) break;
        const waited = this.group.tasks.has(task) && task.done;
        expect(this.group.acknowledge(task)).toBe(waited);
        break;
      }
      case "iterate":
        this.loops.push({ tasks: this.group.asCompleted(step), waits: false, given: "nothing" });
        break;
      case "next": {
        const loop = this.loops[step.loop % this.loops.length];
        if (loop !== undefined && !loop.waits) this.#next(loop);
        break;
      }
      case "break":
      case "throw":
        await this.loops[step.loop % this.loops.length]?.tasks.return();
        break;
      case "pass":
        await vi.advanceTimersByTimeAsync(LIMIT);
        break;
      case "join":
      case "stop":
        if (this.#joining) break;
        this.#joining = true;
        this.group[step.do]()
          .then(
            () => this.told.push(""),
            (error: unknown) =>
              this.told.push((error as TaskGroupError).tasks.map((task) => this.numberOf(task!)).join(" ")),
          )
          .finally(() => {
            this.#joining = false;
          });
        break;
    }
    await flushMicrotasks(80);
  }

  numberOf(task: Task<unknown>): number {
    return this.tasks.indexOf(task);
  }

  #next(loop: Loop): void {
    loop.waits = true;
    loop.given = "nothing yet";
    void loop.tasks.next().then((step) => {
      loop.waits = false;
      loop.given = step.done === true ? "the end" : `task ${this.numberOf(step.value)}`;
    });
  }
}

const task = fc.nat(7);
const loop = fc.nat(3);

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.constant<Step>({ do: "spawn" }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constantFrom("succeed" as const, "fail" as const), task }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom("cancel" as const, "acknowledge" as const), task }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("iterate" as const),
      timeout: fc.constantFrom(undefined, LIMIT, 0),
    }),
  },
  { weight: 8, arbitrary: fc.record({ do: fc.constant("next" as const), loop }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom("break" as const, "throw" as const), loop }) },
  {
    weight: 2,
    arbitrary: fc.constantFrom<Step>({ do: "pass" }, { do: "cancel all" }, { do: "join" }, { do: "stop" }),
  },
);

const histories: fc.Arbitrary<History> = fc.record({
  retain: fc.constantFrom("all" as const, "all" as const, "failures" as const),
  steps: fc.array(step, { minLength: 8, maxLength: 40 }),
});

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

/** Runs a history in both, and compares after every step; returns the model. */
async function compare({ retain, steps }: History): Promise<Model> {
  const model = new Model(retain);
  const reality = new Reality(retain);
  const leave = Array.from({ length: 4 }, (_, index): Step => ({ do: "break", loop: index }));
  for (const taken of [...steps, ...leave, { do: "cancel all" } as const, { do: "stop" } as const]) {
    model.take(taken);
    await reality.take(taken);
    expect(reality.tasks.map(({ status }) => status)).toEqual(model.statuses);
    expect(reality.loops.map(({ given }) => given)).toEqual(model.loops.map(({ given }) => given));
    expect(reality.told).toEqual(model.told);
    expect(Array.from(reality.group.tasks, (each) => reality.numberOf(each)).sort()).toEqual(
      [...model.running, ...model.unacknowledged].sort(),
    );
  }
  await reality.group[Symbol.asyncDispose]();
  expect(reality.group.tasks.size).toBe(0);
  expect(vi.getTimerCount()).toBe(0);
  return model;
}

describe("random histories of acknowledgement", () => {
  it(`go as the model has it, in ${runs} runs`, { timeout: 60_000 + 20 * runs }, async () => {
    let given = 0;
    let told = 0;
    let waited = 0;
    await fc.assert(
      fc.asyncProperty(histories, async (history) => {
        const model = await compare(history);
        given += model.loops.filter(
          ({ held, given: last }) => held === undefined && last.startsWith("task"),
        ).length;
        told += model.told.filter((tasks) => tasks.includes(" ")).length;
        waited += model.loops.filter(({ given: last }) => last === "the end").length;
      }),
      { numRuns: runs, seed },
    );
    // The histories are worth running.
    expect(given).toBeGreaterThan(runs / 20);
    expect(told).toBeGreaterThan(runs / 20);
    expect(waited).toBeGreaterThan(runs / 20);
  });
});
