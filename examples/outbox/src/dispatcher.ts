import { CancellationSource, type CancellationToken } from "@scope/core";
import { TaskGroup } from "@scope/taskgroup";

import { post } from "./post.ts";
import type { Relay } from "./relay.ts";
import { retryDelay } from "./retry.ts";
import type { Row } from "./store.ts";

/**
 * Sends what the poller has claimed, each row in a task of its own. A webhook that fails is all in a day's work; any other error, of
 * ours or of the database, ends the dispatcher.
 *
 * When the token is cancelled, requests that are under way may still be answered, for the time of `drain`: a receiver that has
 * accepted a row is to be believed, not asked again by the next relay. The group is shielded for that.
 */
export async function dispatch(relay: Relay, token: CancellationToken): Promise<void> {
  const { claimed, arrived, settings } = relay;
  using patience = new CancellationSource();
  await TaskGroup.run(
    async (group) => {
      patience.token.onCancel(() => group.cancel("no time is left"));
      using asked = new CancellationSource({ parent: [token, group.token] });
      while (!asked.token.cancelRequested) {
        for (const row of claimed.splice(0)) {
          group.spawn((own) => deliver(relay, row, own), { name: `row ${row.id}` });
          relay.chaos("dispatcher");
        }
        await arrived.heard(asked.token).catch(() => undefined);
      }
      patience.cancelAfter(settings.drain);
    },
    { name: "dispatcher", token, shield: true, concurrency: settings.concurrency },
  );
}

async function deliver(relay: Relay, row: Row, token: CancellationToken): Promise<void> {
  try {
    const problem = await send(relay, row, token);
    if (problem !== "cut short" && !(await settle(relay, row, problem))) {
      relay.logger.warn(about(row), "the claim was lost before the outcome was known: it will be sent again");
    }
  } finally {
    relay.underWay -= 1;
    relay.ended.ring();
  }
}

/** Resolves with what was wrong, with undefined if nothing was, or with "cut short" when nobody knows. */
async function send(relay: Relay, row: Row, token: CancellationToken): Promise<string | undefined> {
  const { sending, settings, logger } = relay;
  using attempt = token.child({ timeout: settings.timeout });
  sending.set(row.id, attempt);
  relay.count("attempts");
  try {
    return await post(relay.webhook, row, attempt.token);
  } catch (error) {
    const { error: request } = attempt.token;
    if (request === undefined) throw error;
    // A deadline of its own is the webhook's failure; everything else is ours.
    if (request.source === "timeout" && !token.cancelRequested)
      return `no answer within ${settings.timeout} ms`;
    logger.warn(about(row), `cut short, will be sent again: ${request.message}`);
    return "cut short";
  } finally {
    sending.delete(row.id);
  }
}

/** Writes down how it went; resolves with false if that is no longer ours to say. */
async function settle(relay: Relay, row: Row, problem: string | undefined): Promise<boolean> {
  const { store, settings, logger } = relay;
  if (problem === undefined) {
    if (!(await store.delivered(row))) return false;
    relay.count("delivered");
    return true;
  }
  if (row.attempt >= settings.attempts) {
    if (!(await store.dead(row, problem))) return false;
    logger.error({ ...about(row), problem }, "dead: its key goes on without it");
    relay.count("dead");
    return true;
  }
  const retryIn = Math.round(retryDelay(row.attempt, settings));
  if (!(await store.failed(row, problem, retryIn))) return false;
  logger.warn({ ...about(row), problem, retryIn }, "not accepted");
  relay.count("failed");
  return true;
}

function about({ id, key, attempt }: Row): object {
  return { row: id, key, attempt };
}
