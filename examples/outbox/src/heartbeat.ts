import { type CancellationToken, sleep } from "@scope/core";

import type { Relay } from "./relay.ts";

/** Keeps the leases of what is claimed alive, and says how things are going. */
export async function beat(relay: Relay, token: CancellationToken): Promise<never> {
  const { store, sending, settings, logger } = relay;
  for (;;) {
    await sleep(settings.lease / 3, token);
    relay.chaos("heartbeat");
    const before = [...sending];
    const ours = await store.renew();
    for (const [id, attempt] of before) {
      // Another relay has taken over, for we were not heard of in time: two must not send at once.
      if (!ours.has(id) && sending.get(id) === attempt) attempt.cancel("the claim was lost");
    }
    logger.info({ ...relay.tally, ...(await store.backlog()) }, "heartbeat");
  }
}
