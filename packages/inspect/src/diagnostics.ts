import { type ScopeEvent, type Task, type TaskScope, type TokenOwner, observe } from "@scope/core";
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

const NAMES = {
  "scope-opened": "scope:scope:opened",
  "scope-closed": "scope:scope:closed",
  "task-spawned": "scope:task:spawned",
  "task-started": "scope:task:started",
  "task-done": "scope:task:done",
  "cancel-requested": "scope:cancel:requested",
} as const satisfies Partial<Record<ScopeEvent["type"], keyof ChannelMessages>>;

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
  const channels = new Map<string, Channel>();
  for (const [type, name] of Object.entries(NAMES)) channels.set(type, library.channel(name));
  return observe((event) => {
    const channel = channels.get(event.type);
    if (channel?.hasSubscribers) channel.publish(messageOf(event));
  });
}

function messageOf(event: ScopeEvent): unknown {
  if (event.type === "cancel-requested") {
    const { owner, error } = event;
    return { owner, reason: error.reason, source: error.source };
  }
  if (event.type === "task-spawned") {
    const { task, scope, options } = event;
    return { task, scope, restarts: options?.restarts };
  }
  return Object.fromEntries(Object.entries(event).filter(([key]) => key !== "type"));
}
