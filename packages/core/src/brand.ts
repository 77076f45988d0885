/**
 * One identity over several copies and versions of a package: classes carry a `Symbol.for` brand on their prototype,
 * and `instanceof` asks for the brand.
 *
 * The call is written as a constant that the class's own `Symbol.hasInstance` reads. So the two stand and fall
 * together, and a bundler can drop both: a statement that patches the class from outside would pin it.
 *
 * ```ts
 * class Gate {
 *   static [Symbol.hasInstance](value: unknown): boolean {
 *     return hasBrand(this, value, GATE);
 *   }
 * }
 * const GATE = /* @__PURE__ *\/ brand(Gate, "@scope/gate/Gate");
 * ```
 */
interface Class {
  readonly prototype: object;
}

/** Puts the brand on a class, and the error's name or a readable inspection with it; returns the brand. */
export function brand(target: Class, key: string, properties?: Readonly<Record<string, unknown>>): symbol {
  const symbol = Symbol.for(key);
  const { prototype } = target;
  hide(prototype, symbol, true);
  if (properties === undefined) {
    hide(prototype, Symbol.for("nodejs.util.inspect.custom"), function (this: object) {
      return String(this);
    });
  } else {
    for (const name of Object.keys(properties)) hide(prototype, name, properties[name]);
  }
  return symbol;
}

/** `instanceof` for a branded class; a subclass of one is told by its prototype, as usual. */
export function hasBrand(target: Class, value: unknown, symbol: symbol): boolean {
  if (typeof value !== "object" || value === null) return false;
  return Object.hasOwn(target.prototype, symbol)
    ? symbol in value
    : Object.prototype.isPrototypeOf.call(target.prototype, value);
}

function hide(target: object, key: PropertyKey, value: unknown): void {
  Object.defineProperty(target, key, { value, writable: true, configurable: true });
}
