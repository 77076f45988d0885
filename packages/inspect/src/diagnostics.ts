import { type Task, type TaskScope, type TokenOwner, observe } from "@scope/core";
import { builtin } from "./host.ts";

/** The part of a channel of `node:diagnostics_channel` that is used. */
interface Channel {
  readonly hasSubscribers: boolean;
  publish(message: unknown): void;
}

/** What is published, by channel: what happens, and the tasks and scopes themselves. */
export interface ChannelMessages {
  "scope:scope:opened": { readonly scope: TaskScope; readonly parent: TokenOwner | undefined };
  "scope:scope:closed": { readonly scope: TaskScope };
  "scope:task:spawned": {
    readonly task: Task<unknown>;
    readonly scope: TaskScope;
    /** How many predecessors it has, in an owner that restarts. */
    readonly restarts: number | undefined;
  };
  "scope:task:started": { readonly task: Task<unknown> };
  "scope:task:done": { readonly task: Task<unknown> };
  "scope:cancel:requested": {
    readonly owner: TokenOwner;
    readonly reason: unknown;
    readonly source: string;
  };
}

/**
 * Publishes what happens in scopes and tasks on channels of `node:diagnostics_channel`, for tools that watch a program (APM), until
 * the function that it returns is called. A message is made only for a channel that somebody subscribes to; see
 * {@link ChannelMessages}. Where the platform has no such channels, it does nothing.
 *
 * Subscribers run in the midst of what they are told of: let them look and not touch. What they throw, Node reports.
 *
 * @example
 * ```ts
 * publishToChannels();
 * subscribe("scope:task:done", (message) => count((message as ChannelMessages["scope:task:done"]).task.status));
 * ```
 */
export function publishToChannels(): () => void {
  const library = builtin("node:diagnostics_channel") as { channel(name: string): Channel } | undefined;
  if (library === undefined) return () => undefined;
  const publisher = <Name extends keyof ChannelMessages>(
    name: Name,
  ): ((message: () => ChannelMessages[Name]) => void) => {
    const channel = library.channel(name);
    return (message) => {
      if (channel.hasSubscribers) channel.publish(message());
    };
  };
  const opened = publisher("scope:scope:opened");
  const closed = publisher("scope:scope:closed");
  const spawned = publisher("scope:task:spawned");
  const started = publisher("scope:task:started");
  const done = publisher("scope:task:done");
  const requested = publisher("scope:cancel:requested");
  return observe({
    scopeOpened(scope, parent) {
      opened(() => ({ scope, parent }));
    },
    scopeClosed(scope) {
      closed(() => ({ scope }));
    },
    taskSpawned(task, scope, options) {
      spawned(() => ({ task, scope, restarts: options?.restarts }));
    },
    taskStarted(task) {
      started(() => ({ task }));
    },
    taskDone(task) {
      done(() => ({ task }));
    },
    cancelRequested(owner, { reason, source }) {
      requested(() => ({ owner, reason, source }));
    },
  });
}
