import { reportTaskError } from "./report.ts";
import type { ScopePolicy } from "./types.ts";

/** What is kept of a scope in case it is dropped; nothing in here may refer to the scope. */
export interface Leftovers {
  /** `TaskGroup "ingest"` */
  readonly label: string;
  /** Where the scope was created; known only while debugging. */
  readonly site: string | undefined;
  readonly policy: ScopePolicy;
}

let registry: FinalizationRegistry<Leftovers> | undefined;

/** Keeps an eye on a scope that nobody has promised to wait for. */
export function watch(scope: object, leftovers: Leftovers): void {
  registry ??= new FinalizationRegistry(warn);
  registry.register(scope, leftovers, scope);
}

export function unwatch(scope: object): void {
  registry?.unregister(scope);
}

/** One line for the developer; failures that the scope had collected are still told (L2). */
function warn({ label, site, policy }: Leftovers): void {
  const created = site === undefined ? "SCOPE_DEBUG=1 shows where it was created" : `created\n${site}`;
  console.warn(`${label} was dropped without join, stop or dispose; ${created}`);
  const error = policy.outcome?.(() => label);
  if (error !== undefined) reportTaskError({ message: `Failures in ${label}, which was dropped`, error });
}
