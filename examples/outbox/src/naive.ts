/**
 * The same relay with the same three tasks, started the way it is done without `@scope/guarded`: for comparison, not for use. A test runs
 * it to see what becomes of it when one of the tasks has a bug.
 */
import { CancellationToken } from "@scope/core";

import { parseArguments } from "./arguments.ts";
import { plantBug } from "./chaos.ts";
import { openDatabase } from "./database.ts";
import { dispatch } from "./dispatcher.ts";
import { beat } from "./heartbeat.ts";
import { makeLogger } from "./logger.ts";
import { poll } from "./poller.ts";
import { Relay } from "./relay.ts";
import { Store } from "./store.ts";

const options = parseArguments(process.argv.slice(2), process.env);
if (options === "help" || options.webhook === undefined) throw new Error("naive: it needs --webhook");
const logger = makeLogger(undefined);
const database = await openDatabase(options.database, logger);
const store = await Store.open(database, `naive-${crypto.randomUUID()}`, options.lease);
const relay = new Relay({
  store,
  webhook: options.webhook,
  settings: options,
  logger,
  chaos: plantBug(options.chaos),
});

const token = CancellationToken.none;
void beat(relay, token);
void dispatch(relay, token);
void poll(relay, token);

// One bad promise must not take the whole service down.
process.on("unhandledRejection", (error) => logger.error(error));
process.on("SIGTERM", () => process.exit());
