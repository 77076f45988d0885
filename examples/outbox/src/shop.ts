import { type CancellationToken, sleep } from "@scope/core";

import type { Database } from "./database.ts";
import { enqueue } from "./store.ts";

/** What becomes of an order; each of them is a row of the outbox. */
export const events = ["placed", "paid", "shipped"] as const;

/**
 * A make-believe shop: every change of an order and the row that tells about it are one transaction, so that neither is there without
 * the other. Goes on with the order where an earlier run was stopped.
 */
export async function writeOrders(
  database: Database,
  orders: number,
  token: CancellationToken,
): Promise<void> {
  await database.execute(
    "CREATE TABLE IF NOT EXISTS outbox_demo_orders (number integer PRIMARY KEY, state text NOT NULL)",
  );
  for (const event of events) {
    for (let number = 1; number <= orders; number++) {
      // The embedded database keeps the process busy, and others want their turn.
      await sleep(1, token);
      await database.transaction(async (query) => {
        const changed = await query(
          event === "placed"
            ? "INSERT INTO outbox_demo_orders VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING number"
            : "UPDATE outbox_demo_orders SET state = $2 WHERE number = $1 AND state = $3 RETURNING number",
          event === "placed" ? [number, event] : [number, event, event === "paid" ? "placed" : "paid"],
        );
        // An earlier run has done it.
        if (changed.length === 0) return;
        await enqueue(query, `order-${number}`, { order: number, event });
      });
    }
  }
}
