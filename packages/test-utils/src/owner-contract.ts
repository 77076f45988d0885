/**
 * What every owner of tasks does in every situation: one table of situations, one row per kind of owner.
 *
 * A row is an {@link OwnerKind}: how to open one, how to run a body in one, and, as data, the verdict on each situation.
 * `describeOwner(row)` makes a test of each. After each situation, whatever its verdict, these hold too:
 *
 * - what a wait waited for has ended: no function runs on after `run`, `join`, `stop` or disposal has settled (L1);
 * - every failure of a task was told to one reporter, and to one only (L2);
 * - no timer and no listener on an outer signal is left (L7);
 * - after `run` the owner has no task and takes none.
 *
 * Runs in browsers too: nothing in here is Node's.
 */
import {
  type CancellationToken,
  CancellationSource,
  CancelledError,
  FatalError,
  InvalidStateError,
  type ScopeOptions,
  type StopOptions,
  type Task,
  type TaskFunction,
  TaskGroupError,
  type TaskSpawner,
  TimeoutError,
} from "@scope/core";
import { describe, expect, it, vi } from "vitest";
import { captureReports } from "./reports.ts";
import { Deferred, flushMicrotasks, macrotask } from "./waiting.ts";

/** What the situations ask of an owner. */
export interface Owner extends TaskSpawner, AsyncDisposable {
  readonly token: CancellationToken;
  readonly tasks: ReadonlySet<Task<unknown>>;
  cancel(reason?: unknown): void;
  join(): Promise<void>;
  stop(options?: StopOptions): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** A row of the table. */
export interface OwnerKind {
  /** The class, as its messages call it. */
  readonly name: string;
  open(options?: ScopeOptions): Owner;
  run<R>(body: (owner: Owner) => R | PromiseLike<R>, options?: ScopeOptions): Promise<R>;
  readonly verdicts: Verdicts;
}

/** What came of a situation. What is left out is empty. */
export interface Verdict {
  /** What the situation's main wait came to: "resolves: value", "rejects: TaskGroupError [boom, bang]". */
  readonly settles: string;
  /** How each task ended: "succeeded", "failed: boom", "cancelled: sibling, boom" (who asked, and the reason). */
  readonly tasks?: Readonly<Record<string, string>>;
  /** What the process-wide handler was told, in order: "boom of child", or "boom" where no task is named. */
  readonly reports?: readonly string[];
  /** What else happened, in order. */
  readonly log?: readonly string[];
}

/** A verdict on every situation; "not offered" where this kind of owner lacks the option that it is about. */
export type Verdicts = Readonly<Record<Situation, Verdict | "not offered">>;

export type Situation = keyof typeof situations;

/** Makes a test of every situation. */
export function describeOwner(kind: OwnerKind): void {
  describe(`${kind.name} keeps the contract of owners when`, () => {
    for (const situation of Object.keys(situations) as Situation[]) {
      const verdict = kind.verdicts[situation];
      if (verdict === "not offered") continue;
      it(situation, async () => {
        const { observed, violations } = await observe(kind, situations[situation]);
        expect(observed).toEqual({ tasks: {}, reports: [], log: [], ...verdict });
        expect(violations).toEqual([]);
      });
    }
  });
}

async function observe(
  kind: OwnerKind,
  situation: (scene: Scene) => Promise<unknown>,
): Promise<{ observed: Required<Verdict>; violations: string[] }> {
  vi.useFakeTimers();
  const reports = captureReports();
  try {
    const scene = new Scene(kind);
    const settles = await scene.outcome(situation(scene));
    await macrotask();
    const told = reports.map(({ error, task }) => {
      const owner = scene.nameOf(task);
      return scene.show(error) + (owner === undefined ? "" : ` of ${owner}`);
    });
    const observed = { settles, tasks: scene.endings(), reports: told, log: scene.log };
    return { observed, violations: scene.violations(reports.map(({ error }) => error)) };
  } finally {
    reports[Symbol.dispose]();
    vi.useRealTimers();
  }
}

/** One performance of a situation: makes its actors, and keeps the book. */
class Scene {
  readonly kind: OwnerKind;
  readonly log: string[] = [];
  readonly #errors = new Map<string, Error>();
  readonly #tasks = new Map<string, Task<unknown>>();
  readonly #running = new Set<string>();
  readonly #signals: CountedSignal[] = [];
  /** What the owners of the situation itself (not those nested in it) rejected with. */
  readonly #rejections = new Set<unknown>();
  readonly #violations: string[] = [];

  constructor(kind: OwnerKind) {
    this.kind = kind;
  }

  note(event: string): void {
    this.log.push(event);
  }

  /** The error of that name, the same at every call. */
  error(name: string, make: (message: string) => Error = (message) => new Error(message)): Error {
    let error = this.#errors.get(name);
    if (error === undefined) {
      error = make(name);
      this.#errors.set(name, error);
    }
    return error;
  }

  fatal(name: string): Error {
    return this.error(name, (message) => new FatalError(message));
  }

  /** A source whose token is an owner's outer one. */
  outer(): CancellationSource {
    return new CancellationSource();
  }

  /** A controller whose signal is an owner's outer one; its listeners are counted. */
  controller(): AbortController {
    const controller = new AbortController();
    this.#signals.push(new CountedSignal(controller.signal));
    return controller;
  }

  /** Spawns a task whose end the verdict tells, under this name. */
  spawn<T>(owner: TaskSpawner, name: string, fn: TaskFunction<T>): Task<T> {
    const task = owner.spawn(
      (token) => {
        this.#running.add(name);
        const ended = (): void => {
          this.#running.delete(name);
        };
        try {
          const result = fn(token);
          if (isThenable(result)) result.then(ended, ended);
          else ended();
          return result;
        } catch (error) {
          ended();
          throw error;
        }
      },
      { name },
    );
    this.#tasks.set(name, task);
    return task;
  }

  open(options?: ScopeOptions): Owner {
    return this.kind.open(options);
  }

  /** Runs a body, and looks at what it leaves behind. */
  run<R>(body: (owner: Owner) => R | PromiseLike<R>, options?: ScopeOptions): Promise<R> {
    let entered: Owner | undefined;
    const enter = (owner: Owner): R | PromiseLike<R> => {
      entered = owner;
      return body(owner);
    };
    const run = this.kind.run(typeof body === "function" ? enter : body, options);
    return this.ends(run, () => {
      if (entered === undefined) return;
      if (entered.tasks.size > 0) this.#violations.push("the owner has tasks after run");
      const late = this.spawnLate(entered, "after run");
      if (!late.includes("InvalidStateError")) this.#violations.push(`spawn after run ${late}`);
    });
  }

  /** Whatever waits for all tasks of an owner: nothing may run on when it settles. */
  ends<T>(wait: Promise<T>, look: () => void = () => undefined): Promise<T> {
    const settled = (): void => {
      if (this.#running.size > 0) this.#violations.push(`still running: ${[...this.#running].join(", ")}`);
      look();
    };
    wait.then(settled, (error: unknown) => {
      this.#rejections.add(error);
      settled();
    });
    return wait;
  }

  /** "is taken", or the refusal; a refused function that is called all the same is noted. */
  spawnLate(owner: TaskSpawner, name: string): string {
    try {
      this.spawn(owner, name, () => {
        this.note(`${name} is called`);
      });
      return "is taken";
    } catch (error) {
      return `throws ${this.show(error)}`;
    }
  }

  /** How a promise settled. */
  async outcome(promise: Promise<unknown>): Promise<string> {
    try {
      const value = await promise;
      return value === undefined ? "resolves" : `resolves: ${this.show(value)}`;
    } catch (error) {
      return `rejects: ${this.show(error)}`;
    }
  }

  /** An error as verdicts write it. */
  show(error: unknown): string {
    if (!(error instanceof Error)) return String(error);
    if (this.#errors.get(error.message) === error) return error.message;
    if (error instanceof TaskGroupError) {
      return `TaskGroupError [${error.errors.map((member) => this.show(member)).join(", ")}]`;
    }
    if (error instanceof CancelledError) {
      const { reason, source } = error;
      const why = reason instanceof TimeoutError ? [] : reason === undefined ? [] : [this.show(reason)];
      return [`cancelled: ${source}`, ...why].join(", ");
    }
    if (error instanceof TimeoutError) return "TimeoutError";
    if (error instanceof InvalidStateError) {
      const state = /is (closed|shutting down)/.exec(error.message)?.[0];
      return state === undefined ? "InvalidStateError" : `InvalidStateError (${state})`;
    }
    const argument = /`(\w+)`/.exec(error.message)?.[1];
    return argument === undefined ? `${error.name} (${error.message})` : `${error.name} about ${argument}`;
  }

  nameOf(task: Task<unknown> | undefined): string | undefined {
    for (const [name, candidate] of this.#tasks) if (candidate === task) return name;
    return undefined;
  }

  endings(): Record<string, string> {
    return Object.fromEntries(
      Array.from(this.#tasks, ([name, { status, error }]) => {
        if (status === "cancelled") return [name, this.show(error)];
        return [name, status === "failed" ? `failed: ${this.show(error)}` : status];
      }),
    );
  }

  /** What no verdict can excuse. */
  violations(reported: readonly unknown[]): string[] {
    const found = [...this.#violations];
    if (this.#running.size > 0) found.push(`never ended: ${[...this.#running].join(", ")}`);
    for (const [name, task] of this.#tasks) {
      if (!task.done) found.push(`${name} is ${task.status}`);
      if (task.status === "failed") found.push(...this.#toldOnce(name, task.error, reported));
    }
    for (const signal of this.#signals) {
      if (signal.listeners > 0) found.push(`${signal.listeners} listeners on the outer signal`);
    }
    if (vi.getTimerCount() > 0) found.push(`${vi.getTimerCount()} timers`);
    return found;
  }

  /** L2. Awaiting shows a failure and reports it to nobody, so a bare rejection counts only where nothing else does. */
  #toldOnce(name: string, error: unknown, reported: readonly unknown[]): string[] {
    const collected = [...this.#rejections].flatMap(members);
    const times = [...collected, ...reported].filter((told) => told === error).length;
    if (times === 1 || (times === 0 && this.#rejections.has(error))) return [];
    return [`the failure of ${name} was told ${times} times`];
  }
}

/** What a group error lists, and what the groups in it list. */
function members(error: unknown): unknown[] {
  if (!(error instanceof TaskGroupError)) return [];
  return error.errors.flatMap((member) => [member, ...members(member)]);
}

/** How many listeners an `AbortSignal` has. */
class CountedSignal {
  listeners = 0;

  constructor(signal: AbortSignal) {
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...args: unknown[]) => {
      this.listeners++;
      (add as (...args: unknown[]) => void)(...args);
    };
    signal.removeEventListener = (...args: unknown[]) => {
      this.listeners--;
      (remove as (...args: unknown[]) => void)(...args);
    };
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value;
}

/** Waits until it is cancelled. */
function waits(token: CancellationToken): Promise<never> {
  return token.race(new Promise<never>(() => undefined));
}

/** Waits until it is cancelled, ignores that, and ends as the promise does. */
function ignores<T>(promise: Promise<T>): TaskFunction<T> {
  return () => promise;
}

/**
 * The situations. Each performs with the actors that the scene makes, and returns the wait that its verdict tells. A gate
 * (`Deferred`) is what a task waits for that is to end by itself, after everything else had its chance.
 */
const situations = {
  // Failures

  "a child fails": async (scene: Scene) => {
    const gate = new Deferred();
    const run = scene.run((owner) => {
      scene.spawn(owner, "child", () => Promise.reject(scene.error("boom")));
      scene.spawn(owner, "sibling", (token) => token.race(gate.promise));
      return "value";
    });
    await flushMicrotasks();
    gate.resolve();
    return run;
  },

  "a child fails while the body waits": async (scene: Scene) => {
    const gate = new Deferred();
    const run = scene.run(async (owner) => {
      scene.spawn(owner, "child", () => Promise.reject(scene.error("boom")));
      await owner.token.race(gate.promise).catch((error: unknown) => {
        scene.note(`the body is ${scene.show(error)}`);
        throw error;
      });
      return "value";
    });
    await flushMicrotasks();
    gate.resolve();
    return run;
  },

  "a child throws synchronously": async (scene: Scene) => {
    const gate = new Deferred();
    const run = scene.run((owner) => {
      scene.spawn(owner, "sibling", (token) => {
        token.onCancel(() => {
          scene.note("sibling is cancelled");
        });
        return token.race(gate.promise);
      });
      const child = scene.spawn(owner, "child", () => {
        throw scene.error("boom");
      });
      scene.note(`spawn returns a task that is ${child.status}`);
      return "value";
    });
    await flushMicrotasks();
    gate.resolve();
    return run;
  },

  "two children fail in the same tick": async (scene: Scene) => {
    const gate = new Deferred();
    const run = scene.run((owner) => {
      for (const [name, error] of Object.entries({ first: "boom", second: "bang" })) {
        scene.spawn(owner, name, () => gate.promise.then(() => Promise.reject(scene.error(error))));
      }
      return "value";
    });
    await flushMicrotasks();
    gate.resolve();
    return run;
  },

  "the body fails": (scene: Scene) =>
    scene.run((owner) => {
      scene.spawn(owner, "child", waits);
      throw scene.error("boom");
    }),

  "a child fails, and then the body": (scene: Scene) =>
    scene.run(async (owner) => {
      const child = scene.spawn(owner, "child", () => Promise.reject(scene.error("boom")));
      await child.catch(() => undefined);
      throw scene.error("bang");
    }),

  "the body fails, and then a child": (scene: Scene) =>
    scene.run((owner) => {
      scene.spawn(owner, "child", async (token) => {
        await waits(token).catch(() => undefined);
        throw scene.error("bang");
      });
      throw scene.error("boom");
    }),

  "the body awaits the child that fails": (scene: Scene) =>
    scene.run(async (owner) => {
      await scene.spawn(owner, "child", () => Promise.reject(scene.error("boom")));
    }),

  "a child fails while it is being cancelled": (scene: Scene) =>
    scene.run((owner) => {
      scene.spawn(owner, "child", (token) => waits(token).catch(() => Promise.reject(scene.error("boom"))));
      scene.spawn(owner, "sibling", waits);
      owner.cancel("enough");
      return "value";
    }),

  "the clean-up of a child throws after an outer cancellation": async (scene: Scene) => {
    const outer = scene.outer();
    const run = scene.run(
      async (owner) => {
        scene.spawn(owner, "child", async (token) => {
          try {
            await waits(token);
          } finally {
            throw scene.error("boom");
          }
        });
        scene.spawn(owner, "sibling", waits);
        await waits(owner.token);
      },
      { token: outer.token },
    );
    await flushMicrotasks();
    outer.cancel("outer");
    await run.catch(() => undefined);
    scene.note(`the outer token is cancelled: ${String(outer.token.cancelRequested)}`);
    return run;
  },

  "a child fails with undefined": (scene: Scene) =>
    scene.run((owner) => {
      scene.spawn(owner, "child", () => Promise.reject(undefined));
    }),

  "a child fails with somebody else's AbortError": async (scene: Scene) => {
    const gate = new Deferred();
    const foreign = scene.error("aborted", (message) => new DOMException(message, "AbortError"));
    const run = scene.run((owner) => {
      scene.spawn(owner, "child", () => Promise.reject(foreign));
      scene.spawn(owner, "sibling", (token) => token.race(gate.promise));
    });
    await flushMicrotasks();
    gate.resolve();
    return run;
  },

  "the body fails with somebody else's CancelledError": (scene: Scene) => {
    const foreign = scene.error("elsewhere", (message) => new CancelledError(message));
    return scene.run((owner) => {
      scene.spawn(owner, "child", waits);
      throw foreign;
    });
  },

  "the body awaits a child that was cancelled alone": (scene: Scene) =>
    scene.run(async (owner) => {
      const child = scene.spawn(owner, "child", waits);
      child.cancel("alone");
      await child;
    }),

  "a cancelled child ends in the platform's AbortError": (scene: Scene) =>
    scene.run((owner) => {
      scene.spawn(owner, "child", (token) =>
        waits(token).catch(() => Promise.reject(new DOMException("fetch was aborted", "AbortError"))),
      );
      owner.cancel("enough");
      return "value";
    }),

  // Fatal errors

  "a fatal error comes while siblings fail too": async (scene: Scene) => {
    const gate = new Deferred();
    const run = scene.run((owner) => {
      scene.spawn(owner, "before", () => gate.promise.then(() => Promise.reject(scene.error("boom"))));
      scene.spawn(owner, "fatal", () => gate.promise.then(() => Promise.reject(scene.fatal("end"))));
      scene.spawn(owner, "after", (token) => waits(token).catch(() => Promise.reject(scene.error("bang"))));
      scene.spawn(owner, "sibling", waits);
    });
    await flushMicrotasks();
    gate.resolve();
    return run;
  },

  "the body ends in a fatal error after a child has failed": (scene: Scene) =>
    scene.run(async (owner) => {
      const child = scene.spawn(owner, "child", () => Promise.reject(scene.error("boom")));
      await child.catch(() => undefined);
      throw scene.fatal("end");
    }),

  "the body fails after a child's fatal error": (scene: Scene) =>
    scene.run(async (owner) => {
      const child = scene.spawn(owner, "child", () => Promise.reject(scene.fatal("end")));
      await child.catch(() => undefined);
      throw scene.error("boom");
    }),

  "two children end in fatal errors": (scene: Scene) =>
    scene.run((owner) => {
      scene.spawn(owner, "first", () => Promise.reject(scene.fatal("end")));
      scene.spawn(owner, "second", () => Promise.reject(scene.fatal("fin")));
    }),

  "a child and then the body end in fatal errors": (scene: Scene) =>
    scene.run(async (owner) => {
      const child = scene.spawn(owner, "child", () => Promise.reject(scene.fatal("end")));
      await child.catch(() => undefined);
      throw scene.fatal("fin");
    }),

  "a fatal error comes after the time has run out": async (scene: Scene) => {
    const run = scene.run(
      (owner) => {
        scene.spawn(owner, "child", (token) => waits(token).catch(() => Promise.reject(scene.fatal("end"))));
      },
      { timeout: 100 },
    );
    await vi.advanceTimersByTimeAsync(100);
    return run;
  },

  // Cancellation from within

  "it is cancelled by its body, which returns": (scene: Scene) =>
    scene.run((owner) => {
      scene.spawn(owner, "child", waits);
      owner.cancel("enough");
      return "value";
    }),

  "it is cancelled by its body, which is interrupted": (scene: Scene) =>
    scene.run(async (owner) => {
      scene.spawn(owner, "child", waits);
      owner.cancel("enough");
      await waits(owner.token);
    }),

  "it is cancelled by a child": (scene: Scene) =>
    scene.run(async (owner) => {
      scene.spawn(owner, "sibling", waits);
      scene.spawn(owner, "child", async () => {
        await flushMicrotasks();
        owner.cancel("enough");
        return "done";
      });
      await waits(owner.token);
    }),

  "it is cancelled by a child, and the body does not mind": (scene: Scene) =>
    scene.run((owner) => {
      scene.spawn(owner, "sibling", waits);
      scene.spawn(owner, "child", async () => {
        await flushMicrotasks();
        owner.cancel("enough");
      });
      return "value";
    }),

  "it is cancelled from outside": async (scene: Scene) => {
    let owner: Owner | undefined;
    const run = scene.run((entered) => {
      owner = entered;
      scene.spawn(entered, "child", waits);
      return waits(entered.token);
    });
    await flushMicrotasks();
    owner!.cancel("enough");
    return run;
  },

  "it is cancelled twice": (scene: Scene) =>
    scene.run(async (owner) => {
      scene.spawn(owner, "child", waits);
      owner.cancel("first");
      owner.cancel("second");
      await waits(owner.token);
    }),

  "a child ignores its cancellation and returns": async (scene: Scene) => {
    const gate = new Deferred<string>();
    const run = scene.run((owner) => {
      scene.spawn(owner, "child", ignores(gate.promise));
      owner.cancel("enough");
      return "value";
    });
    run.then(
      () => {
        scene.note("run settles");
      },
      () => undefined,
    );
    await flushMicrotasks();
    scene.note("the child returns");
    gate.resolve("late");
    return run;
  },

  "a child ignores its cancellation and fails": async (scene: Scene) => {
    const gate = new Deferred<string>();
    const run = scene.run((owner) => {
      scene.spawn(owner, "child", ignores(gate.promise));
      owner.cancel("enough");
      return "value";
    });
    await flushMicrotasks();
    gate.reject(scene.error("boom"));
    return run;
  },

  "a child is cancelled alone": async (scene: Scene) => {
    const gate = new Deferred();
    const run = scene.run((owner) => {
      scene.spawn(owner, "child", waits).cancel("alone");
      scene.spawn(owner, "sibling", (token) => token.race(gate.promise));
      return "value";
    });
    await flushMicrotasks();
    gate.resolve();
    return run;
  },

  // Outer cancellation

  "the outer token was cancelled before": (scene: Scene) => {
    const outer = scene.outer();
    outer.cancel("outer");
    return scene.run(
      () => {
        scene.note("the body is called");
      },
      { token: outer.token },
    );
  },

  "the outer token is cancelled": async (scene: Scene) => {
    const outer = scene.outer();
    const run = scene.run(
      (owner) => {
        scene.spawn(owner, "child", waits);
        return waits(owner.token);
      },
      { token: outer.token },
    );
    await flushMicrotasks();
    outer.cancel("outer");
    return run;
  },

  "the outer token is cancelled, and the body returns all the same": async (scene: Scene) => {
    const outer = scene.outer();
    const run = scene.run(
      async (owner) => {
        scene.spawn(owner, "child", waits);
        await waits(owner.token).catch(() => undefined);
        return "value";
      },
      { token: outer.token },
    );
    await flushMicrotasks();
    outer.cancel("outer");
    return run;
  },

  "the outer token is cancelled while it is closing": async (scene: Scene) => {
    const outer = scene.outer();
    const run = scene.run(
      (owner) => {
        scene.spawn(owner, "child", waits);
        return "value";
      },
      { token: outer.token },
    );
    await flushMicrotasks();
    outer.cancel("outer");
    return run;
  },

  "the outer token is cancelled after its own cancel": async (scene: Scene) => {
    const outer = scene.outer();
    const gate = new Deferred();
    const run = scene.run(
      (owner) => {
        scene.spawn(owner, "child", (token) => waits(token).finally(() => gate.promise));
        owner.cancel("own");
        return "value";
      },
      { token: outer.token },
    );
    await flushMicrotasks();
    outer.cancel("outer");
    gate.resolve();
    return run;
  },

  "the outer token is cancelled after its own cancel has interrupted the body": async (scene: Scene) => {
    const outer = scene.outer();
    const gate = new Deferred();
    const run = scene.run(
      (owner) => {
        owner.cancel("own");
        return waits(owner.token).finally(() => gate.promise);
      },
      { token: outer.token },
    );
    await flushMicrotasks();
    outer.cancel("outer");
    gate.resolve();
    return run;
  },

  "the outer token is cancelled after a child has failed": async (scene: Scene) => {
    const outer = scene.outer();
    const gate = new Deferred();
    const run = scene.run(
      (owner) => {
        scene.spawn(owner, "child", () => Promise.reject(scene.error("boom")));
        scene.spawn(owner, "sibling", (token) => token.race(gate.promise).finally(() => gate.promise));
        return "value";
      },
      { token: outer.token },
    );
    await flushMicrotasks();
    outer.cancel("outer");
    gate.resolve();
    return run;
  },

  "the outer token is cancelled, and the body fails over it": async (scene: Scene) => {
    const outer = scene.outer();
    const run = scene.run(
      (owner) => {
        scene.spawn(owner, "child", waits);
        return waits(owner.token).catch(() => Promise.reject(scene.error("boom")));
      },
      { token: outer.token },
    );
    await flushMicrotasks();
    outer.cancel("outer");
    return run;
  },

  "the outer token is cancelled after it has ended": async (scene: Scene) => {
    const outer = scene.outer();
    let owner: Owner | undefined;
    const run = scene.run(
      (entered) => {
        owner = entered;
        return "value";
      },
      { token: outer.token },
    );
    await run;
    outer.cancel("outer");
    scene.note(`its token is cancelled: ${String(owner!.token.cancelRequested)}`);
    return run;
  },

  "an outer AbortSignal is aborted with a reason of its own": async (scene: Scene) => {
    const controller = scene.controller();
    const reason = scene.error("why");
    const run = scene.run(
      async (owner) => {
        scene.spawn(owner, "child", waits);
        // As fetch and the like do: they reject with the signal's reason as it is.
        scene.spawn(owner, "native", (token) => waits(token).catch(() => Promise.reject(reason)));
        await waits(owner.token).catch(() => Promise.reject(reason));
      },
      { token: controller.signal },
    );
    await flushMicrotasks();
    controller.abort(reason);
    return run;
  },

  "an outer AbortSignal is never aborted": (scene: Scene) =>
    scene.run(
      (owner) => {
        scene.spawn(owner, "child", () => flushMicrotasks());
        return "value";
      },
      { token: scene.controller().signal },
    ),

  // Shield

  "it is shielded, and the outer token was cancelled before": (scene: Scene) => {
    const outer = scene.outer();
    outer.cancel("outer");
    return scene.run(
      async (owner) => {
        await scene.spawn(owner, "child", () => flushMicrotasks());
        scene.note(`its token is cancelled: ${String(owner.token.cancelRequested)}`);
        return "value";
      },
      { token: outer.token, shield: true },
    );
  },

  "it is shielded, and the outer token is cancelled": async (scene: Scene) => {
    const outer = scene.outer();
    const gate = new Deferred();
    const run = scene.run(
      async (owner) => {
        scene.spawn(owner, "child", (token) => token.race(gate.promise));
        await owner.token.race(gate.promise);
        scene.note(`its token is cancelled: ${String(owner.token.cancelRequested)}`);
        scene.spawn(owner, "late", () => flushMicrotasks());
        return "value";
      },
      { token: outer.token, shield: true },
    );
    await flushMicrotasks();
    outer.cancel("outer");
    await flushMicrotasks();
    gate.resolve();
    return run;
  },

  "it is shielded, the outer token is cancelled, and a child fails": async (scene: Scene) => {
    const outer = scene.outer();
    const gate = new Deferred();
    const run = scene.run(
      (owner) => {
        scene.spawn(owner, "child", () => gate.promise.then(() => Promise.reject(scene.error("boom"))));
        return "value";
      },
      { token: outer.token, shield: true },
    );
    await flushMicrotasks();
    outer.cancel("outer");
    gate.resolve();
    return run;
  },

  "it is shielded, and cancels itself": async (scene: Scene) => {
    const outer = scene.outer();
    return scene.run(
      (owner) => {
        scene.spawn(owner, "child", waits);
        owner.cancel("own");
        return "value";
      },
      { token: outer.token, shield: true },
    );
  },

  // Timeout

  "everything ends before the timeout": (scene: Scene) =>
    scene.run(
      (owner) => {
        scene.spawn(owner, "child", () => flushMicrotasks());
        return "value";
      },
      { timeout: 100 },
    ),

  "the time runs out": async (scene: Scene) => {
    const run = scene.run(
      (owner) => {
        scene.spawn(owner, "child", waits);
        return waits(owner.token);
      },
      { timeout: 100 },
    );
    await vi.advanceTimersByTimeAsync(99);
    scene.note("99 ms have passed");
    run.catch(() => {
      scene.note("run settles");
    });
    await vi.advanceTimersByTimeAsync(1);
    return run;
  },

  "the time runs out after the body has returned": async (scene: Scene) => {
    const run = scene.run(
      (owner) => {
        scene.spawn(owner, "child", waits);
        return "value";
      },
      { timeout: 100 },
    );
    await vi.advanceTimersByTimeAsync(100);
    return run;
  },

  "the time runs out, and the body returns all the same": async (scene: Scene) => {
    const run = scene.run(
      (owner) =>
        waits(owner.token).then(
          () => undefined,
          () => "value",
        ),
      { timeout: 100 },
    );
    await vi.advanceTimersByTimeAsync(100);
    return run;
  },

  "the time runs out after a child has failed": async (scene: Scene) => {
    const gate = new Deferred();
    const run = scene.run(
      (owner) => {
        scene.spawn(owner, "child", () => Promise.reject(scene.error("boom")));
        scene.spawn(owner, "sibling", (token) => token.race(gate.promise).finally(() => gate.promise));
      },
      { timeout: 100 },
    );
    await vi.advanceTimersByTimeAsync(100);
    gate.resolve();
    return run;
  },

  "the time runs out, and a child fails over it": async (scene: Scene) => {
    const run = scene.run(
      (owner) => {
        scene.spawn(owner, "child", (token) => waits(token).catch(() => Promise.reject(scene.error("boom"))));
      },
      { timeout: 100 },
    );
    await vi.advanceTimersByTimeAsync(100);
    return run;
  },

  "the time runs out, and the body fails over it": async (scene: Scene) => {
    const run = scene.run((owner) => waits(owner.token).catch(() => Promise.reject(scene.error("boom"))), {
      timeout: 100,
    });
    await vi.advanceTimersByTimeAsync(100);
    return run;
  },

  "the time runs out after the outer token was cancelled": async (scene: Scene) => {
    const outer = scene.outer();
    const gate = new Deferred();
    const run = scene.run((owner) => waits(owner.token).finally(() => gate.promise), {
      timeout: 100,
      token: outer.token,
    });
    await flushMicrotasks();
    outer.cancel("outer");
    await vi.advanceTimersByTimeAsync(100);
    gate.resolve();
    return run;
  },

  "the outer token is cancelled after the time has run out": async (scene: Scene) => {
    const outer = scene.outer();
    const gate = new Deferred();
    const run = scene.run((owner) => waits(owner.token).finally(() => gate.promise), {
      timeout: 100,
      token: outer.token,
    });
    await vi.advanceTimersByTimeAsync(100);
    outer.cancel("outer");
    gate.resolve();
    return run;
  },

  "the time runs out after its own cancel": async (scene: Scene) => {
    const gate = new Deferred();
    const run = scene.run(
      (owner) => {
        scene.spawn(owner, "child", (token) => waits(token).finally(() => gate.promise));
        owner.cancel("own");
        return "value";
      },
      { timeout: 100 },
    );
    await vi.advanceTimersByTimeAsync(100);
    gate.resolve();
    return run;
  },

  "it is shielded, the outer token is cancelled, and the time runs out": async (scene: Scene) => {
    const outer = scene.outer();
    const run = scene.run((owner) => waits(owner.token), {
      timeout: 100,
      token: outer.token,
      shield: true,
    });
    await vi.advanceTimersByTimeAsync(50);
    outer.cancel("outer");
    await vi.advanceTimersByTimeAsync(50);
    return run;
  },

  // Spawning at odd moments

  "something is spawned after join": async (scene: Scene) => {
    const owner = scene.open();
    scene.spawn(owner, "child", () => flushMicrotasks());
    await scene.ends(owner.join());
    scene.note(`spawn ${scene.spawnLate(owner, "late")}`);
    await scene.ends(owner.stop());
  },

  "something is spawned after disposal": async (scene: Scene) => {
    const owner = scene.open();
    await scene.ends(owner[Symbol.asyncDispose]());
    scene.note(`spawn ${scene.spawnLate(owner, "late")}`);
  },

  "something is spawned after cancel": (scene: Scene) =>
    scene.run((owner) => {
      scene.spawn(owner, "child", waits);
      owner.cancel("enough");
      scene.note(`spawn ${scene.spawnLate(owner, "late")}`);
      return "value";
    }),

  "a child spawns in its clean-up": (scene: Scene) =>
    scene.run((owner) => {
      scene.spawn(owner, "child", async (token) => {
        try {
          await waits(token);
        } finally {
          scene.note(`spawn ${scene.spawnLate(owner, "late")}`);
        }
      });
      owner.cancel("enough");
      return "value";
    }),

  "a child spawns after the body has returned": async (scene: Scene) => {
    const gate = new Deferred();
    const run = scene.run((owner) => {
      scene.spawn(owner, "child", async () => {
        await gate.promise;
        scene.spawn(owner, "late", async () => {
          await flushMicrotasks();
          scene.note("late ends");
        });
      });
      return "value";
    });
    run.then(
      () => {
        scene.note("run settles");
      },
      () => undefined,
    );
    await flushMicrotasks();
    gate.resolve();
    return run;
  },

  "the last child's onDone spawns another": async (scene: Scene) => {
    const gate = new Deferred();
    const run = scene.run((owner) => {
      scene
        .spawn(owner, "child", () => gate.promise)
        .onDone(() => {
          scene.spawn(owner, "late", async () => {
            await flushMicrotasks();
            scene.note("late ends");
          });
        });
      return "value";
    });
    run.then(
      () => {
        scene.note("run settles");
      },
      () => undefined,
    );
    await flushMicrotasks();
    gate.resolve();
    return run;
  },

  "a child spawned after the body has returned fails": async (scene: Scene) => {
    const gate = new Deferred();
    const run = scene.run((owner) => {
      scene.spawn(owner, "child", async () => {
        await gate.promise;
        scene.spawn(owner, "late", () => Promise.reject(scene.error("boom")));
        return "done";
      });
      return "value";
    });
    await flushMicrotasks();
    gate.resolve();
    return run;
  },

  // Concurrency

  "more is spawned than may run": async (scene: Scene) => {
    const gates = Array.from({ length: 4 }, () => new Deferred());
    const run = scene.run(
      (owner) => {
        const tasks = gates.map((gate, index) =>
          scene.spawn(owner, `task ${index}`, async () => {
            scene.note(`${index} starts`);
            await gate.promise;
            scene.note(`${index} ends`);
          }),
        );
        scene.note(tasks.map(({ status }) => status).join(" "));
        return "value";
      },
      { concurrency: 2 },
    );
    for (const index of [1, 0, 3, 2]) {
      await flushMicrotasks();
      gates[index]!.resolve();
    }
    return run;
  },

  "it is cancelled while children wait for a slot": (scene: Scene) =>
    scene.run(
      (owner) => {
        scene.spawn(owner, "running", waits);
        for (const name of ["pending 1", "pending 2"]) {
          scene.spawn(owner, name, () => {
            scene.note(`${name} is called`);
          });
        }
        owner.cancel("enough");
        return "value";
      },
      { concurrency: 1 },
    ),

  "a child that waits for a slot is cancelled alone": async (scene: Scene) => {
    const gate = new Deferred();
    const run = scene.run(
      (owner) => {
        scene
          .spawn(owner, "running", () => gate.promise)
          .onDone(() => {
            scene.note("running is done");
          });
        const pending = scene.spawn(owner, "pending", () => {
          scene.note("pending is called");
        });
        pending.onDone(() => {
          scene.note("pending is done");
        });
        scene.spawn(owner, "next", () => {
          scene.note("next is called");
        });
        pending.cancel("alone");
        return "value";
      },
      { concurrency: 1 },
    );
    await flushMicrotasks();
    gate.resolve();
    return run;
  },

  "a child fails while others wait for a slot": async (scene: Scene) => {
    const gate = new Deferred();
    const run = scene.run(
      (owner) => {
        scene.spawn(owner, "child", () => gate.promise.then(() => Promise.reject(scene.error("boom"))));
        scene.spawn(owner, "pending", () => {
          scene.note("pending is called");
        });
      },
      { concurrency: 1 },
    );
    await flushMicrotasks();
    gate.resolve();
    return run;
  },

  "the time runs out while children wait for a slot": async (scene: Scene) => {
    const run = scene.run(
      (owner) => {
        scene.spawn(owner, "running", waits);
        scene.spawn(owner, "pending", () => {
          scene.note("pending is called");
        });
      },
      { concurrency: 1, timeout: 100 },
    );
    await vi.advanceTimersByTimeAsync(100);
    return run;
  },

  // Waiting and stopping

  "an empty owner is joined": (scene: Scene) => scene.ends(scene.open().join()),

  "an empty owner is stopped": (scene: Scene) => scene.ends(scene.open().stop()),

  "it is joined": async (scene: Scene) => {
    const owner = scene.open();
    const gate = new Deferred();
    scene.spawn(owner, "child", (token) => token.race(gate.promise));
    const join = scene.ends(owner.join());
    await flushMicrotasks();
    gate.resolve();
    return join;
  },

  "it is stopped": (scene: Scene) => {
    const owner = scene.open();
    scene.spawn(owner, "child", waits);
    return scene.ends(owner.stop({ reason: "enough" }));
  },

  "it is stopped, and a child fails over it": (scene: Scene) => {
    const owner = scene.open();
    scene.spawn(owner, "child", (token) => waits(token).catch(() => Promise.reject(scene.error("boom"))));
    return scene.ends(owner.stop());
  },

  "a child fails, and it is joined": (scene: Scene) => {
    const owner = scene.open();
    scene.spawn(owner, "child", () => Promise.reject(scene.error("boom")));
    scene.spawn(owner, "sibling", () => flushMicrotasks());
    return scene.ends(owner.join());
  },

  "a fatal error comes, and it is joined": (scene: Scene) => {
    const owner = scene.open();
    scene.spawn(owner, "child", () => Promise.reject(scene.fatal("end")));
    scene.spawn(owner, "sibling", waits);
    return scene.ends(owner.join());
  },

  "a fatal error comes, and it is stopped": (scene: Scene) => {
    const owner = scene.open();
    scene.spawn(owner, "child", (token) => waits(token).catch(() => Promise.reject(scene.fatal("end"))));
    scene.spawn(owner, "sibling", waits);
    return scene.ends(owner.stop());
  },

  "its body joins it, and a child fails": (scene: Scene) =>
    scene.run(async (owner) => {
      scene.spawn(owner, "child", () => Promise.reject(scene.error("boom")));
      await owner.join();
      return "value";
    }),

  "its body stops it, and a child fails over it": (scene: Scene) =>
    scene.run(async (owner) => {
      scene.spawn(owner, "child", (token) => waits(token).catch(() => Promise.reject(scene.error("boom"))));
      await owner.stop();
      return "value";
    }),

  "the outer token is cancelled, and it is joined": async (scene: Scene) => {
    const outer = scene.outer();
    const owner = scene.open({ token: outer.token });
    scene.spawn(owner, "child", waits);
    const join = scene.ends(owner.join());
    await flushMicrotasks();
    outer.cancel("outer");
    return join;
  },

  "the outer token is cancelled, and it is stopped": (scene: Scene) => {
    const outer = scene.outer();
    const owner = scene.open({ token: outer.token });
    scene.spawn(owner, "child", waits);
    outer.cancel("outer");
    return scene.ends(owner.stop());
  },

  "the time runs out, and it is joined": async (scene: Scene) => {
    const owner = scene.open({ timeout: 100 });
    scene.spawn(owner, "child", waits);
    const join = scene.ends(owner.join());
    await vi.advanceTimersByTimeAsync(100);
    return join;
  },

  "the time runs out, and it is stopped": async (scene: Scene) => {
    const owner = scene.open({ timeout: 100 });
    scene.spawn(owner, "child", waits);
    await vi.advanceTimersByTimeAsync(100);
    return scene.ends(owner.stop());
  },

  "stop takes longer than its time limit": async (scene: Scene) => {
    const owner = scene.open();
    const gate = new Deferred();
    scene.spawn(owner, "quick", waits);
    scene.spawn(owner, "slow", (token) => waits(token).finally(() => gate.promise));
    const stop = owner.stop({ timeout: 100 });
    stop.catch((error: unknown) => {
      const { message } = error as Error;
      scene.note(`the message names slow: ${String(message.includes("slow"))}`);
      scene.note(`the message names quick: ${String(message.includes("quick"))}`);
    });
    await vi.advanceTimersByTimeAsync(100);
    const join = scene.ends(owner.join());
    gate.resolve();
    scene.note(`join ${await scene.outcome(join)}`);
    return stop;
  },

  "stop takes longer than its time limit after a child has failed": async (scene: Scene) => {
    const owner = scene.open();
    const gate = new Deferred();
    scene.spawn(owner, "child", () => Promise.reject(scene.error("boom")));
    scene.spawn(owner, "slow", (token) => waits(token).finally(() => gate.promise));
    await flushMicrotasks();
    const stop = owner.stop({ timeout: 100 });
    stop.catch(() => undefined);
    await vi.advanceTimersByTimeAsync(100);
    const join = scene.ends(owner.join());
    gate.resolve();
    scene.note(`join ${await scene.outcome(join)}`);
    return stop;
  },

  "stop ends within its time limit": (scene: Scene) => {
    const owner = scene.open();
    scene.spawn(owner, "child", waits);
    return scene.ends(owner.stop({ timeout: 100 }));
  },

  "several wait for its end": async (scene: Scene) => {
    const owner = scene.open();
    const gate = new Deferred();
    scene.spawn(owner, "child", () => gate.promise.then(() => Promise.reject(scene.error("boom"))));
    const waiters = [owner.join(), owner.join(), owner.stop()].map((wait) => scene.ends(wait));
    gate.resolve();
    const told = await Promise.allSettled(waiters);
    const reasons = told.map((result) =>
      result.status === "rejected" ? (result.reason as unknown) : "none",
    );
    scene.note(`rejections: ${reasons.map((reason) => scene.show(reason)).join(", ")}`);
    scene.note(`different ones: ${new Set(reasons).size}`);
    scene.note(`a later join ${await scene.outcome(owner.join())}`);
    scene.note(`a later stop ${await scene.outcome(owner.stop())}`);
    return waiters[0];
  },

  "it is stopped from outside while its body waits": async (scene: Scene) => {
    let owner: Owner | undefined;
    const run = scene.run((entered) => {
      owner = entered;
      scene.spawn(entered, "child", waits);
      return waits(entered.token);
    });
    await flushMicrotasks();
    scene.note(`stop ${await scene.outcome(owner!.stop({ reason: "enough" }))}`);
    return run;
  },

  "an `await using` block ends": async (scene: Scene) => {
    const block = async (): Promise<string> => {
      await using owner = scene.open();
      scene.spawn(owner, "child", waits);
      return "value";
    };
    return scene.ends(block());
  },

  "an `await using` block fails": async (scene: Scene) => {
    const block = async (): Promise<string> => {
      await using owner = scene.open();
      scene.spawn(owner, "child", waits);
      throw scene.error("boom");
    };
    return scene.ends(block());
  },

  "an `await using` block ends in a join that rejects": async (scene: Scene) => {
    const block = async (): Promise<string> => {
      await using owner = scene.open();
      scene.spawn(owner, "child", () => Promise.reject(scene.error("boom")));
      await owner.join();
      return "value";
    };
    return scene.ends(block());
  },

  // Nesting

  "an owner in one of its children fails": (scene: Scene) =>
    scene.run((owner) => {
      scene.spawn(owner, "sibling", () => flushMicrotasks());
      scene.spawn(owner, "outer child", (token) =>
        scene.kind.run(
          (inner) => {
            scene.spawn(inner, "inner child", () => Promise.reject(scene.error("boom")));
          },
          { token },
        ),
      );
      return "value";
    }),

  "an owner in one of its children and another child fail in the same tick": async (scene: Scene) => {
    const gate = new Deferred();
    const run = scene.run((owner) => {
      scene.spawn(owner, "outer child", (token) =>
        scene.kind.run(
          (inner) => {
            scene.spawn(inner, "inner child", () =>
              gate.promise.then(() => Promise.reject(scene.error("boom"))),
            );
            return waits(inner.token);
          },
          { token },
        ),
      );
      scene.spawn(owner, "sibling", () => gate.promise.then(() => Promise.reject(scene.error("bang"))));
      // What the failure does not end, this does.
      scene
        .spawn(owner, "end", () => flushMicrotasks(100))
        .onDone(() => {
          owner.cancel("enough");
        });
      return "value";
    });
    await flushMicrotasks(10);
    gate.resolve();
    return run;
  },

  "it is cancelled with an owner in one of its children": (scene: Scene) =>
    scene.run((owner) => {
      scene.spawn(owner, "outer child", (token) =>
        scene.kind.run(
          (inner) => {
            scene.spawn(inner, "inner child", waits);
          },
          { token },
        ),
      );
      owner.cancel("enough");
      return "value";
    }),

  "a fatal error comes in an owner in one of its children": (scene: Scene) =>
    scene.run((owner) => {
      scene.spawn(owner, "sibling", waits);
      scene.spawn(owner, "outer child", (token) =>
        scene.kind.run(
          (inner) => {
            scene.spawn(inner, "inner sibling", waits);
            scene.spawn(inner, "inner child", () => Promise.reject(scene.fatal("end")));
          },
          { token },
        ),
      );
    }),

  // What run comes to

  "the body returns nothing": (scene: Scene) => scene.run(() => undefined),

  "the body returns a promise": (scene: Scene) =>
    scene.run(async () => {
      await flushMicrotasks();
      return "value";
    }),

  "the body returns one of its tasks": (scene: Scene) =>
    scene.run((owner) => scene.spawn(owner, "child", () => flushMicrotasks().then(() => "value"))),

  "the body fails with undefined": (scene: Scene) => scene.run(() => Promise.reject(undefined)),

  "the body is no function": (scene: Scene) => scene.run("body" as never, { timeout: 100 }),

  "the body gives a value that a live child delays": async (scene: Scene) => {
    const gate = new Deferred();
    const run = scene.run((owner) => {
      scene.spawn(owner, "child", () => gate.promise);
      return "value";
    });
    run.then(
      () => {
        scene.note("run settles");
      },
      () => undefined,
    );
    await flushMicrotasks();
    scene.note("the child ends");
    gate.resolve();
    return run;
  },
} satisfies Record<string, (scene: Scene) => Promise<unknown>>;
