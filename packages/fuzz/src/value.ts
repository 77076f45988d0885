/** Values as data, and what kinds of them a parameter takes. */
import * as fc from "fast-check";
import { type Behaviour, type Shape, behaviours, labels, lies, shapes } from "./hostile.ts";

/** Who calls a function, and what becomes of what it throws. */
export type Role =
  /** The work of a task: what it throws is its owner's failure. */
  | "task"
  /** The body of an owner. */
  | "body"
  /** A callback of an owner's: what it throws goes to the process-wide handler (L9), and it never runs inside a call (L6). */
  | "callback"
  /** The same, but called inside `cancel`. */
  | "onCancel"
  /** The same, and it is a reporter of failures. */
  | "onError"
  /** Called for its answer, inside the call, or by somebody who says himself what comes of it. */
  | "free";

export type Value =
  | { readonly is: string }
  | { readonly fn: Behaviour; readonly with: string }
  | { readonly iterate: string; readonly of: Value }
  | { readonly shape: Shape; readonly entries: Readonly<Record<string, Value>> }
  | { readonly list: readonly Value[] };

/** What a parameter takes. */
export interface Kind {
  readonly role?: Role;
  readonly iterates?: boolean;
  /** Of an object: what its properties take, and the name of its type. */
  readonly properties?: Readonly<Record<string, Kind>>;
  readonly type?: string;
  /** Values that it takes. */
  readonly good: fc.Arbitrary<Value>;
  /** Whether it takes this one: `undefined`, if that is for the platform or the user's own code to say. */
  takes(value: unknown, made: Value): boolean | undefined;
}

export function is(...names: (string | number)[]): fc.Arbitrary<Value> {
  return fc.constantFrom(...names.map((label) => ({ is: String(label) })));
}

const anyFunction: fc.Arbitrary<Value> = fc.record({
  fn: fc.constantFrom(...behaviours),
  with: fc.oneof(
    fc.constantFrom(...labels.errors),
    fc.constantFrom(...labels.thenables),
    fc.constantFrom("undefined", "a text", "an object"),
  ),
});

/** Functions that do what is expected of one that is called for its answer. */
const answering: fc.Arbitrary<Value> = fc.record({
  fn: fc.constantFrom("returns" as const, "returns" as const, "throws" as const),
  with: fc.constantFrom("undefined", "true", "false", "an error", "an object", "a thenable that throws"),
});

export const hostile: fc.Arbitrary<Value> = fc.oneof(
  { weight: 4, arbitrary: is(...labels.primitives) },
  { weight: 3, arbitrary: is(...labels.objects) },
  { weight: 2, arbitrary: is(...labels.errors) },
  { weight: 2, arbitrary: is(...labels.thenables) },
  { weight: 2, arbitrary: is(...labels.tokens, ...labels.impostors) },
  { weight: 1, arbitrary: anyFunction },
  {
    weight: 1,
    arbitrary: fc.record({
      iterate: fc.constantFrom(...labels.iterables, ...labels.liars),
      of: is("undefined", 1, "an object"),
    }),
  },
);

/** A value for a parameter: most of the time one that it takes. */
export function valueOf(kind: Kind, goodness = 3): fc.Arbitrary<Value> {
  return fc.oneof({ weight: goodness, arbitrary: kind.good }, { weight: 1, arbitrary: hostile });
}

function isLabel(made: Value, list: readonly string[]): boolean {
  return "is" in made && list.includes(made.is);
}

export function optional(kind: Kind): Kind {
  return {
    ...kind,
    good: fc.oneof(is("undefined"), kind.good),
    takes: (value, made) => value === undefined || kind.takes(value, made),
  };
}

export const anything: Kind = { good: hostile, takes: () => true };

export const boolean: Kind = { good: is("true", "false"), takes: () => true };

export const text: Kind = {
  good: is("a text", "control characters", "a lone surrogate", "a long text"),
  takes: (value) => typeof value === "string",
};

export const textOfSome: Kind = { ...text, takes: (value) => typeof value === "string" && value !== "" };

/** What ends in a text of the platform's own making. */
export const printable: Kind = { good: text.good, takes: (value) => typeof value === "string" || undefined };

export const duration: Kind = {
  good: is(0, "-0", 0.5, 1, 2, "2 ** 31", 1e10, 1e300, "Infinity"),
  takes: (value) => typeof value === "number" && value >= 0,
};

export function count(least: number): Kind {
  return {
    good: is(1, 2, "Infinity"),
    takes: (value) => value === Infinity || (Number.isInteger(value) && (value as number) >= least),
  };
}

export function range(least: number, most: number): Kind {
  return {
    good: is(1, 1, "2"),
    takes: (value) => typeof value === "number" && value >= least && value <= most,
  };
}

export const exitCode: Kind = {
  good: is(0, 1, 2),
  takes: (value) => Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 255,
};

export function oneOf(...choices: (string | boolean)[]): Kind {
  return {
    good: fc.constantFrom(...choices.map((choice) => ({ is: `the text ${String(choice)}` }))),
    takes: (value) => choices.includes(value as string),
  };
}

export function func(role: Role): Kind {
  return {
    role,
    good: role === "free" ? answering : anyFunction,
    takes: (value) => typeof value === "function",
  };
}

export const errorPolicy: Kind = {
  role: "onError",
  good: fc.oneof(anyFunction, is("the text report", "the text ignore")),
  takes: (value) => typeof value === "function" || value === "report" || value === "ignore",
};

export const token: Kind = {
  good: is(...labels.tokens),
  takes: (_, made) => (isLabel(made, labels.impostors) ? undefined : isLabel(made, labels.tokens)),
};

export const parents: Kind = {
  good: fc.oneof(
    token.good,
    fc.array(token.good, { maxLength: 3 }).map((list) => ({ list })),
  ),
  takes: (value, made) =>
    Array.isArray(value) && "list" in made
      ? made.list.every((one) => token.takes(undefined, one))
      : Array.isArray(value)
        ? value.length === 0
        : token.takes(value, made),
};

const iterableOf = (kind: Kind, names: readonly string[]): fc.Arbitrary<Value> =>
  fc.record({
    iterate: fc.constantFrom(...names),
    of: fc.oneof({ weight: 9, arbitrary: kind.good }, { weight: 1, arbitrary: hostile }),
  });

/** An iterable; what its items are wrong with is found out when they are looked at. */
export function iterable(item: Kind, asynchronous = false): Kind {
  const names = [...labels.iterables, ...labels.liars].filter(
    (name) => asynchronous || !name.includes("async"),
  );
  return {
    ...(item.role && { role: item.role }),
    iterates: true,
    good: iterableOf(item, names),
    takes(value, made) {
      if ("iterate" in made) {
        if (labels.liars.includes(made.iterate)) return undefined;
        if (!asynchronous && made.iterate.includes("async")) return false;
        return item.takes === anything.takes ? true : undefined;
      }
      if (Object(value) !== value) return typeof value === "string" ? undefined : false;
      return "is" in made && /array|text|proxy|traps|revoked|unreadable|cannot/.test(made.is)
        ? undefined
        : false;
    },
  };
}

/** What an `errors` of an error class takes is for the platform to say. */
export const platform: Kind = { good: hostile, takes: () => undefined };

export function object(
  type: string,
  properties: Readonly<Record<string, Kind>>,
  { required = [] }: { required?: readonly string[] } = {},
): Kind {
  return {
    type,
    properties,
    good: fc.record({
      shape: fc.oneof(
        { weight: 6, arbitrary: fc.constant<Shape>("plain") },
        { weight: 4, arbitrary: fc.constantFrom(...shapes) },
      ),
      entries: fc.record(
        Object.fromEntries(Object.entries(properties).map(([name, kind]) => [name, valueOf(kind, 12)])),
        { requiredKeys: [...required] },
      ),
    }),
    takes: (value) => (value === undefined ? required.length === 0 : undefined),
  };
}

/** What a value is called, in a report. */
export function show(value: Value): string {
  if ("is" in value) return value.is;
  if ("fn" in value) return `a function that ${value.fn}: ${value.with}`;
  if ("iterate" in value) return `${value.iterate} ${show(value.of)}`;
  if ("list" in value) return `[${value.list.map(show).join(", ")}]`;
  const entries = Object.entries(value.entries).map(([name, one]) => `${name}: ${show(one)}`);
  return `{ ${entries.join(", ")} } (${value.shape})`;
}

/** Whether there is code of the user's in it that throws, or breaks a protocol of the language. */
export function isLying(value: Value): boolean {
  if ("is" in value) return lies(value.is);
  if ("fn" in value) return lies(value.with) || /throws|rejects|answers/.test(value.fn);
  if ("iterate" in value) return lies(value.iterate) || isLying(value.of) || !("fn" in value.of);
  if ("list" in value) return value.list.some(isLying);
  return /throw|revoked/.test(value.shape) || Object.values(value.entries).some(isLying);
}
