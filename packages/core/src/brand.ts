/**
 * One identity over several copies and versions of a package: a class carries the brand `Symbol.for("@scope/<name>")` on
 * its prototype, and `instanceof` asks for the brand. A subclass of a branded class is told by its prototype, as usual.
 *
 * Returns the test. `properties` go onto the prototype as well: by default an error's `name`, {@link readable} for what is
 * no error. As the initializer of a static field, and marked pure, it lets bundlers drop the class; the target comes out
 * of a function since rolldown, and so Vite, keeps what says `this` in a static field.
 *
 * @example
 * ```ts
 * class Gate {
 *   static readonly [Symbol.hasInstance] = /* @__PURE__ *\/ brand(() => this, "Gate", readable);
 * }
 * ```
 */
export function brand(
  target: () => Class,
  name: string,
  properties: object = { name },
): (value: unknown) => boolean {
  const symbol = Symbol.for(`@scope/${name}`);
  Object.assign(target().prototype, { [symbol]: true }, properties);
  // A function with a `this`: subclasses inherit it, and are told by their prototypes.
  return function (this: Class, value) {
    const { prototype } = this;
    try {
      return Object.hasOwn(prototype, symbol)
        ? symbol in Object(value)
        : Object.prototype.isPrototypeOf.call(prototype, value as object);
    } catch {
      return false; // A proxy that cannot be asked.
    }
  };
}

interface Class {
  readonly prototype: object;
}

/** Has Node's inspection (`console.log`) show `String(instance)`. */
export const readable = {
  [/* @__PURE__ */ Symbol.for("nodejs.util.inspect.custom")](this: { toString(): string }): string {
    return this.toString();
  },
};
