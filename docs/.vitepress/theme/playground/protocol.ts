/** What the playground and the worker that runs its program say to each other. */
import type { EventBatch, Snapshot } from "@scope/inspect";

export type ToWorker =
  | { readonly type: "run"; readonly code: string }
  /** Cancels the program's `token`. */
  | { readonly type: "cancel" };

export type Level = "log" | "error";

export interface Line {
  readonly level: Level;
  readonly text: string;
}

/** What has happened since the last message. */
export interface FromWorker {
  readonly lines: readonly Line[];
  readonly batch?: EventBatch;
  readonly snapshot?: Snapshot;
  /** Nothing of the program runs any more, and no timer is set. */
  readonly ended?: boolean;
}
