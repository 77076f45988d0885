/**
 * What tests may leave behind: timers and handles, listeners, replaced functions, reporters, tasks. Whatever the platform
 * does not show is not looked at.
 */

/** What is used of Node's `process`, where there is one. */
interface Process {
  getActiveResourcesInfo?: () => string[];
  eventNames?: () => (string | symbol)[];
  rawListeners?: (event: string | symbol) => unknown[];
  getBuiltinModule?: (name: "events") => {
    getEventListeners: (target: EventTarget, event: string) => unknown[];
  };
}

interface Host {
  process?: Process;
  gc?: () => void;
  setImmediate?: (callback: () => void) => unknown;
}

/** The shared reporter of the packages, and the background tasks. */
const REPORT = Symbol.for("@scope/report");
const BACKGROUND = Symbol.for("@scope/guarded");

/** What tests put something else in the place of, and the owner of each. */
const REPLACED = [
  ...[
    "setTimeout",
    "clearTimeout",
    "setInterval",
    "setImmediate",
    "queueMicrotask",
    "Date",
    "reportError",
  ].map((name) => [globalThis, name] as const),
  ...["log", "warn", "error"].map((name) => [console, name] as const),
  [performance, "now"] as const,
  [AbortController.prototype, "abort"] as const,
];

// As they are before a test puts its own in their place.
const { setTimeout: wait } = globalThis;
const { setImmediate: nextTurn = wait } = globalThis as Host;
const now = performance.now.bind(performance);

/** One turn of the event loop, which no test clock holds up. */
export function turn(): Promise<void> {
  return new Promise((resolve) => {
    nextTurn(resolve);
  });
}

/** So many turns of the event loop, then milliseconds, that what is being closed gets. */
const TURNS = 10;
const PATIENCE = 2_000;

export class Inventory {
  /** But for timers: those of the test runner are soon gone. */
  readonly #resources = resources().filter((name) => name !== "Timeout" && name !== "Immediate");
  readonly #listeners = listeners();
  readonly #functions = functions();
  readonly #signals = new Signals();

  /**
   * What was not there before, in words. What is being closed gets a while for it. Puts listeners back. `clients` says that clients
   * such as the platform's `fetch` were used, which keep connections, and listen to signals, until they see fit.
   */
  async leftovers({ clients = false } = {}): Promise<string[]> {
    const end = now() + (clients ? 0 : PATIENCE);
    let handles = this.#handles();
    for (let round = 0; handles.length > 0 && now() < end; round++) {
      if (round < TURNS) await turn();
      else await new Promise((resolve) => wait(resolve, 5));
      handles = this.#handles();
    }
    const left = [...this.#strangers(), ...this.#replaced(), ...backgroundTasks()];
    this.#signals.restore();
    if (clients) return left;
    const { gc } = globalThis as Host;
    if (gc !== undefined && this.#signals.count > 0) {
      await new Promise((resolve) => wait(resolve, 0));
      gc();
    }
    return [...left, ...handles, ...this.#signals.listened()];
  }

  /** A signal of the test runner's own. */
  except(signal: AbortSignal): void {
    this.#signals.except(signal);
  }

  #handles(): string[] {
    const left = resources();
    for (const handle of this.#resources) {
      const index = left.indexOf(handle);
      if (index >= 0) left.splice(index, 1);
    }
    return left.map((handle) => `a ${handle} that is active`);
  }

  #strangers(): string[] {
    return [...listeners()].flatMap(([event, current]) => {
      const before = this.#listeners.get(event) ?? [];
      return current
        .filter((one) => !before.includes(one))
        .map(() => `a listener of process, "${String(event)}"`);
    });
  }

  #replaced(): string[] {
    return [...functions()].flatMap(([name, value]) =>
      value === this.#functions.get(name) ? [] : [`another ${name} than before`],
    );
  }
}

function resources(): string[] {
  return (globalThis as Host).process?.getActiveResourcesInfo?.() ?? [];
}

function listeners(): Map<string | symbol, unknown[]> {
  const { process } = globalThis as Host;
  return new Map(process?.eventNames?.().map((event) => [event, process.rawListeners?.(event) ?? []]));
}

function functions(): Map<string, unknown> {
  const reporter = (globalThis as { [REPORT]?: unknown })[REPORT];
  return new Map([
    ["process-wide handler", reporter],
    ...REPLACED.map(([owner, name]): [string, unknown] => [name, (owner as Record<string, unknown>)[name]]),
  ]);
}

function backgroundTasks(): string[] {
  const { scopes = [] } =
    (globalThis as { [BACKGROUND]?: { scopes: Iterable<{ tasks: Iterable<{ name: string }> }> } })[
      BACKGROUND
    ] ?? {};
  return [...scopes].flatMap(({ tasks }) => [...tasks].map(({ name }) => `a background task, "${name}"`));
}

/** The abort signals that somebody has listened to, as long as they are reachable: a signal that is not keeps nobody. */
class Signals {
  readonly #seen = new WeakSet();
  #refs: WeakRef<AbortSignal>[] = [];
  #prune = 1_000;
  readonly #getListeners = (globalThis as Host).process?.getBuiltinModule?.("events").getEventListeners;

  constructor() {
    if (this.#getListeners === undefined) return;
    const note = (signal: AbortSignal): void => {
      this.#note(signal);
    };
    const listen = Reflect.get(EventTarget.prototype, "addEventListener");
    AbortSignal.prototype.addEventListener = function (this: AbortSignal, ...args: [never, never]) {
      note(this);
      listen.apply(this, args);
    };
  }

  get count(): number {
    return this.#refs.length;
  }

  listened(): string[] {
    return this.#refs.flatMap((ref) => {
      const signal = ref.deref();
      const count =
        signal === undefined || signal.aborted ? 0 : (this.#getListeners?.(signal, "abort").length ?? 0);
      return count === 0 ? [] : [`${count} listeners on an abort signal that is still reachable`];
    });
  }

  except(signal: AbortSignal): void {
    this.#seen.add(signal);
  }

  restore(): void {
    if (this.#getListeners !== undefined) Reflect.deleteProperty(AbortSignal.prototype, "addEventListener");
  }

  #note(signal: AbortSignal): void {
    if (this.#seen.has(signal)) return;
    this.#seen.add(signal);
    this.#refs.push(new WeakRef(signal));
    if (this.#refs.length < this.#prune) return;
    this.#refs = this.#refs.filter((ref) => ref.deref() !== undefined);
    this.#prune = 1_000 + 2 * this.#refs.length;
  }
}
