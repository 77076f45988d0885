/**
 * A relay, and who owns what:
 *
 * ```text
 *   runMain              SIGINT, SIGTERM and a failure of any guarded task cancel its token
 *   └─ runRelay
 *      ├─ "poller"       guarded: claims rows that are due, as many as can be sent
 *      ├─ "dispatcher"   guarded: a group with a task for each row that is being sent
 *      └─ "heartbeat"    guarded: keeps the claims alive; on a token of its own, for it ends when the others have
 * ```
 */
import { CancellationSource, type CancellationToken, type Task } from "@scope/core";
import { spawnGuarded } from "@scope/guarded";
import type { Logger } from "pino";

import type { Settings } from "./arguments.ts";
import { Bell } from "./bell.ts";
import type { Chaos } from "./chaos.ts";
import { dispatch } from "./dispatcher.ts";
import { beat } from "./heartbeat.ts";
import { poll } from "./poller.ts";
import type { Row, Store } from "./store.ts";

/** What the tasks of a relay share. */
export class Relay {
  readonly store: Store;
  readonly webhook: string;
  readonly settings: Settings;
  readonly logger: Logger;
  readonly chaos: Chaos;

  /** Claimed, and not yet taken by the dispatcher. */
  readonly claimed: Row[] = [];
  /** For the dispatcher: there is something in `claimed`. */
  readonly arrived = new Bell();
  /** For the poller: a row has ended, so that there is room for another, perhaps the next one of its key. */
  readonly ended = new Bell();
  /** Claimed, and not yet ended: `claimed` and what is being sent. */
  underWay = 0;
  /** By the ids of their rows: what ends the requests that wait for their answer. */
  readonly sending = new Map<string, CancellationSource>();
  /** What this relay has done. */
  readonly tally = { attempts: 0, delivered: 0, failed: 0, dead: 0 };
  /** Called when the tally has changed. */
  onProgress: () => void = () => undefined;

  constructor(options: { store: Store; webhook: string; settings: Settings; logger: Logger; chaos?: Chaos }) {
    this.store = options.store;
    this.webhook = options.webhook;
    this.settings = options.settings;
    this.logger = options.logger;
    this.chaos = options.chaos ?? (() => undefined);
  }

  count(what: keyof Relay["tally"]): void {
    this.tally[what] += 1;
    this.onProgress();
  }
}

/** Relays until the body has ended, then lets what is being sent come to its end, and gives back the rest. */
export async function runRelay(
  relay: Relay,
  body: (token: CancellationToken) => Promise<void>,
  token: CancellationToken,
): Promise<void> {
  const { logger } = relay;
  using work = new CancellationSource({ parent: token });
  using pulse = new CancellationSource();

  const guard = { logger, token: work.token };
  const last = { logger, token: pulse.token };
  const heartbeat = spawnGuarded((own) => beat(relay, own), { ...last, name: "heartbeat" });
  const dispatcher = spawnGuarded((own) => dispatch(relay, own), { ...guard, name: "dispatcher" });
  const poller = spawnGuarded((own) => poll(relay, own), { ...guard, name: "poller" });

  try {
    await body(work.token);
  } finally {
    work.cancel("the relay ends");
    await ended(poller, dispatcher);
    pulse.cancel("the relay has ended");
    await ended(heartbeat);
    await relay.store.release().catch((error: unknown) => {
      logger.warn(
        { err: error },
        "claims could not be given back, and are void when their lease has run out",
      );
    });
  }
}

/** Their guards have told what went wrong. */
async function ended(...tasks: Task<unknown>[]): Promise<void> {
  await Promise.allSettled(tasks);
}
