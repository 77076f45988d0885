import { once } from "node:events";
import { type Socket, connect, isIP } from "node:net";
import { type ConnectionOptions, connect as connectTls } from "node:tls";

import type { CancellationToken } from "@scope/core";

import { AttemptError } from "./errors.ts";

export interface Target {
  readonly host: string;
  readonly port: number;
  readonly tls: ConnectionOptions | undefined;
}

/** What happens to an attempt: `started`, then `connected` or `failed` or neither, then `closed` unless it won. */
export type AttemptEvent = "started" | "connected" | "failed" | "closed";

/**
 * One socket on its way to one address.
 *
 * It belongs to the attempt, which closes it, until `handOver`. An error that strikes after the connection stands, and
 * before somebody has been given it, is kept for `handOver` to throw.
 */
export class Attempt implements AsyncDisposable {
  readonly #socket: Socket;
  readonly #closed: Promise<void>;
  readonly #onError = (): void => undefined;
  readonly #onClose: () => void;

  readonly #address: string;
  readonly #target: Target;

  private constructor(address: string, target: Target, tell: (event: AttemptEvent, error?: unknown) => void) {
    this.#address = address;
    this.#target = target;
    this.#socket = open(address, target);
    let closed!: () => void;
    this.#closed = new Promise((resolve) => (closed = resolve));
    this.#onClose = () => {
      tell("closed");
      closed();
    };
    this.#socket.on("error", this.#onError).once("close", this.#onClose);
    tell("started");
  }

  /**
   * Resolves when the connection stands; with TLS, when the handshake is done. Rejects with an `AttemptError`, or the
   * token's error; the socket is closed by then.
   */
  static async connect(
    address: string,
    target: Target,
    token: CancellationToken,
    tell: (event: AttemptEvent, error?: unknown) => void,
  ): Promise<Attempt> {
    const attempt = new Attempt(address, target, tell);
    try {
      await token.race(once(attempt.#socket, target.tls === undefined ? "connect" : "secureConnect"));
      tell("connected");
      return attempt;
    } catch (error) {
      if (error !== token.error) tell("failed", error);
      await attempt[Symbol.asyncDispose]();
      // Of one that is out of the race by now nobody wants to hear that it would have failed, too.
      token.throwIfCancelled();
      throw new AttemptError(address, target.port, error);
    }
  }

  /** The socket is the caller's from now on. Throws `AttemptError` if it has broken meanwhile. */
  handOver(): Socket {
    const { errored, destroyed } = this.#socket;
    if (destroyed) {
      const cause = errored ?? new Error("closed by the other side");
      throw new AttemptError(this.#address, this.#target.port, cause);
    }
    return this.#socket.off("error", this.#onError).off("close", this.#onClose);
  }

  /** Resolves when the socket has closed. What loses the race at the last moment is disposed of by `race`. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#socket.destroy();
    return this.#closed;
  }
}

function open(address: string, { host, port, tls }: Target): Socket {
  if (tls === undefined) return connect({ host: address, port });
  // The certificate is for the name that was asked for. RFC 6066 has no place for an address in there.
  const servername = isIP(host) === 0 ? host.replace(/\.$/, "") : "";
  return connectTls({ servername, ...tls, host: address, port });
}
