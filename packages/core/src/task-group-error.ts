import { checkFunction } from "./arguments.ts";
import { brand } from "./brand.ts";
import { frameless } from "./errors.ts";
import type { Task } from "./task.ts";

type ErrorClass = abstract new (...args: never) => Error;

/**
 * Several failures in one: what an owner that collects failures rejects with. The counterpart of Python's
 * `ExceptionGroup`, and an `AggregateError`, so that the platform prints its members.
 *
 * The message counts the members and shows the first three: `unhandled errors in TaskGroup "ingest" (2 sub-errors)`,
 * then one line each.
 *
 * @example
 * ```ts
 * try {
 *   await TaskGroup.run(ingest);
 * } catch (error) {
 *   if (!(error instanceof TaskGroupError)) throw error;
 *   const [timeouts, others] = error.split(TimeoutError);
 *   if (others !== undefined) throw others;
 *   console.warn(timeouts?.leaves());
 * }
 * ```
 */
export class TaskGroupError extends /* @__PURE__ */ frameless(AggregateError) {
  declare readonly name: "TaskGroupError";
  declare errors: unknown[];
  /** Whose failure each of `errors` is; `undefined` for the body's. */
  declare readonly tasks: (Task<unknown> | undefined)[];
  readonly #title: string;

  /** @param message the first line, to which the count is added. */
  constructor(
    errors: Iterable<unknown>,
    message = "unhandled errors",
    tasks: Iterable<Task<unknown> | undefined> = [],
  ) {
    const members = [...errors];
    const count = `${members.length} sub-error${members.length === 1 ? "" : "s"}`;
    super(members, [`${message} (${count})`, ...members.slice(0, 3).map(firstLine)].join("\n"));
    this.#title = message;
    const owners = [...tasks];
    // As `errors`: not enumerable, so that no printer takes the tasks apart.
    Object.defineProperty(this, "tasks", { value: members.map((_, index) => owners[index]) });
  }

  static override readonly [Symbol.hasInstance] = /* @__PURE__ */ brand(() => this, "TaskGroupError");

  /**
   * Parts the failures by a class or a predicate, which sees single failures, however deep they are nested: those that
   * match, and the rest. The nesting is kept, empty groups are left out (`undefined`), messages are counted anew. As
   * Python's `except*`.
   */
  split(
    match: ((error: unknown) => boolean) | ErrorClass,
  ): [matching: TaskGroupError | undefined, rest: TaskGroupError | undefined] {
    checkFunction("match", match);
    const matches = isErrorClass(match) ? (error: unknown): boolean => error instanceof match : match;
    const matching: Entry[] = [];
    const rest: Entry[] = [];
    this.errors.forEach((error, index) => {
      const task = this.tasks[index];
      if (isGroup(error)) {
        const [inside, outside] = error.split(matches);
        if (inside !== undefined) matching.push([inside, task]);
        if (outside !== undefined) rest.push([outside, task]);
      } else (matches(error) ? matching : rest).push([error, task]);
    });
    if (matching.length === 0) return [undefined, this];
    return rest.length === 0 ? [this, undefined] : [this.#part(matching), this.#part(rest)];
  }

  /** The single failures, nested groups opened. */
  leaves(): unknown[] {
    return this.errors.flatMap((error) => (isGroup(error) ? error.leaves() : [error]));
  }

  #part(entries: readonly Entry[]): TaskGroupError {
    return toGroup(entries, this.#title);
  }
}

type Entry = readonly [error: unknown, task: Task<unknown> | undefined];

// Outside the class: one that mentions itself is renamed by bundlers, and shows it in every stack.
function isGroup(error: unknown): error is TaskGroupError {
  return error instanceof TaskGroupError;
}

function toGroup(entries: readonly Entry[], title: string): TaskGroupError {
  return new TaskGroupError(
    entries.map(([error]) => error),
    title,
    entries.map(([, task]) => task),
  );
}

function isErrorClass(match: ((error: unknown) => boolean) | ErrorClass): match is ErrorClass {
  // Of any realm; a predicate has no such prototype.
  return "message" in Object(match.prototype);
}

/** Never throws. */
export function firstLine(error: unknown): string {
  try {
    return String(error instanceof Error ? error.message : error).split("\n", 1)[0]!;
  } catch {
    return `an unprintable ${typeof error}`;
  }
}
