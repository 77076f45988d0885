import { type CancellationToken, isCancellation } from "@scope/core";

import type { Client } from "./client.ts";
import type { Handler } from "./handlers.ts";
import { ProtocolError, closeCode } from "./protocol.ts";
import type { Room } from "./room.ts";

/**
 * One connection, from the first message to the last: the function of one task.
 *
 * It rejects with what a handler has thrown, which ends this connection and no other; and with the cancellation, when the
 * server shuts down. However it ends, the connection is gone by then.
 */
export async function converse(
  client: Client,
  room: Room,
  handle: Handler,
  token: CancellationToken,
): Promise<void> {
  const messages = client.messages(token);
  let farewell: Farewell = [closeCode.normal, ""];
  room.enter(client);
  try {
    for await (const { say } of messages) {
      client.handling = say;
      await handle({ client, room, text: say, token });
      client.handling = undefined;
    }
  } catch (error) {
    farewell = farewellFor(error);
    throw error;
  } finally {
    await client.close(...farewell);
    room.leave(client);
  }
}

type Farewell = readonly [code: number, reason: string];

function farewellFor(error: unknown): Farewell {
  if (isCancellation(error)) return [closeCode.goingAway, "the server is shutting down"];
  if (error instanceof ProtocolError) return [closeCode.policyViolation, error.message];
  return [closeCode.internalError, "something went wrong here"];
}
