import type { Verdicts } from "./owner-contract.ts";

/**
 * What a scope that reports failures at once comes to in every situation: they disturb nobody, and the body's own error ends
 * it. A plain scope is one; owners built on it without collecting failures are others.
 */
export const scopeVerdicts: Verdicts = {
  // Failures
  "a child fails": {
    settles: "resolves: value",
    tasks: { child: "failed: boom", sibling: "succeeded" },
    reports: ["boom of child"],
  },
  "a child fails while the body waits": {
    settles: "resolves: value",
    tasks: { child: "failed: boom" },
    reports: ["boom of child"],
  },
  "a child throws synchronously": {
    settles: "resolves: value",
    tasks: { child: "failed: boom", sibling: "succeeded" },
    reports: ["boom of child"],
    log: ["spawn returns a task that is running"],
  },
  "two children fail in the same tick": {
    settles: "resolves: value",
    tasks: { first: "failed: boom", second: "failed: bang" },
    reports: ["boom of first", "bang of second"],
  },
  "the body fails": {
    settles: "rejects: boom",
    tasks: { child: "cancelled: sibling, boom" },
  },
  "a child fails, and then the body": {
    settles: "rejects: bang",
    tasks: { child: "failed: boom" },
    reports: ["boom of child"],
  },
  "the body fails, and then a child": {
    settles: "rejects: boom",
    tasks: { child: "failed: bang" },
    reports: ["bang of child"],
  },
  "the body awaits the child that fails": {
    settles: "rejects: boom",
    tasks: { child: "failed: boom" },
    reports: ["boom of child"],
  },
  "a child fails while it is being cancelled": {
    settles: "resolves: value",
    tasks: { child: "failed: boom", sibling: "cancelled: explicit, enough" },
    reports: ["boom of child"],
  },
  "the clean-up of a child throws after an outer cancellation": {
    settles: "rejects: cancelled: explicit, outer",
    tasks: { child: "failed: boom", sibling: "cancelled: explicit, outer" },
    reports: ["boom of child"],
    log: ["the outer token is cancelled: true"],
  },
  "a child fails with undefined": {
    settles: "resolves",
    tasks: { child: "failed: undefined" },
    reports: ["undefined of child"],
  },
  "a child fails with somebody else's AbortError": {
    settles: "resolves",
    tasks: { child: "failed: aborted", sibling: "succeeded" },
    reports: ["aborted of child"],
  },
  "the body fails with somebody else's CancelledError": {
    settles: "rejects: elsewhere",
    tasks: { child: "cancelled: sibling, elsewhere" },
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
      sibling: "cancelled: sibling, end",
    },
    reports: ["boom of before", "bang of after"],
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
  "a fatal error comes after the time has run out": {
    settles: "rejects: end",
    tasks: { child: "failed: end" },
  },

  // Cancellation from within
  "it is cancelled by its body, which returns": {
    settles: "resolves: value",
    tasks: { child: "cancelled: explicit, enough" },
  },
  "it is cancelled by its body, which is interrupted": {
    settles: "rejects: cancelled: explicit, enough",
    tasks: { child: "cancelled: explicit, enough" },
  },
  "it is cancelled by a child": {
    settles: "rejects: cancelled: explicit, enough",
    tasks: { child: "succeeded", sibling: "cancelled: explicit, enough" },
  },
  "it is cancelled by a child, and the body does not mind": {
    settles: "resolves: value",
    tasks: { child: "succeeded", sibling: "cancelled: explicit, enough" },
  },
  "it is cancelled from outside": {
    settles: "rejects: cancelled: explicit, enough",
    tasks: { child: "cancelled: explicit, enough" },
  },
  "it is cancelled twice": {
    settles: "rejects: cancelled: explicit, first",
    tasks: { child: "cancelled: explicit, first" },
  },
  "a child ignores its cancellation and returns": {
    settles: "resolves: value",
    tasks: { child: "succeeded" },
    log: ["the child returns", "run settles"],
  },
  "a child ignores its cancellation and fails": {
    settles: "resolves: value",
    tasks: { child: "failed: boom" },
    reports: ["boom of child"],
  },
  "a child is cancelled alone": {
    settles: "resolves: value",
    tasks: { child: "cancelled: explicit, alone", sibling: "succeeded" },
  },

  // Outer cancellation
  "the outer token was cancelled before": {
    settles: "rejects: cancelled: explicit, outer",
  },
  "the outer token is cancelled": {
    settles: "rejects: cancelled: explicit, outer",
    tasks: { child: "cancelled: explicit, outer" },
  },
  "the outer token is cancelled, and the body returns all the same": {
    settles: "rejects: cancelled: explicit, outer",
    tasks: { child: "cancelled: explicit, outer" },
  },
  "the outer token is cancelled while it is closing": {
    settles: "rejects: cancelled: explicit, outer",
    tasks: { child: "cancelled: explicit, outer" },
  },
  "the outer token is cancelled after its own cancel": {
    settles: "rejects: cancelled: explicit, outer",
    tasks: { child: "cancelled: explicit, own" },
  },
  "the outer token is cancelled after its own cancel has interrupted the body": {
    settles: "rejects: cancelled: explicit, outer",
  },
  "the outer token is cancelled after a child has failed": {
    settles: "rejects: cancelled: explicit, outer",
    tasks: { child: "failed: boom", sibling: "cancelled: explicit, outer" },
    reports: ["boom of child"],
  },
  "the outer token is cancelled, and the body fails over it": {
    settles: "rejects: boom",
    tasks: { child: "cancelled: explicit, outer" },
  },
  "the outer token is cancelled after it has ended": {
    settles: "resolves: value",
    log: ["its token is cancelled: false"],
  },
  "an outer AbortSignal is aborted with a reason of its own": {
    settles: "rejects: cancelled: signal, why",
    tasks: { child: "cancelled: signal, why", native: "cancelled: signal, why" },
  },
  "an outer AbortSignal is never aborted": {
    settles: "resolves: value",
    tasks: { child: "succeeded" },
  },

  // Shield
  "it is shielded, and the outer token was cancelled before": {
    settles: "rejects: cancelled: explicit, outer",
    tasks: { child: "succeeded" },
    log: ["its token is cancelled: false"],
  },
  "it is shielded, and the outer token is cancelled": {
    settles: "rejects: cancelled: explicit, outer",
    tasks: { child: "succeeded", late: "succeeded" },
    log: ["its token is cancelled: false"],
  },
  "it is shielded, the outer token is cancelled, and a child fails": {
    settles: "rejects: cancelled: explicit, outer",
    tasks: { child: "failed: boom" },
    reports: ["boom of child"],
  },
  "it is shielded, and cancels itself": {
    settles: "resolves: value",
    tasks: { child: "cancelled: explicit, own" },
  },

  // Timeout
  "everything ends before the timeout": {
    settles: "resolves: value",
    tasks: { child: "succeeded" },
  },
  "the time runs out": {
    settles: "rejects: TimeoutError",
    tasks: { child: "cancelled: timeout" },
    log: ["99 ms have passed", "run settles"],
  },
  "the time runs out after the body has returned": {
    settles: "rejects: TimeoutError",
    tasks: { child: "cancelled: timeout" },
  },
  "the time runs out, and the body returns all the same": {
    settles: "rejects: TimeoutError",
  },
  "the time runs out after a child has failed": {
    settles: "rejects: TimeoutError",
    tasks: { child: "failed: boom", sibling: "cancelled: timeout" },
    reports: ["boom of child"],
  },
  "the time runs out, and a child fails over it": {
    settles: "rejects: TimeoutError",
    tasks: { child: "failed: boom" },
    reports: ["boom of child"],
  },
  "the time runs out, and the body fails over it": {
    settles: "rejects: boom",
  },
  "the time runs out after the outer token was cancelled": {
    settles: "rejects: cancelled: explicit, outer",
  },
  "the outer token is cancelled after the time has run out": {
    settles: "rejects: TimeoutError",
  },
  "the time runs out after its own cancel": {
    settles: "resolves: value",
    tasks: { child: "cancelled: explicit, own" },
  },
  "it is shielded, the outer token is cancelled, and the time runs out": {
    settles: "rejects: TimeoutError",
  },

  // Spawning at odd moments
  "something is spawned after join": {
    settles: "resolves",
    tasks: { child: "succeeded" },
    log: ["spawn throws InvalidStateError (is closed)"],
  },
  "something is spawned after disposal": {
    settles: "resolves",
    log: ["spawn throws InvalidStateError (is closed)"],
  },
  "something is spawned after cancel": {
    settles: "resolves: value",
    tasks: { child: "cancelled: explicit, enough" },
    log: ["spawn throws InvalidStateError (is shutting down)"],
  },
  "a child spawns in its clean-up": {
    settles: "resolves: value",
    tasks: { child: "cancelled: explicit, enough" },
    log: ["spawn throws InvalidStateError (is shutting down)"],
  },
  "a child spawns after the body has returned": {
    settles: "resolves: value",
    tasks: { child: "succeeded", late: "succeeded" },
    log: ["late ends", "run settles"],
  },
  "the last child's onDone spawns another": {
    settles: "resolves: value",
    tasks: { child: "succeeded", late: "succeeded" },
    log: ["late ends", "run settles"],
  },
  "a child spawned after the body has returned fails": {
    settles: "resolves: value",
    tasks: { child: "succeeded", late: "failed: boom" },
    reports: ["boom of late"],
  },

  // Concurrency
  "more is spawned than may run": {
    settles: "resolves: value",
    tasks: { "task 0": "succeeded", "task 1": "succeeded", "task 2": "succeeded", "task 3": "succeeded" },
    log: [
      "0 starts",
      "1 starts",
      "running running pending pending",
      "1 ends",
      "2 starts",
      "0 ends",
      "3 starts",
      "3 ends",
      "2 ends",
    ],
  },
  "it is cancelled while children wait for a slot": {
    settles: "resolves: value",
    tasks: {
      running: "cancelled: explicit, enough",
      "pending 1": "cancelled: explicit, enough",
      "pending 2": "cancelled: explicit, enough",
    },
  },
  "a child that waits for a slot is cancelled alone": {
    settles: "resolves: value",
    tasks: { running: "succeeded", pending: "cancelled: explicit, alone", next: "succeeded" },
    log: ["pending is done", "running is done", "next is called"],
  },
  "a child fails while others wait for a slot": {
    settles: "resolves",
    tasks: { child: "failed: boom", pending: "succeeded" },
    reports: ["boom of child"],
    log: ["pending is called"],
  },
  "the time runs out while children wait for a slot": {
    settles: "rejects: TimeoutError",
    tasks: { running: "cancelled: timeout", pending: "cancelled: timeout" },
  },

  // Waiting and stopping
  "an empty owner is joined": { settles: "resolves" },
  "an empty owner is stopped": { settles: "resolves" },
  "it is joined": {
    settles: "resolves",
    tasks: { child: "succeeded" },
  },
  "it is stopped": {
    settles: "resolves",
    tasks: { child: "cancelled: shutdown, enough" },
  },
  "it is stopped, and a child fails over it": {
    settles: "resolves",
    tasks: { child: "failed: boom" },
    reports: ["boom of child"],
  },
  "a child fails, and it is joined": {
    settles: "resolves",
    tasks: { child: "failed: boom", sibling: "succeeded" },
    reports: ["boom of child"],
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
    settles: "resolves: value",
    tasks: { child: "failed: boom" },
    reports: ["boom of child"],
  },
  "its body stops it, and a child fails over it": {
    settles: "resolves: value",
    tasks: { child: "failed: boom" },
    reports: ["boom of child"],
  },
  "the outer token is cancelled, and it is joined": {
    settles: "rejects: cancelled: explicit, outer",
    tasks: { child: "cancelled: explicit, outer" },
  },
  "the outer token is cancelled, and it is stopped": {
    settles: "resolves",
    tasks: { child: "cancelled: explicit, outer" },
  },
  "the time runs out, and it is joined": {
    settles: "rejects: TimeoutError",
    tasks: { child: "cancelled: timeout" },
  },
  "the time runs out, and it is stopped": {
    settles: "rejects: TimeoutError",
    tasks: { child: "cancelled: timeout" },
  },
  "stop takes longer than its time limit": {
    settles: "rejects: TimeoutError",
    tasks: { quick: "cancelled: shutdown", slow: "cancelled: shutdown" },
    log: ["the message names slow: true", "the message names quick: false", "join resolves"],
  },
  "stop takes longer than its time limit after a child has failed": {
    settles: "rejects: TimeoutError",
    tasks: { child: "failed: boom", slow: "cancelled: shutdown" },
    reports: ["boom of child"],
    log: ["join resolves"],
  },
  "stop ends within its time limit": {
    settles: "resolves",
    tasks: { child: "cancelled: shutdown" },
  },
  "several wait for its end": {
    settles: "resolves",
    tasks: { child: "failed: boom" },
    reports: ["boom of child"],
    log: [
      "rejections: none, none, none",
      "different ones: 1",
      "a later join resolves",
      "a later stop resolves",
    ],
  },
  "it is stopped from outside while its body waits": {
    settles: "rejects: cancelled: shutdown, enough",
    tasks: { child: "cancelled: shutdown, enough" },
    log: ["stop resolves"],
  },
  "an `await using` block ends": {
    settles: "resolves: value",
    tasks: { child: "cancelled: shutdown" },
  },
  "an `await using` block fails": {
    settles: "rejects: boom",
    tasks: { child: "cancelled: shutdown" },
  },
  "an `await using` block ends in a join that rejects": {
    settles: "resolves: value",
    tasks: { child: "failed: boom" },
    reports: ["boom of child"],
  },

  // Nesting
  "an owner in one of its children fails": {
    settles: "resolves: value",
    tasks: { sibling: "succeeded", "outer child": "succeeded", "inner child": "failed: boom" },
    reports: ["boom of inner child"],
  },
  "an owner in one of its children and another child fail in the same tick": {
    settles: "resolves: value",
    tasks: {
      "outer child": "cancelled: explicit, enough",
      "inner child": "failed: boom",
      sibling: "failed: bang",
      end: "succeeded",
    },
    reports: ["boom of inner child", "bang of sibling"],
  },
  "it is cancelled with an owner in one of its children": {
    settles: "resolves: value",
    tasks: { "outer child": "cancelled: explicit, enough", "inner child": "cancelled: explicit, enough" },
  },
  "a fatal error comes in an owner in one of its children": {
    settles: "rejects: end",
    tasks: {
      sibling: "cancelled: sibling, end",
      "outer child": "failed: end",
      "inner sibling": "cancelled: sibling, end",
      "inner child": "failed: end",
    },
  },

  // What run comes to
  "the body returns nothing": { settles: "resolves" },
  "the body returns a promise": { settles: "resolves: value" },
  "the body returns one of its tasks": {
    settles: "resolves: value",
    tasks: { child: "succeeded" },
  },
  "the body fails with undefined": { settles: "rejects: undefined" },
  "the body is no function": { settles: "rejects: TypeError about body" },
  "the body gives a value that a live child delays": {
    settles: "resolves: value",
    tasks: { child: "succeeded" },
    log: ["the child ends", "run settles"],
  },
};
