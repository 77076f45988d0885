/** Helpers for tests that wait for events, not for time. */
export { Deferred, flushMicrotasks, groupError, macrotask, rejection, waits, watch } from "./waiting.ts";
export { EventLog } from "./event-log.ts";
export { captureReports } from "./reports.ts";
export { collectGarbage, growth, heapUsed, inBatches, needsCollector, survivors } from "./heap.ts";
export type { Watched } from "./heap.ts";
export { leaveOutWhatLacks, needs } from "./needs.ts";
export { describeOwner } from "./owner-contract.ts";
export type { Owner, OwnerKind, Situation, Verdict, Verdicts } from "./owner-contract.ts";
export { scopeVerdicts } from "./scope-verdicts.ts";
