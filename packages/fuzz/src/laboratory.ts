/** Runs one case at a time, with what is the process's own in its hands: time, strays, the console, the process. */
import { InvalidStateError, setTaskErrorHandler } from "@scope/core";
import { Clock } from "@scope/test-utils/clock";
import * as fc from "fast-check";
import { type Door, type State, states } from "./doors.ts";
import { behaviours, labels } from "./hostile.ts";
import { type Kind, type Value, hostile, isLying, show, valueOf } from "./value.ts";
import { type Group, type Loose, type Operation, World, describe, operations, text } from "./world.ts";

export interface Case {
  readonly args: readonly Value[];
  readonly state: State;
  /** What happens after the call, one after another. */
  readonly steps: readonly Operation[];
  /** What happens inside the user's functions, when they are called. */
  readonly inside: readonly Operation[];
}

/** What has come of a call. */
export type Outcome = "refused" | "thrown by the user's code" | "failed" | "worked";

export interface Verdict {
  readonly outcome: Outcome;
  readonly violations: readonly string[];
  readonly log: readonly string[];
}

const callback: fc.Arbitrary<Value> = fc.record({
  fn: fc.constantFrom(...behaviours),
  with: fc.constantFrom(...labels.errors, ...labels.thenables),
});

const operation: fc.Arbitrary<Operation> = fc.record({
  op: fc.constantFrom(...operations),
  at: fc.nat(11),
  value: fc.oneof({ weight: 3, arbitrary: callback }, { weight: 1, arbitrary: hostile }),
});

export function caseOf(door: Door): fc.Arbitrary<Case> {
  const kinds = Object.values(door.params);
  const args = (goodness: number): fc.Arbitrary<Value[]> =>
    fc.tuple(...kinds.map((kind) => valueOf(kind, goodness)));
  return fc.record({
    args: fc.oneof({ weight: 2, arbitrary: args(1) }, { weight: 3, arbitrary: args(50) }),
    state: fc.constantFrom(...states),
    steps: fc.array(operation, { maxLength: 8 }),
    inside: fc.array(operation, { maxLength: 8 }),
  });
}

/** What a user sees of a case. */
export function showCase(door: Door, { args, state, steps, inside }: Case): string {
  const names = Object.keys(door.params);
  const lines = [`${door.name}(${args.map((arg, index) => `${names[index]!}: ${show(arg)}`).join(", ")})`];
  if (door.open !== undefined) lines.push(`  of one that is ${state}`);
  for (const step of steps) lines.push(`  then: ${describe(step)}`);
  for (const step of inside) lines.push(`  inside the next function that is called: ${describe(step)}`);
  return lines.join("\n");
}

/** What of an argument the call has to refuse, by name; and whether that is for others to say. */
function judge(
  world: World,
  kind: Kind,
  value: Value,
  name: string,
  prefix = "",
): { refused: string[]; unknown: boolean } {
  if ("shape" in value && kind.properties !== undefined) {
    const unknown = /throw|revoked|inherited|second/.test(value.shape);
    const judged = Object.entries(kind.properties).map(([property, inner]) => {
      const given = value.entries[property];
      const full = prefix + property;
      if (given !== undefined) return judge(world, inner, given, full, `${full}.`);
      return { refused: inner.takes(undefined, { is: "undefined" }) === false ? [full] : [], unknown: false };
    });
    const refused = judged.flatMap((one) => one.refused);
    return unknown || judged.some((one) => one.unknown)
      ? { refused: [], unknown: true }
      : { refused, unknown: false };
  }
  let takes: boolean | undefined;
  try {
    takes = kind.takes(world.made.get(value), value);
  } catch {
    // It cannot even be looked at.
  }
  return { refused: takes === false ? [name] : [], unknown: takes === undefined };
}

export class Laboratory implements Disposable {
  readonly #clock = new Clock();
  readonly #undo: (() => void)[] = [];
  #world: World | undefined;

  constructor() {
    for (const event of ["unhandledRejection", "uncaughtException"] as const) {
      const stray = (error: unknown): void => {
        this.#world?.strays.push(error);
      };
      const others = process.listeners(event as "uncaughtException");
      process.removeAllListeners(event).on(event, stray);
      this.#undo.push(() => {
        process.off(event, stray);
        for (const other of others) process.on(event, other);
      });
    }
    const previous = setTaskErrorHandler(undefined);
    this.#undo.push(() => setTaskErrorHandler(previous));
    const { error, warn } = console;
    console.error = (_: unknown, thrown: unknown): void => this.#world?.tell(thrown);
    console.warn = (): void => undefined;
    this.#undo.push(() => Object.assign(console, { error, warn }));
    // Thousands of errors are made whose stacks nobody reads.
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    this.#undo.push(() => (Error.stackTraceLimit = stackTraceLimit));
    const real = globalThis.process;
    Object.defineProperty(globalThis, "process", {
      value: harmless(real),
      configurable: true,
      writable: true,
    });
    this.#undo.push(() =>
      Object.defineProperty(globalThis, "process", { value: real, configurable: true, writable: true }),
    );
  }

  [Symbol.dispose](): void {
    for (const undo of this.#undo.reverse()) undo();
    this.#clock[Symbol.dispose]();
  }

  async run(door: Door, { args, state, steps, inside }: Case): Promise<Verdict> {
    this.#clock.reset();
    const world = new World(this.#clock, inside);
    this.#world = world;
    world.lying =
      args.some(isLying) ||
      [...steps, ...inside].some(({ value, op }) => isLying(value) || op === "race a token");
    let outcome: Outcome = "worked";
    try {
      outcome = await this.#call(world, door, args, state, inside);
      for (const step of steps) {
        world.note(`then: ${describe(step)}`);
        if (step.op !== "turns") world.perform(step);
        else if (step.at > 8) await drain();
        else for (let turn = 0; turn < step.at; turn++) await Promise.resolve();
      }
      await world.finish(drain);
    } catch (error) {
      world.violate(`It throws ${text(error)}`);
    }
    this.#world = undefined;
    return { outcome, violations: world.violations, log: world.log };
  }

  async #call(
    world: World,
    door: Door,
    values: readonly Value[],
    state: State,
    inside: readonly unknown[],
  ): Promise<Outcome> {
    const group = world.group(door.name, undefined, door.told);
    world.values = door.values ?? {};
    const receiver = door.open?.(world, state) as Loose;
    if (state === "closed") await drain();
    const kinds = Object.entries(door.params);
    const args = kinds.map(([, kind], index) => world.make(values[index]!, kind, group));
    const judged = kinds.map(([name, kind], index) => judge(world, kind, values[index]!, name));
    const refused = judged.flatMap((one) => one.refused);
    const unknown = judged.some((one) => one.unknown);
    world.refusing = refused.length > 0 || unknown;
    const { started, armed, listeners } = world;

    /** Whether what has come out of the call is what had to. */
    const check = (error: unknown): Outcome => {
      if (world.isUsers(error)) return "thrown by the user's code";
      const { name = "", message = "" } = readable(error);
      const refuses = name === "TypeError" || name === "RangeError";
      if (!refuses) {
        if (error instanceof InvalidStateError && (state !== "open" || refused.length === 0))
          return "refused";
        if (refused.length > 0 && !unknown && !world.lying)
          world.violate(`L11: ${refused.join(", ")}: ${name} ${message}`);
        return "failed";
      }
      if (refused.length === 0 && !unknown && !world.lying)
        world.violate(`It refuses what it takes: ${message}`);
      if (refused.length === 0 || unknown || values.some(isLying)) return "refused";
      if (
        !refused.some(
          (one) =>
            message.includes(`\`${one}\``) || message.includes(`\`${one}.`) || message.includes(`\`${one}[`),
        )
      ) {
        world.violate(`L11: the refusal of ${refused.join(", ")} does not name it: ${message}`);
      }
      // Other things may begin meanwhile.
      const calls = inside.length > 0 && values.some((value) => "iterate" in value);
      const begun = !calls && (door.open === undefined || (state === "open" && door.promises !== true));
      if (begun && (world.started > started || world.armed > armed || world.listeners > listeners)) {
        world.violate(`L11: something has begun before ${refused.join(", ")} is refused`);
      }
      return "refused";
    };

    let result: unknown;
    try {
      const call = (): unknown => door.call(args, receiver, world, group);
      result = /#(spawn|cancel)$/.test(door.name) ? world.within(call) : call();
    } catch (error) {
      if (door.promises === true) world.violate(`${door.name} throws ${text(error)} in place of rejecting`);
      if (door.never === true) world.violate(`${door.name} throws ${text(error)}`);
      return check(error);
    }
    if (door.promises === true && !(result instanceof Promise)) world.violate("It returns no promise");
    if (result instanceof Promise && door.promises === true) {
      let outcome: Outcome = "worked";
      const settled = result.then(
        () => undefined,
        (error: unknown) => {
          outcome = check(error);
        },
      );
      if (door.then !== undefined) door.then(result, world, group);
      else world.wait(door.name, result, { group, ...(door.ends && { ends: door.ends }) });
      // What is refused is refused at once.
      for (let turn = 0; turn < 3; turn++) await Promise.resolve();
      if (refused.length > 0 && !unknown) {
        await drain();
        if (outcome === "worked") world.violate(`L11: it takes ${refused.join(", ")}`);
      }
      void settled;
      return outcome;
    }
    if (refused.length > 0 && !unknown) world.violate(`L11: it takes ${refused.join(", ")}`);
    (door.then as ((result: unknown, world: World, group: Group) => void) | undefined)?.(
      result,
      world,
      group,
    );
    return "worked";
  }
}

/** The process, as far as it may be touched here: guards and mains end this one. */
function harmless(real: NodeJS.Process): NodeJS.Process {
  const output = {
    write: (_: string, written: () => void) => {
      written();
    },
    end: (written: () => void) => {
      written();
    },
    on: () => undefined,
    off: () => undefined,
  };
  const own = {
    exit: () => undefined,
    exitCode: undefined,
    stdout: output,
    stderr: output,
    on: () => undefined,
    off: () => undefined,
  };
  return new Proxy(real, {
    get: (target, name) =>
      name in own ? own[name as keyof typeof own] : (Reflect.get(target, name) as unknown),
    set: () => true,
  });
}

const { setImmediate: immediate } = globalThis;

/** Lets the microtask queue run empty, and tells of what nobody has handled. */
function drain(): Promise<void> {
  return new Promise((resolve) => {
    immediate(resolve);
  });
}

function readable(error: unknown): { name?: string; message?: string } {
  try {
    const { name, message } = error as Error;
    return { name: name, message: message };
  } catch {
    return {};
  }
}
