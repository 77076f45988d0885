/**
 * See the live task tree of a program: what runs, since when, and what it waits for.
 *
 * @packageDocumentation
 */
export { inspect, snapshot } from "./inspect.ts";
export { formatTree } from "./format-tree.ts";

export type { InspectOptions } from "./inspect.ts";
export type { FormatOptions } from "./format-tree.ts";
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
