import { once } from "node:events";
import { type IncomingMessage, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

/** A request as the webhook has understood it. */
export interface Receipt {
  readonly id: string;
  readonly key: string;
  readonly position: number;
  readonly attempt: number;
  readonly skipped: readonly string[];
  readonly body: unknown;
}

/** A status, or never an answer. */
export type Manner = (receipt: Receipt) => number | "hang" | Promise<number | "hang">;

/** A receiver on the loopback interface, as well-behaved or not as it is told to be. Ends its connections when disposed of. */
export class LoopbackWebhook implements AsyncDisposable {
  readonly #server = createServer((request, response) => void this.#receive(request, response));
  readonly #manner: Manner;
  /** What was accepted, in order of arrival. */
  readonly accepted: Receipt[] = [];
  /** How many requests have come and are not answered. */
  unanswered = 0;

  private constructor(manner: Manner) {
    this.#manner = manner;
  }

  static async listen(manner: Manner = () => 204, port = 0): Promise<LoopbackWebhook> {
    const webhook = new LoopbackWebhook(manner);
    webhook.#server.listen(port, "127.0.0.1");
    await once(webhook.#server, "listening");
    return webhook;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/orders`;
  }

  /** What there is to say about all that was accepted. */
  get summary(): { rows: number; repeated: number; outOfOrder: number } {
    const seen = new Set<string>();
    const last = new Map<string, number>();
    let [repeated, outOfOrder] = [0, 0];
    for (const { id, key, position } of this.accepted) {
      if (seen.has(id)) {
        repeated += 1;
        continue;
      }
      seen.add(id);
      if (position < (last.get(key) ?? 0)) outOfOrder += 1;
      last.set(key, position);
    }
    return { rows: seen.size, repeated, outOfOrder };
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const header = (name: string): string => String(request.headers[name] ?? "");
    try {
      const receipt = {
        id: header("idempotency-key"),
        key: decodeURIComponent(header("outbox-key")),
        position: Number(header("outbox-position")),
        attempt: Number(header("outbox-attempt")),
        skipped: header("outbox-skipped").split(" ").filter(Boolean),
        body: JSON.parse(await text(request)) as unknown,
      };
      this.unanswered += 1;
      const answer = await this.#manner(receipt);
      if (answer === "hang") return;
      if (answer < 300) this.accepted.push(receipt);
      this.unanswered -= 1;
      response.writeHead(answer).end();
    } catch {
      // The sender has gone.
      response.destroy();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}

/** Of a demonstration: now and then busy, once in a while silent, and one row it will never accept. */
export const moody: Manner = ({ body, attempt }) => {
  const { order, event } = body as { order: number; event: string };
  if (order === 13 && event === "paid") return 422;
  if (attempt === 1 && order % 20 === 4 && event === "paid") return "hang";
  if (attempt <= 2 && order % 7 === 3) return 503;
  return 204;
};
