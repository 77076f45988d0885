import { reportTaskError } from "./report.ts";
import type { ScopePolicy } from "./types.ts";

/** What is kept of a scope in case it is dropped; nothing in here may refer to the scope. */
export interface Leftovers {
  /** `TaskGroup "ingest"` */
  readonly label: string;
  /** Where the scope was created; known only while debugging. */
  readonly site: string | undefined;
  readonly policy: ScopePolicy;
  /** Somebody has begun to wait for the tasks. */
  awaited?: boolean;
  /** The first fatal error. */
  fatal?: { readonly error: unknown } | undefined;
}

let registry: FinalizationRegistry<Leftovers> | undefined;

/** Keeps an eye on a scope until it is released. Returns what is kept of it. */
export function watch(scope: object, leftovers: Leftovers): Leftovers {
  registry ??= new FinalizationRegistry(tell);
  registry.register(scope, leftovers, scope);
  return leftovers;
}

export function unwatch(scope: object): void {
  registry?.unregister(scope);
}

/** One line for the developer, if nobody waited; failures that the scope had collected are told in any case (L2). */
function tell({ label, site, policy, awaited, fatal }: Leftovers): void {
  if (awaited !== true) {
    const created = site === undefined ? "SCOPE_DEBUG=1 shows where" : `created\n${site}`;
    console.warn(`${label} was dropped without join, stop or dispose, ${created}`);
  }
  const message = `Error in ${label}, which was dropped`;
  const error = policy.outcome?.(() => label);
  if (error !== undefined) reportTaskError({ message, error });
  if (fatal !== undefined) reportTaskError({ message, error: fatal.error });
}
