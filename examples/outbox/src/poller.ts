import type { CancellationToken } from "@scope/core";

import type { Relay } from "./relay.ts";

/** Claims rows for the dispatcher, never more than it can send at once: what is not claimed, another relay can have. */
export async function poll(relay: Relay, token: CancellationToken): Promise<never> {
  const { store, settings } = relay;
  for (;;) {
    relay.chaos("poller");
    const room = settings.concurrency - relay.underWay;
    const rows = room > 0 ? await store.claim(room) : [];
    relay.underWay += rows.length;
    relay.claimed.push(...rows);
    relay.arrived.ring();
    await relay.ended.heard(token, settings.poll);
  }
}
