/**
 * What is kept of the scopes that live. Most scopes close soon, and those that were opened last close first: a few of the
 * youngest are in a list of their own, since to enter each in a map and to take it out again takes longer than all the rest.
 *
 * Invariants
 * - Every scope that was added and neither deleted nor dropped has its record in one of `#young`, `#old` and `#idle`.
 * - Those that have stood empty for a while are held weakly: whoever drops a scope need not close it.
 */
import { type TaskScope } from "@scope/core";

const YOUNG = 16;

export class ScopeTable<Value> {
  readonly #young: TaskScope[] = [];
  readonly #values: Value[] = [];
  readonly #old = new Map<TaskScope, Value>();
  readonly #idle = new WeakMap<TaskScope, Value>();
  #weak: readonly WeakRef<TaskScope>[] = [];
  #most = 1024;

  add(scope: TaskScope, value: Value): void {
    if (this.#young.length === YOUNG) this.#age();
    this.#young.push(scope);
    this.#values.push(value);
  }

  get(scope: TaskScope): Value | undefined {
    const index = this.#young.lastIndexOf(scope);
    if (index >= 0) return this.#values[index];
    return this.#old.get(scope) ?? this.#wake(scope);
  }

  delete(scope: TaskScope): void {
    const index = this.#young.lastIndexOf(scope);
    if (index < 0) {
      this.#old.delete(scope);
    } else if (index === this.#young.length - 1) {
      this.#young.pop();
      this.#values.pop();
    } else {
      this.#young.splice(index, 1);
      this.#values.splice(index, 1);
    }
  }

  /** All that live; those that stand idle first. */
  live(): Map<TaskScope, Value> {
    const live = new Map<TaskScope, Value>();
    for (const ref of this.#weak) {
      const scope = ref.deref();
      const value = scope && this.#idle.get(scope);
      if (scope && value && scope.state !== "closed") live.set(scope, value);
    }
    for (const [scope, value] of this.#old) live.set(scope, value);
    this.#young.forEach((scope, index) => live.set(scope, this.#values[index]!));
    return live;
  }

  /** The older half of the young ones is not young any more. */
  #age(): void {
    const values = this.#values.splice(0, YOUNG / 2);
    this.#young.splice(0, YOUNG / 2).forEach((scope, index) => this.#old.set(scope, values[index]!));
    if (this.#old.size >= this.#most) this.#sweep();
  }

  /** Something happens in one that has stood idle. */
  #wake(scope: TaskScope): Value | undefined {
    const value = this.#idle.get(scope);
    if (value === undefined) return undefined;
    this.#idle.delete(scope);
    this.add(scope, value);
    return value;
  }

  #sweep(): void {
    const weak = this.#weak.filter((ref) => {
      const scope = ref.deref();
      return scope !== undefined && this.#idle.has(scope);
    });
    for (const [scope, value] of this.#old) {
      if (scope.size > 0 || scope.state !== "open") continue;
      this.#old.delete(scope);
      this.#idle.set(scope, value);
      weak.push(new WeakRef(scope));
    }
    this.#weak = weak;
    this.#most = Math.max(1024, this.#old.size * 2);
  }
}
