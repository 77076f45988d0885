/**
 * Groups of tasks that run until they are stopped, whose failures wait until somebody has looked at them; and services made of
 * them.
 *
 * @packageDocumentation
 */
export { PersistentTaskGroup } from "./persistent-task-group.ts";
export { ServiceBase } from "./service-base.ts";
export { ServiceGroup } from "./service-group.ts";

export type {
  CompletedTasks,
  EndPolicy,
  PersistentSpawnOptions,
  PersistentTaskGroupOptions,
  Service,
  ServiceBaseOptions,
  ServiceGroupOptions,
} from "./types.ts";
