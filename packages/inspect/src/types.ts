/**
 * What an inspector shows, as plain data: everything here goes through JSON unchanged. Times are milliseconds; points in time
 * are milliseconds since the epoch.
 */
import type { CancelSource, TaskStatus } from "@scope/core";

/** Everything that lives at one moment. */
export interface Snapshot {
  readonly version: 1;
  /** Of a process; 0 in a browser. */
  readonly pid: number;
  /** The program: its file, or the page's address. */
  readonly title: string;
  readonly takenAt: number;
  /**
   * Of another process whose event loop did not turn: the synchronous code in whose midst the snapshot was taken, one frame per
   * line.
   */
  readonly blocked?: string;
  /** Scopes that hang on nobody. */
  readonly scopes: readonly ScopeNode[];
  /** Circles of those that wait for each other, each a list of ids: what is in one will never end. */
  readonly cycles: readonly (readonly string[])[];
}

/** A scope, or the owner that is built on one. */
export interface ScopeNode {
  /** "s3": no other scope or task of the process has it. */
  readonly id: string;
  /** "TaskGroup" */
  readonly kind: string;
  readonly name: string;
  readonly state: "open" | "closing";
  /** Or when it was first seen, if that was before anybody observed. */
  readonly openedAt: number;
  readonly cancel?: CancelNode;
  /** Where it was opened; while debugging. */
  readonly site?: string;
  readonly waitsFor: readonly WaitNode[];
  /** Live tasks, oldest first. */
  readonly tasks: readonly TaskNode[];
  /** Scopes that were opened with the token of this one, and not with a task's. */
  readonly scopes: readonly ScopeNode[];
}

export interface TaskNode {
  /** "t17" */
  readonly id: string;
  readonly name: string;
  readonly status: TaskStatus;
  /** Within about a hundredth of its age; if nobody observed then, when that began. */
  readonly spawnedAt: number;
  /** Missing while it is pending. */
  readonly startedAt?: number;
  readonly cancel?: CancelNode;
  /** How many predecessors it has, in an owner that restarts. */
  readonly restarts?: number;
  /** Where it was spawned; while debugging. */
  readonly site?: string;
  readonly waitsFor: readonly WaitNode[];
  /** Scopes that were opened with its token. */
  readonly scopes: readonly ScopeNode[];
}

/** A request to end. */
export interface CancelNode {
  readonly reason: string;
  readonly source: CancelSource;
  /** When that was first seen; missing if it was before anybody observed. */
  readonly at?: number;
}

/** What a task or a scope waits for, as far as that can be known. */
export type WaitNode =
  | { readonly for: "task" | "scope"; readonly id: string; readonly name: string }
  | { readonly for: "sleep"; readonly remaining: number }
  /** A `sleep` without end. */
  | { readonly for: "cancellation" }
  /** A slot of its scope's concurrency limit; so many are before it. */
  | { readonly for: "slot"; readonly ahead: number };

/** One thing that happened, for a timeline. */
export interface TimelineEvent {
  /** 1, 2, 3, ...: what is missing was dropped. */
  readonly seq: number;
  readonly at: number;
  readonly type:
    "scope-opened" | "scope-closed" | "task-spawned" | "task-started" | "cancel-requested" | "task-done";
  /** Of the scope or the task. */
  readonly id: string;
  readonly name?: string;
  /** Of an opened scope. */
  readonly kind?: string;
  /** Of an opened scope: the scope or the task that it hangs on. Of a spawned task: its scope. */
  readonly parent?: string;
  readonly restarts?: number;
  /**
   * Of a spawned task: "running", if its function was called at once, or "pending"; then, and only then, it starts with an event
   * of its own. Of one that is done: how it ended.
   */
  readonly status?: TaskStatus;
  /** Of a failed task, one line. */
  readonly error?: string;
  /** Of a failed task. */
  readonly stack?: string;
  readonly reason?: string;
  readonly source?: CancelSource;
}

export interface EventBatch {
  readonly events: readonly TimelineEvent[];
  /** How many of those that were asked for are not kept any more. */
  readonly dropped: number;
  /** Ask for this one next. */
  readonly next: number;
}

/** A way to look into a process: this one, or another one over its socket. */
export interface Inspected extends AsyncDisposable {
  snapshot(): Promise<Snapshot>;
  /** The events from number `since` on, at most `limit` of them. */
  events(since: number, limit?: number): Promise<EventBatch>;
}
