/**
 * See the live task tree of a program: what runs, since when, and what it waits for.
 *
 * @packageDocumentation
 */
export { inspect, snapshot } from "./inspect.ts";
export { formatTree } from "./format-tree.ts";
export { publishToChannels } from "./diagnostics.ts";
export { expectNoTasksLeft, trackTasks } from "./leftovers.ts";

export type { InspectOptions } from "./inspect.ts";
export type { FormatOptions } from "./format-tree.ts";
export type { ChannelMessages } from "./diagnostics.ts";
export type { TrackOptions } from "./leftovers.ts";
export type {
  CancelNode,
  EventBatch,
  Inspected,
  ScopeNode,
  Snapshot,
  TaskNode,
  TimelineEvent,
  WaitNode,
} from "./types.ts";
