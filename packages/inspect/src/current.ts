/**
 * Which task the running code belongs to: its number, in the async context of its function. Entered when the function is
 * called, and left when its synchronous part is over; so what the function does later is in it, and its caller is not.
 *
 * | state | until | what is known |
 * |---|---|---|
 * | following | more than `FLOOD` tasks begin within `WINDOW` | whose code runs |
 * | flooded | a window has passed with no more than `FLOOD` of them | nothing of tasks that begin, nor of code that goes on where context is a hook |
 *
 * Invariants
 * - C1. What is not known is not guessed: nobody's code counts as another task's, also when the flood is over.
 * - C2. While flooded no context is entered, and no hook is called: it costs next to nothing.
 */
import type { Clock } from "./clock.ts";
import { builtin, host } from "./host.ts";

/** So many tasks, each with a hook for every promise, take some two milliseconds more. */
export const FLOOD = 1_000;
/** Milliseconds. */
export const WINDOW = 20;

/** The part of `AsyncLocalStorage` that is used. */
interface Storage {
  getStore(): number | undefined;
  enterWith(store: number | undefined): void;
  disable(): void;
}

type StorageClass = (new () => Storage) & { readonly prototype: object };
type Timer = { unref?(): unknown } | number;

/** As they were when this was loaded: tests put their own in their place. */
const { setTimeout: later, clearTimeout: forget } = globalThis as {
  setTimeout: (callback: () => void, ms: number) => Timer;
  clearTimeout: (timer: Timer | undefined) => void;
};

function storageClass(): StorageClass | undefined {
  return (builtin("node:async_hooks") as { AsyncLocalStorage?: StorageClass } | undefined)?.AsyncLocalStorage;
}

/**
 * Whether the platform carries async context by itself: Node from 24 on, Deno, Bun. Before that, Node calls a hook for
 * every promise as soon as any context is entered.
 */
export function hasCheapContext(): boolean {
  const { prototype } = storageClass() ?? {};
  return (
    prototype !== undefined && (!("_propagate" in prototype) || host.process?.versions?.["bun"] !== undefined)
  );
}

export class Current {
  readonly #clock: Clock;
  readonly #storage: Storage;
  readonly #hooked = !hasCheapContext();
  /** The tasks that were entered and not left, and whose code each has interrupted. */
  readonly #entered: number[] = [];
  readonly #outer: (number | undefined)[] = [];
  /** How many have begun in this window. */
  #begun = 0;
  #since = 0;
  /** Runs while flooded. */
  #timer: Timer | undefined;
  readonly #look = (): void => {
    if (this.#begun > FLOOD) this.#wait();
    else this.#follow();
  };

  constructor(Storage: StorageClass, clock: Clock) {
    this.#storage = new Storage();
    this.#clock = clock;
  }

  get(): number | undefined {
    return this.#storage.getStore();
  }

  enter(task: number): void {
    this.#begun++;
    if (this.#timer === undefined && (this.#begun <= FLOOD || !this.#flooded())) {
      this.#entered.push(task);
      this.#outer.push(this.#storage.getStore());
      this.#storage.enterWith(task);
    } else if (!this.#hooked && this.#storage.getStore() !== undefined) {
      // C1: it would be taken for whoever has spawned it. That one is as unknown now, and those that it spawns next need nothing more.
      this.#storage.enterWith(undefined);
    }
  }

  /** Functions call each other and return in order; one that was not entered is none of these. */
  leave(task: number): void {
    if (this.#entered.at(-1) !== task) return;
    this.#entered.pop();
    this.#storage.enterWith(this.#outer.pop());
    if (this.#timer !== undefined) this.#unhook();
  }

  end(): void {
    forget(this.#timer);
    this.#storage.disable();
  }

  /** Whether that begins now. */
  #flooded(): boolean {
    const now = this.#clock.latest;
    if (now - this.#since >= WINDOW) {
      this.#since = now;
      this.#begun = 1;
      return false;
    }
    this.#unhook();
    this.#wait();
    return true;
  }

  #wait(): void {
    this.#begun = 0;
    this.#timer = later(this.#look, WINDOW);
    if (typeof this.#timer === "object") this.#timer.unref?.();
  }

  #follow(): void {
    this.#timer = undefined;
    this.#begun = 0;
    // Hooks promises again: those of before the flood still know whose they are.
    if (this.#hooked) this.#storage.enterWith(undefined);
  }

  #unhook(): void {
    if (this.#hooked) this.#storage.disable();
  }
}

/** `undefined` where there is no async context. */
export function current(clock: Clock): Current | undefined {
  const Storage = storageClass();
  return Storage && new Current(Storage, clock);
}
