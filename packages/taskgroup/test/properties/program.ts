/** Random programs, as data: a tree of owners, bodies and tasks, and what happens to them from outside. */
import * as fc from "fast-check";

/** What a function fails with. The last two are cancellations that nobody of this tree has asked for. */
export type Failure = "error" | "fatal" | "timeout" | "platform-abort" | "foreign-cancellation";

/** What a function does about the cancellation that reaches it. */
export type Reaction =
  | { readonly kind: "pass" | "swallow" | "fresh-abort" | "reason" }
  | { readonly kind: "fail"; readonly failure: Failure }
  | { readonly kind: "clean-up"; readonly ms: number; readonly spawns: boolean; readonly fails: boolean }
  | { readonly kind: "clean-up-in"; readonly owner: OwnerSpec };

export type Step =
  | { readonly do: "turns"; readonly count: number }
  /** Waits and obeys the token; `delay` does not look at it; `abortable` does as the platform does. */
  | { readonly do: "sleep" | "delay"; readonly ms: number }
  | {
      readonly do: "abortable";
      readonly ms: number;
      readonly rejects: "reason" | "platform-abort";
      /** What it listens to: its own signal, or a shared one. */
      readonly signal: number | undefined;
    }
  /** Sleeps under a token of its own, which may run out first, or follow one more parent. */
  | {
      readonly do: "child";
      readonly ms: number;
      readonly timeout: number;
      readonly parent: number | undefined;
    }
  | { readonly do: "spawn"; readonly task: TaskSpec }
  | { readonly do: "await"; readonly which: number; readonly how: "plain" | "caught" | "raced" }
  | { readonly do: "cancel-task" | "cancel-outer"; readonly which: number }
  | { readonly do: "cancel-owner" }
  | {
      readonly do: "register";
      readonly callback: "throws" | "spawns" | "cancels" | "unregisters";
      readonly which: number;
    }
  /** Only bodies do these two: a task would wait for itself. */
  | { readonly do: "join" | "stop"; readonly caught: boolean }
  | { readonly do: "open"; readonly owner: OwnerSpec; readonly caught: boolean }
  | { readonly do: "throw"; readonly failure: Failure };

export interface TaskSpec {
  readonly shape: "async" | "thenable" | "returns" | "throws";
  readonly failure: Failure;
  readonly steps: readonly Step[];
  readonly reaction: Reaction;
}

export interface OwnerSpec {
  readonly type: "TaskScope" | "TaskGroup";
  /** The last four are opened by constructor, and ended so. */
  readonly form: "run" | "moveOnAfter" | "failAfter" | "join" | "stop" | "limited-stop" | "dispose";
  readonly timeout: number | undefined;
  readonly shield: boolean;
  readonly concurrency: number | undefined;
  /** What it follows: nothing, the function that opens it, that function's signal, or something shared. */
  readonly outer: "none" | "opener" | "opener-signal" | number;
  readonly onError: "report" | "ignore" | "function" | "throws";
  readonly steps: readonly Step[];
  readonly reaction: Reaction;
}

export interface Happening {
  readonly at: number;
  readonly what: "cancel-owner" | "stop" | "limited-stop" | "join" | "cancel-task" | "cancel-outer";
  readonly which: number;
  readonly limit: number;
}

export interface Program {
  readonly root: OwnerSpec;
  readonly happenings: readonly Happening[];
}

/** How many things there are to follow: sources, then abort signals. */
export const SOURCES = 2;
export const SIGNALS = 2;

const ms = fc.integer({ min: 0, max: 12 });
const which = fc.nat({ max: 11 });
const shared = fc.nat({ max: SOURCES + SIGNALS - 1 });
const failure = fc.oneof(
  { weight: 6, arbitrary: fc.constant<Failure>("error") },
  {
    weight: 2,
    arbitrary: fc.constantFrom<Failure>("fatal", "timeout", "platform-abort", "foreign-cancellation"),
  },
);

function rarely<T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary });
}

/** A step by itself, and how often it comes. */
const plainSteps = [
  { weight: 4, arbitrary: fc.record({ do: fc.constant("turns" as const), count: fc.nat({ max: 4 }) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("sleep" as const), ms }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("delay" as const), ms }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("abortable" as const),
      ms,
      rejects: fc.constantFrom("reason" as const, "platform-abort" as const),
      signal: rarely(fc.nat({ max: SIGNALS - 1 })),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("child" as const),
      ms,
      timeout: ms,
      parent: rarely(shared),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("await" as const),
      which,
      how: fc.constantFrom("plain" as const, "caught" as const, "raced" as const),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("cancel-task" as const), which }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("cancel-outer" as const), which: shared }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("cancel-owner" as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("register" as const),
      callback: fc.constantFrom("throws", "spawns", "cancels", "unregisters"),
      which,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constantFrom("join" as const, "stop" as const),
      caught: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("throw" as const), failure }) },
] satisfies readonly { weight: number; arbitrary: fc.Arbitrary<Step> }[];

const stepOf: fc.Memo<Step> = fc.memo((depth) => {
  if (depth <= 1) return fc.oneof(...plainSteps);
  return fc.oneof(
    ...plainSteps,
    { weight: 14, arbitrary: fc.record({ do: fc.constant("spawn" as const), task: taskOf(depth - 1) }) },
    {
      weight: 8,
      arbitrary: fc.record({
        do: fc.constant("open" as const),
        owner: ownerOf(depth - 1),
        caught: fc.boolean(),
      }),
    },
  );
});

/** Bodies mostly spawn. */
const bodyStepOf: fc.Memo<Step> = fc.memo((depth) =>
  depth <= 1
    ? stepOf(1)
    : fc.oneof(stepOf(depth), fc.record({ do: fc.constant("spawn" as const), task: taskOf(depth - 1) })),
);

const plainReactions = [
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("pass" as const) }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constantFrom("swallow", "fresh-abort", "reason", "reason") }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("fail" as const), failure }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("clean-up" as const),
      ms,
      spawns: fc.boolean(),
      fails: fc.boolean(),
    }),
  },
] satisfies readonly { weight: number; arbitrary: fc.Arbitrary<Reaction> }[];

const reactionOf: fc.Memo<Reaction> = fc.memo((depth) => {
  if (depth <= 1) return fc.oneof(...plainReactions);
  return fc.oneof(...plainReactions, {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("clean-up-in" as const), owner: ownerOf(depth - 1) }),
  });
});

const taskOf: fc.Memo<TaskSpec> = fc.memo((depth) =>
  fc.record({
    shape: fc.oneof(
      { weight: 7, arbitrary: fc.constant("async" as const) },
      { weight: 1, arbitrary: fc.constantFrom("thenable" as const, "returns" as const, "throws" as const) },
    ),
    failure,
    steps: fc.array(stepOf(depth), { maxLength: 5, size: "max" }),
    reaction: reactionOf(depth),
  }),
);

const ownerOf: fc.Memo<OwnerSpec> = fc.memo((depth) => ownerWith(depth, 0));

function ownerWith(depth: number, minLength: number): fc.Arbitrary<OwnerSpec> {
  return fc.record({
    type: fc.constantFrom("TaskGroup", "TaskScope"),
    form: fc.oneof(
      { weight: 5, arbitrary: fc.constant("run" as const) },
      {
        weight: 4,
        arbitrary: fc.constantFrom("moveOnAfter", "failAfter", "join", "stop", "limited-stop", "dispose"),
      },
    ),
    timeout: rarely(fc.integer({ min: 0, max: 25 })),
    shield: fc.oneof(
      { weight: 4, arbitrary: fc.constant(false) },
      { weight: 1, arbitrary: fc.constant(true) },
    ),
    concurrency: rarely(fc.integer({ min: 1, max: 3 })),
    outer: fc.oneof<fc.WeightedArbitrary<OwnerSpec["outer"]>[]>(
      { weight: 3, arbitrary: fc.constant("opener") },
      { weight: 2, arbitrary: fc.constantFrom("opener-signal", "none") },
      { weight: 3, arbitrary: shared },
    ),
    onError: fc.constantFrom("report", "ignore", "function", "throws"),
    steps: fc.array(bodyStepOf(depth), { minLength, maxLength: 8, size: "max" }),
    reaction: reactionOf(depth),
  });
}

const happening: fc.Arbitrary<Happening> = fc.record({
  at: fc.integer({ min: 0, max: 40 }),
  what: fc.constantFrom(
    "cancel-owner",
    "stop",
    "limited-stop",
    "join",
    "cancel-task",
    "cancel-outer",
    "cancel-outer",
  ),
  which,
  limit: ms,
});

/** Unbiased: fast-check's own preference for the small and simple makes most programs trivial. */
export const program: fc.Arbitrary<Program> = fc.noBias(
  fc.record({
    root: ownerWith(5, 3),
    happenings: fc.array(happening, { maxLength: 4, size: "max" }),
  }),
);
