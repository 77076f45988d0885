import { once } from "node:events";
import { type Server, type Socket, createServer } from "node:net";
import { networkInterfaces } from "node:os";
import { type ConnectionOptions, type TlsOptions, createServer as createTlsServer } from "node:tls";

/** Does something with a connection that the server has accepted. Undefined: nobody listens there, it is refused. */
export type Manner = ((socket: Socket) => void) | undefined;

/** Says nothing, ever, and waits for the other side to close. */
export const silent: Manner = (socket) => void socket.resume();

/** Some systems have no IPv6. */
export const hasIPv6 = Object.values(networkInterfaces()).some((addresses) =>
  addresses?.some(({ address }) => address === "::1"),
);

/** The loopback interface's address of the family IPv6, or a place holder for it. */
export const ipv6Loopback = hasIPv6 ? "::1" : "127.0.0.66";

/** Servers on one port of several addresses, and what they have seen. */
export class Loopback implements AsyncDisposable {
  readonly port: number;
  readonly #servers: readonly Server[];
  readonly #accepted = new Map<string, Socket[]>();

  private constructor(port: number, servers: ReadonlyMap<string, Server>, manners: Record<string, Manner>) {
    this.port = port;
    this.#servers = [...servers.values()];
    for (const [address, server] of servers) {
      const sockets: Socket[] = [];
      this.#accepted.set(address, sockets);
      server.on("connection", (socket) => {
        sockets.push(socket.on("error", () => undefined));
        manners[address]?.(socket);
      });
    }
  }

  /** Listens on all addresses whose manner is not undefined, on the port `wanted` or a free one. */
  static async open(manners: Record<string, Manner>, wanted = 0): Promise<Loopback> {
    for (let tries = 1; ; tries++) {
      const servers = new Map<string, Server>();
      let port = wanted;
      try {
        for (const [address, manner] of Object.entries(manners)) {
          if (manner === undefined) continue;
          const server = createServer().listen(port, address);
          servers.set(address, server);
          await once(server, "listening");
          port = (server.address() as { port: number }).port;
        }
        return new Loopback(port, servers, manners);
      } catch (error) {
        for (const server of servers.values()) server.close();
        // The system has chosen a port that is free on the first address only.
        if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE" || tries === 20) throw error;
      }
    }
  }

  /** How many connections have been accepted, at one address or in all. */
  accepted(address?: string): number {
    return this.#sockets(address).length;
  }

  /** How many of them the other side has not closed, as far as the server knows. */
  open(address?: string): number {
    return this.#sockets(address).filter((socket) => !socket.closed).length;
  }

  /** Resolves when every connection is closed, which is up to the other side. */
  async allClosed(): Promise<void> {
    const open = this.#sockets().filter((socket) => !socket.closed);
    await Promise.all(open.map((socket) => new Promise((resolve) => socket.once("close", resolve))));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets()) socket.destroy();
    await Promise.all(
      this.#servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve()))),
    );
  }

  #sockets(address?: string): Socket[] {
    return address === undefined ? [...this.#accepted.values()].flat() : (this.#accepted.get(address) ?? []);
  }
}

/** Answers a TLS handshake after so many milliseconds. */
export function handshake(options: TlsOptions, delay = 0): (socket: Socket) => void {
  const server = createTlsServer(options, (socket) => void socket.on("error", () => undefined).resume());
  server.on("tlsClientError", () => undefined);
  const accept = (socket: Socket): boolean => server.emit("connection", socket);
  if (delay === 0) return accept;
  return (socket) => {
    // Read meanwhile, because only who reads sees the other side close.
    const received: Buffer[] = [];
    const keep = (chunk: Buffer): number => received.push(chunk);
    socket.on("data", keep);
    const timer = setTimeout(() => {
      socket.off("data", keep).pause();
      if (received.length > 0) socket.unshift(Buffer.concat(received));
      accept(socket);
    }, delay);
    socket.once("close", () => clearTimeout(timer));
  };
}

const key = Buffer.from("a key for the loopback interface");
const identity = "happy-eyeballs";

/** TLS by a key that both sides have: it needs no certificates. */
export const sharedKey = {
  // TLS 1.3 has no such cipher suites.
  server: { ciphers: "PSK", maxVersion: "TLSv1.2", pskCallback: () => key } satisfies TlsOptions,
  client: {
    ciphers: "PSK",
    maxVersion: "TLSv1.2",
    pskCallback: () => ({ psk: key, identity }),
    checkServerIdentity: () => undefined,
  } satisfies ConnectionOptions,
};
