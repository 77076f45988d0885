import type { CancellationToken } from "@scope/core";

import { type DialEvent, dial } from "./dial.ts";
import { Loopback, handshake, hasIPv6, ipv6Loopback, sharedKey, silent } from "./loopback.ts";

/** In the order of an imaginary name service. */
const servers = [
  { address: ipv6Loopback, family: 6, says: "accepts, then never says a word", manner: silent },
  { address: "127.0.0.2", family: 4, says: "refuses", manner: undefined },
  {
    address: "127.0.0.3",
    family: 4,
    says: "shakes hands after a second",
    manner: handshake(sharedKey.server, 1_000),
  },
  { address: "127.0.0.4", family: 4, says: "answers", manner: handshake(sharedKey.server) },
];

interface Settings {
  readonly token: CancellationToken;
  /** Milliseconds. */
  readonly timeout: number;
  readonly onEvent: (event: DialEvent) => void;
  readonly print: (line: string) => void;
}

/** Dials a host on the loopback interface that has every kind of address. Resolves with what the servers saw. */
export async function demonstrate({ token, timeout, onEvent, print }: Settings): Promise<string> {
  await using loopback = await Loopback.open(
    Object.fromEntries(servers.map(({ address, manner }) => [address, manner])),
  );
  print(`Four addresses, tried with TLS on port ${loopback.port} of the loopback interface:`);
  for (const { address, says } of servers) print(`  ${address.padEnd(9)}  ${says}`);
  if (!hasIPv6) print("  (no IPv6 here: the first one stands in for ::1)");
  print("");

  const lookup = () => Promise.resolve(servers);
  const { port } = loopback;
  const socket = await dial("demo.example", port, { token, timeout, tls: sharedKey.client, lookup, onEvent });
  socket.destroy();
  await loopback.allClosed();
  return `The servers have accepted ${loopback.accepted()} connections and seen all of them closed.`;
}
