import type { CancellationToken } from "@scope/core";

import type { Row } from "./store.ts";

/**
 * Sends a row, and resolves with undefined once it has been accepted, which is any status of 2xx, or else with what was wrong. Rejects
 * when the token is cancelled, in whatever way `fetch` does.
 */
export async function post(url: string, row: Row, token: CancellationToken): Promise<string | undefined> {
  try {
    const response = await fetch(url, {
      method: "POST",
      body: row.payload,
      headers: {
        "Content-Type": "application/json",
        // The same at each attempt: whoever remembers it can drop what comes twice.
        "Idempotency-Key": row.id,
        "Outbox-Key": encodeURIComponent(row.key),
        "Outbox-Position": row.position,
        "Outbox-Attempt": String(row.attempt),
        ...(row.skipped.length > 0 && { "Outbox-Skipped": row.skipped.join(" ") }),
      },
      // Elsewhere nobody has agreed to have our orders.
      redirect: "manual",
      signal: token.signal,
    });
    // The status is the answer; what else it says is not waited for.
    await response.body?.cancel().catch(() => undefined);
    return response.ok ? undefined : `status ${response.status}`;
  } catch (error) {
    token.throwIfCancelled();
    return describe(error);
  }
}

/** `fetch` hides the reason in the cause, and where there was a choice of addresses, in one per address. */
function describe(error: unknown): string {
  const { cause = error } = error as Error;
  const [first = cause] = cause instanceof AggregateError ? (cause.errors as unknown[]) : [];
  return first instanceof Error ? first.message : String(first);
}
