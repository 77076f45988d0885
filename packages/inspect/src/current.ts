/**
 * Which task the running code belongs to: its number, in the async context of its function. Entered when the function is
 * called, and left when its synchronous part is over; so what the function does later is in it, and its caller is not.
 */
import { builtin, host } from "./host.ts";

/** The part of `AsyncLocalStorage` that is used. */
interface Storage {
  getStore(): number | undefined;
  enterWith(store: number | undefined): void;
  disable(): void;
}

type StorageClass = (new () => Storage) & { readonly prototype: object };

function storageClass(): StorageClass | undefined {
  return (builtin("node:async_hooks") as { AsyncLocalStorage?: StorageClass } | undefined)?.AsyncLocalStorage;
}

/**
 * Whether the platform carries async context at next to no cost: Node from 24 on, Deno, Bun. Before that, Node calls a hook for
 * every promise as soon as any context is entered.
 */
export function hasCheapContext(): boolean {
  const { prototype } = storageClass() ?? {};
  return (
    prototype !== undefined && (!("_propagate" in prototype) || host.process?.versions?.["bun"] !== undefined)
  );
}

export class Current {
  readonly #storage: Storage;
  readonly #outer: (number | undefined)[] = [];

  constructor(Storage: StorageClass) {
    this.#storage = new Storage();
  }

  get(): number | undefined {
    return this.#storage.getStore();
  }

  enter(task: number): void {
    this.#outer.push(this.#storage.getStore());
    this.#storage.enterWith(task);
  }

  /** Functions call each other and return in order; one that had begun before anybody looked was not entered. */
  leave(task: number): void {
    if (this.#storage.getStore() === task) this.#storage.enterWith(this.#outer.pop());
  }

  end(): void {
    this.#storage.disable();
  }
}

/** `undefined` where there is no async context. */
export function current(): Current | undefined {
  const Storage = storageClass();
  return Storage && new Current(Storage);
}
