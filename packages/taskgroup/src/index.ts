/**
 * Fail-fast task groups: the first failure cancels the rest, and all failures come out as one error.
 *
 * @packageDocumentation
 */
export { TaskGroup } from "./task-group.ts";
