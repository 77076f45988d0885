/** What the two service programs have in common: a lock file, a journal that is written at the end, orders that take a while. */
import { once } from "node:events";
import { appendFile, open, rm } from "node:fs/promises";
import { type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";

/** Milliseconds that an order takes. */
const order = 300;
/** Milliseconds after the first order when the relay fails. */
const failure = 150;

export class Shop {
  readonly #directory: string;
  readonly #server: Server;
  readonly #firstOrder: Promise<unknown>;
  #journal = "";

  private constructor(directory: string) {
    this.#directory = directory;
    this.#server = createServer((request, response) => {
      response.setHeader("Connection", "close");
      if (request.url !== "/order") {
        response.end("alive\n");
        return;
      }
      this.#server.emit("order");
      setTimeout(() => {
        this.note("order");
        response.end("ordered\n");
      }, order);
    });
    this.#firstOrder = once(this.#server, "order");
  }

  /** Locks the directory and listens; the parent is told where. */
  static async open(directory: string): Promise<Shop> {
    const shop = new Shop(directory);
    const lock = await open(path.join(directory, "lock"), "wx");
    await lock.close();
    shop.#server.listen(0, "127.0.0.1");
    await once(shop.#server, "listening");
    process.send?.({ port: (shop.#server.address() as AddressInfo).port });
    return shop;
  }

  /** A line of the journal, which is in memory until the end. */
  note(line: string): void {
    this.#journal += `${line}\n`;
  }

  /** Passes orders on, for ever, if only the other side did not hang up. */
  async relay(): Promise<never> {
    await this.#firstOrder;
    await delay(failure);
    throw new Error("the upstream hung up");
  }

  /** Finishes the orders that are under way, writes the journal, and gives the lock back. */
  async close(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    await closed;
    await appendFile(path.join(this.#directory, "journal"), this.#journal);
    await rm(path.join(this.#directory, "lock"));
  }
}

/** Milliseconds between two lines of the journal. */
export const beat = 50;
