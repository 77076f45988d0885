/**
 * One identity over several copies and versions of a package: a class carries a `Symbol.for` brand on its prototype, and
 * `instanceof` asks for the brand. A subclass of a branded class is told by its prototype, as usual.
 *
 * Returns the test, kept in a constant that nothing but the class itself reads. So the two stand and fall together, and
 * a bundler can drop both; a statement that patches the class from outside would pin it.
 *
 * `properties` go onto the prototype as well: the name of an error class, or {@link readable}.
 *
 * @example
 * ```ts
 * class Gate {
 *   static [Symbol.hasInstance](value: unknown): boolean {
 *     return isGate(this, value);
 *   }
 * }
 * const isGate = /* @__PURE__ *\/ brand(Gate, "@scope/gate/Gate", readable);
 * ```
 */
export function brand(target: Class, key: string, properties: object): Test {
  const symbol = Symbol.for(key);
  Object.assign(target.prototype, { [symbol]: true }, properties);
  return ({ prototype }, value) =>
    Object(value) === value &&
    (Object.hasOwn(prototype, symbol)
      ? symbol in (value as object)
      : Object.prototype.isPrototypeOf.call(prototype, value as object));
}

interface Class {
  readonly prototype: object;
}

type Test = (target: Class, value: unknown) => boolean;

/** Has Node's inspection (`console.log`) show `String(instance)`. */
export const readable = {
  [/* @__PURE__ */ Symbol.for("nodejs.util.inspect.custom")](this: object): string {
    return String(this);
  },
};
