import { type Client, encode } from "./client.ts";
import type { ChatEvent } from "./protocol.ts";

/** Everybody who is here. */
export class Room {
  readonly #clients = new Set<Client>();
  #messages = 0;

  get clients(): ReadonlySet<Client> {
    return this.#clients;
  }

  /** How many messages have been said. */
  get messages(): number {
    return this.#messages;
  }

  get names(): string[] {
    return Array.from(this.#clients, ({ name }) => name);
  }

  enter(client: Client): void {
    this.tell({ type: "joined", name: client.name });
    this.#clients.add(client);
    client.send({ type: "welcome", name: client.name, names: this.names });
  }

  leave(client: Client): void {
    this.#clients.delete(client);
    this.tell({ type: "left", name: client.name });
  }

  say(client: Client, text: string): void {
    this.#messages++;
    this.tell({ type: "said", name: client.name, text });
  }

  tell(event: ChatEvent): void {
    const frame = encode(event);
    for (const client of this.#clients) client.send(frame);
  }
}
