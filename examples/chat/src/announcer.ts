import { type CancellationToken, sleep } from "@scope/core";

import type { Room } from "./room.ts";

export interface AnnouncerOptions {
  /** Milliseconds between two announcements. */
  readonly every: number;
  /** Says each time whether it goes wrong. */
  readonly crashes: () => boolean;
}

/** Tells everybody something now and then, until it is cancelled, or something goes wrong. */
export async function announce(
  room: Room,
  options: AnnouncerOptions,
  token: CancellationToken,
): Promise<never> {
  for (;;) {
    await sleep(options.every, token);
    if (options.crashes()) throw new Error("the announcer has lost the thread");
    const { clients, messages } = room;
    room.tell({ type: "announced", text: `${clients.size} here, ${messages} said so far` });
  }
}
