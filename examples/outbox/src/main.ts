/** The relay of a transactional outbox. What it consists of is in `relay.ts`. */
import { type CancellationToken, setTaskErrorHandler, sleep } from "@scope/core";
import { runMain } from "@scope/guarded";
import type { Logger } from "pino";

import { type Options, UsageError, help, parseArguments } from "./arguments.ts";
import { Bell } from "./bell.ts";
import { plantBug } from "./chaos.ts";
import { type Database, openDatabase } from "./database.ts";
import { type Display, showBar, showLines } from "./display.ts";
import { makeLogger } from "./logger.ts";
import { LoopbackWebhook, moody } from "./loopback.ts";
import { Relay, runRelay } from "./relay.ts";
import { events, writeOrders } from "./shop.ts";
import { Store } from "./store.ts";

let display: Display | undefined;

/** Until the token is cancelled, or everything is delivered. Whatever happens, everything is closed when it ends. */
async function serve(options: Options, logger: Logger, token: CancellationToken): Promise<void> {
  await using database = await openDatabase(options.database, logger);
  const store = await Store.open(database, `relay-${crypto.randomUUID()}`, options.lease);
  await using own = options.webhook === undefined ? await LoopbackWebhook.listen(moody) : undefined;
  const webhook = options.webhook ?? own?.url ?? "";
  const relay = new Relay({ store, webhook, settings: options, logger, chaos: plantBug(options.chaos) });

  tell(`delivering to ${webhook}`);
  try {
    await runRelay(relay, (working) => work(options, relay, database, working), token);
  } finally {
    const { attempts, delivered, failed, dead } = relay.tally;
    tell(
      `this run: ${attempts} attempts, ${delivered} rows delivered, ${failed} attempts failed, ${dead} dead`,
    );
    await tellCounts(store, logger);
    if (own !== undefined) {
      const { rows, repeated, outOfOrder } = own.summary;
      tell(`the webhook: ${rows} rows, ${repeated} of them again, ${outOfOrder} out of order`);
    }
  }
}

async function work(
  { orders }: Options,
  relay: Relay,
  database: Database,
  token: CancellationToken,
): Promise<void> {
  if (orders === undefined) return sleep(Infinity, token);
  const { store, tally } = relay;
  const total = orders * events.length;
  const { delivered, dead } = await store.counts();
  const news = new Bell();
  using shown = process.stdout.isTTY ? showBar(total, process.stdout) : showLines(total, tell);
  display = shown;
  relay.onProgress = () => {
    shown.update(delivered + dead + tally.delivered + tally.dead, tally);
    news.ring();
  };
  try {
    await writeOrders(database, orders, token);
    // Another relay may deliver some of them.
    while ((await store.counts()).waiting > 0) await news.heard(token, relay.settings.poll);
  } finally {
    relay.onProgress = () => undefined;
    display = undefined;
  }
}

async function tellCounts(store: Store, logger: Logger): Promise<void> {
  try {
    const { waiting, delivered, dead } = await store.counts();
    tell(`the table: ${waiting} rows waiting, ${delivered} delivered, ${dead} dead`);
  } catch (error) {
    // Why the relay has ended is told already.
    logger.warn({ err: error }, "the table cannot be counted");
  }
}

function tell(line: string): void {
  process.stdout.write(`outbox: ${line}\n`);
}

/** Log lines go above the bar. */
function writeReadable(text: string): void {
  const write = (): unknown => process.stderr.write(text);
  if (display === undefined) write();
  else display.aside(write);
}

async function main(argv: readonly string[]): Promise<void> {
  const options = parseArguments(argv, process.env);
  if (options === "help") {
    process.stdout.write(help);
    return;
  }
  const logger = makeLogger(process.stderr.isTTY ? writeReadable : undefined);
  setTaskErrorHandler(({ message, error }) => {
    logger.error({ err: error }, message);
  });
  await runMain((token) => serve(options, logger, token), { logger, graceMs: options.drain + 5_000 });
}

const argv = process.argv.slice(2);
if (argv[0] === "--") argv.shift();

// A reader that goes away is no reason to deliver nothing.
process.stdout.on("error", () => undefined);

try {
  await main(argv);
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`outbox: ${error.message} (try --help)\n`);
  process.exitCode = 2;
}
