/**
 * A persistent group: failures wait until somebody has looked at them, and disturb nobody. Its failures are logged besides, which
 * is no report (L2): here they are not.
 *
 * It has no `timeout`, `shield` and `concurrency`. And its own `cancel` and `stop` leave it open and do not reach the body of `run`:
 * situations in which the body waits for that are not offered either.
 */
import { PersistentTaskGroup, type PersistentTaskGroupOptions } from "@scope/persistent";
import { describeOwner, type Owner } from "@scope/test-utils";
import type { ScopeOptions } from "@scope/core";

/** As the table wants it: without the line in the log. */
function quiet(group: PersistentTaskGroup): Owner {
  const spawn: Owner["spawn"] = (fn, options) => group.spawn(fn, { ...options, logError: false });
  return new Proxy(group, {
    get: (_, key) => {
      if (key === "spawn") return spawn;
      const value: unknown = Reflect.get(group, key);
      return typeof value === "function" ? (value.bind(group) as unknown) : value;
    },
  });
}

function groupOptions({ token }: ScopeOptions = {}): PersistentTaskGroupOptions {
  return { token };
}

describeOwner({
  name: "PersistentTaskGroup",
  open: (options) => quiet(new PersistentTaskGroup(groupOptions(options))),
  run: (body, options) =>
    PersistentTaskGroup.run(
      typeof body === "function" ? (group) => body(quiet(group)) : body,
      groupOptions(options),
    ),
  verdicts: {
    // Failures
    "a child fails": {
      settles: "rejects: TaskGroupError [boom]",
      tasks: { child: "failed: boom", sibling: "cancelled: shutdown" },
    },
    "a child fails while the body waits": {
      settles: "rejects: TaskGroupError [boom]",
      tasks: { child: "failed: boom" },
    },
    "a child throws synchronously": {
      settles: "rejects: TaskGroupError [boom]",
      tasks: { sibling: "cancelled: shutdown", child: "failed: boom" },
      log: ["spawn returns a task that is running", "sibling is cancelled"],
    },
    "two children fail in the same tick": {
      settles: "rejects: TaskGroupError [boom, bang]",
      tasks: { first: "failed: boom", second: "failed: bang" },
    },
    "the body fails": { settles: "rejects: boom", tasks: { child: "cancelled: shutdown" } },
    "a child fails, and then the body": {
      settles: "rejects: TaskGroupError [bang, boom]",
      tasks: { child: "failed: boom" },
    },
    "the body fails, and then a child": {
      settles: "rejects: TaskGroupError [boom, bang]",
      tasks: { child: "failed: bang" },
    },
    "the body awaits the child that fails": {
      settles: "rejects: TaskGroupError [boom]",
      tasks: { child: "failed: boom" },
    },
    "a child fails while it is being cancelled": {
      settles: "rejects: TaskGroupError [boom]",
      tasks: { child: "failed: boom", sibling: "cancelled: explicit, enough" },
    },
    "the clean-up of a child throws after an outer cancellation": {
      settles: "rejects: TaskGroupError [boom]",
      tasks: { child: "failed: boom", sibling: "cancelled: explicit, outer" },
      log: ["the outer token is cancelled: true"],
    },
    "a child fails with undefined": {
      settles: "rejects: TaskGroupError [undefined]",
      tasks: { child: "failed: undefined" },
    },
    "a child fails with somebody else's AbortError": {
      settles: "rejects: TaskGroupError [aborted]",
      tasks: { child: "failed: aborted", sibling: "cancelled: shutdown" },
    },
    "the body fails with somebody else's CancelledError": {
      settles: "rejects: elsewhere",
      tasks: { child: "cancelled: shutdown" },
    },
    "the body awaits a child that was cancelled alone": {
      settles: "rejects: cancelled: explicit, alone",
      tasks: { child: "cancelled: explicit, alone" },
    },
    "a cancelled child ends in the platform's AbortError": {
      settles: "resolves: value",
      tasks: { child: "cancelled: explicit, enough" },
    },
    // Fatal errors
    "a fatal error comes while siblings fail too": {
      settles: "rejects: end",
      tasks: {
        before: "failed: boom",
        fatal: "failed: end",
        after: "failed: bang",
        sibling: "cancelled: shutdown",
      },
      reports: ["bang of after", "boom of before"],
    },
    "the body ends in a fatal error after a child has failed": {
      settles: "rejects: end",
      tasks: { child: "failed: boom" },
      reports: ["boom of child"],
    },
    "the body fails after a child's fatal error": {
      settles: "rejects: end",
      tasks: { child: "failed: end" },
      reports: ["boom"],
    },
    "two children end in fatal errors": {
      settles: "rejects: end",
      tasks: { first: "failed: end", second: "failed: fin" },
      reports: ["fin of second"],
    },
    "a child and then the body end in fatal errors": {
      settles: "rejects: end",
      tasks: { child: "failed: end" },
      reports: ["fin"],
    },
    "a fatal error comes after the time has run out": "not offered",
    // Cancellation from within
    "it is cancelled by its body, which returns": {
      settles: "resolves: value",
      tasks: { child: "cancelled: explicit, enough" },
    },
    "it is cancelled by its body, which is interrupted": "not offered",
    "it is cancelled by a child": "not offered",
    "it is cancelled by a child, and the body does not mind": {
      settles: "resolves: value",
      tasks: { sibling: "cancelled: shutdown", child: "succeeded" },
    },
    "it is cancelled from outside": "not offered",
    "it is cancelled twice": "not offered",
    "a child ignores its cancellation and returns": {
      settles: "resolves: value",
      tasks: { child: "succeeded" },
      log: ["the child returns", "run settles"],
    },
    "a child ignores its cancellation and fails": {
      settles: "rejects: TaskGroupError [boom]",
      tasks: { child: "failed: boom" },
    },
    "a child is cancelled alone": {
      settles: "resolves: value",
      tasks: { child: "cancelled: explicit, alone", sibling: "cancelled: shutdown" },
    },
    // Outer cancellation
    "the outer token was cancelled before": { settles: "rejects: cancelled: explicit, outer" },
    "the outer token is cancelled": {
      settles: "rejects: cancelled: explicit, outer",
      tasks: { child: "cancelled: explicit, outer" },
    },
    "the outer token is cancelled, and the body returns all the same": {
      settles: "rejects: cancelled: explicit, outer",
      tasks: { child: "cancelled: explicit, outer" },
    },
    "the outer token is cancelled while it is closing": {
      settles: "resolves: value",
      tasks: { child: "cancelled: shutdown" },
    },
    "the outer token is cancelled after its own cancel": {
      settles: "rejects: cancelled: explicit, outer",
      tasks: { child: "cancelled: explicit, own" },
    },
    "the outer token is cancelled after its own cancel has interrupted the body": {
      settles: "rejects: cancelled: explicit, outer",
    },
    "the outer token is cancelled after a child has failed": {
      settles: "rejects: TaskGroupError [boom]",
      tasks: { child: "failed: boom", sibling: "cancelled: shutdown" },
    },
    "the outer token is cancelled, and the body fails over it": {
      settles: "rejects: boom",
      tasks: { child: "cancelled: explicit, outer" },
    },
    "the outer token is cancelled after it has ended": {
      settles: "resolves: value",
      log: ["its token is cancelled: true"],
    },
    "an outer AbortSignal is aborted with a reason of its own": {
      settles: "rejects: cancelled: signal, why",
      tasks: { child: "cancelled: signal, why", native: "cancelled: signal, why" },
    },
    "an outer AbortSignal is never aborted": { settles: "resolves: value", tasks: { child: "succeeded" } },
    // Shield
    "it is shielded, and the outer token was cancelled before": "not offered",
    "it is shielded, and the outer token is cancelled": "not offered",
    "it is shielded, the outer token is cancelled, and a child fails": "not offered",
    "it is shielded, and cancels itself": "not offered",
    // Timeout
    "everything ends before the timeout": "not offered",
    "the time runs out": "not offered",
    "the time runs out after the body has returned": "not offered",
    "the time runs out, and the body returns all the same": "not offered",
    "the time runs out after a child has failed": "not offered",
    "the time runs out, and a child fails over it": "not offered",
    "the time runs out, and the body fails over it": "not offered",
    "the time runs out after the outer token was cancelled": "not offered",
    "the outer token is cancelled after the time has run out": {
      settles: "rejects: cancelled: explicit, outer",
    },
    "the time runs out after its own cancel": "not offered",
    "it is shielded, the outer token is cancelled, and the time runs out": "not offered",
    // Spawning at odd moments
    "something is spawned after join": {
      settles: "resolves",
      tasks: { child: "succeeded", late: "succeeded" },
      log: ["late is called", "spawn is taken"],
    },
    "something is spawned after disposal": {
      settles: "resolves",
      log: ["spawn throws InvalidStateError (is closed)"],
    },
    "something is spawned after cancel": {
      settles: "resolves: value",
      tasks: { child: "cancelled: explicit, enough", late: "succeeded" },
      log: ["late is called", "spawn is taken"],
    },
    "a child spawns in its clean-up": {
      settles: "resolves: value",
      tasks: { child: "cancelled: explicit, enough", late: "succeeded" },
      log: ["late is called", "spawn is taken"],
    },
    "a child spawns after the body has returned": {
      settles: "resolves: value",
      tasks: { child: "succeeded", late: "cancelled: shutdown" },
      log: ["run settles"],
    },
    "the last child's onDone spawns another": {
      settles: "resolves: value",
      tasks: { child: "succeeded", late: "cancelled: shutdown" },
      log: ["run settles"],
    },
    "a child spawned after the body has returned fails": {
      settles: "resolves: value",
      tasks: { child: "succeeded", late: "cancelled: shutdown" },
    },
    // Concurrency
    "more is spawned than may run": "not offered",
    "it is cancelled while children wait for a slot": "not offered",
    "a child that waits for a slot is cancelled alone": "not offered",
    "a child fails while others wait for a slot": "not offered",
    "the time runs out while children wait for a slot": "not offered",
    // Waiting and stopping
    "an empty owner is joined": { settles: "resolves" },
    "an empty owner is stopped": { settles: "resolves" },
    "it is joined": { settles: "resolves", tasks: { child: "succeeded" } },
    "it is stopped": { settles: "resolves", tasks: { child: "cancelled: shutdown, enough" } },
    "it is stopped, and a child fails over it": {
      settles: "rejects: TaskGroupError [boom]",
      tasks: { child: "failed: boom" },
    },
    "a child fails, and it is joined": {
      settles: "rejects: TaskGroupError [boom]",
      tasks: { child: "failed: boom", sibling: "succeeded" },
    },
    "a fatal error comes, and it is joined": {
      settles: "rejects: end",
      tasks: { child: "failed: end", sibling: "cancelled: sibling, end" },
    },
    "a fatal error comes, and it is stopped": {
      settles: "rejects: end",
      tasks: { child: "failed: end", sibling: "cancelled: shutdown" },
    },
    "its body joins it, and a child fails": {
      settles: "rejects: TaskGroupError [boom]",
      tasks: { child: "failed: boom" },
    },
    "its body stops it, and a child fails over it": {
      settles: "rejects: TaskGroupError [boom]",
      tasks: { child: "failed: boom" },
    },
    "the outer token is cancelled, and it is joined": {
      settles: "rejects: cancelled: explicit, outer",
      tasks: { child: "cancelled: explicit, outer" },
    },
    "the outer token is cancelled, and it is stopped": {
      settles: "resolves",
      tasks: { child: "cancelled: explicit, outer" },
    },
    "the time runs out, and it is joined": "not offered",
    "the time runs out, and it is stopped": "not offered",
    "stop takes longer than its time limit": {
      settles: "rejects: TimeoutError",
      tasks: { quick: "cancelled: shutdown", slow: "cancelled: shutdown" },
      log: [
        "the message names slow: true",
        "the message names quick: false",
        "join rejects: TaskGroupError [cancelled: shutdown, cancelled: shutdown]",
      ],
    },
    "stop takes longer than its time limit after a child has failed": {
      settles: "rejects: TimeoutError",
      tasks: { child: "failed: boom", slow: "cancelled: shutdown" },
      log: ["join rejects: TaskGroupError [boom, cancelled: shutdown]"],
    },
    "stop ends within its time limit": { settles: "resolves", tasks: { child: "cancelled: shutdown" } },
    "several wait for its end": {
      settles: "rejects: TaskGroupError [boom]",
      tasks: { child: "failed: boom" },
      log: [
        "rejections: TaskGroupError [boom], none, none",
        "different ones: 2",
        "a later join resolves",
        "a later stop resolves",
      ],
    },
    "it is stopped from outside while its body waits": "not offered",
    "an `await using` block ends": { settles: "resolves: value", tasks: { child: "cancelled: shutdown" } },
    "an `await using` block fails": { settles: "rejects: boom", tasks: { child: "cancelled: shutdown" } },
    "an `await using` block ends in a join that rejects": {
      settles: "rejects: TaskGroupError [boom]",
      tasks: { child: "failed: boom" },
    },
    // Nesting
    "an owner in one of its children fails": {
      settles: "rejects: TaskGroupError [TaskGroupError [boom]]",
      tasks: {
        sibling: "succeeded",
        "inner child": "failed: boom",
        "outer child": "failed: TaskGroupError [boom]",
      },
    },
    "an owner in one of its children and another child fail in the same tick": {
      settles: "rejects: TaskGroupError [bang, TaskGroupError [boom]]",
      tasks: {
        "inner child": "failed: boom",
        "outer child": "failed: TaskGroupError [boom]",
        sibling: "failed: bang",
        end: "succeeded",
      },
    },
    "it is cancelled with an owner in one of its children": {
      settles: "resolves: value",
      tasks: { "inner child": "cancelled: explicit, enough", "outer child": "cancelled: explicit, enough" },
    },
    "a fatal error comes in an owner in one of its children": {
      settles: "rejects: end",
      tasks: {
        sibling: "cancelled: shutdown",
        "inner sibling": "cancelled: sibling, end",
        "inner child": "failed: end",
        "outer child": "failed: end",
      },
    },
    // What run comes to
    "the body returns nothing": { settles: "resolves" },
    "the body returns a promise": { settles: "resolves: value" },
    "the body returns one of its tasks": { settles: "resolves: value", tasks: { child: "succeeded" } },
    "the body fails with undefined": { settles: "rejects: undefined" },
    "the body is no function": { settles: "rejects: TypeError about body" },
    "the body gives a value that a live child delays": {
      settles: "resolves: value",
      tasks: { child: "succeeded" },
      log: ["the child ends", "run settles"],
    },
  },
});
