import type { LookupAddress } from "node:dns";
import { lookup as dnsLookup } from "node:dns/promises";
import type { Socket } from "node:net";
import type { ConnectionOptions } from "node:tls";

import { CancellationToken, TimeoutError, type TokenLike, checkDuration, failAfter } from "@scope/core";
import { race } from "@scope/supervisor";

import { Attempt, type AttemptEvent } from "./attempt.ts";
import { LookupError, endpoint } from "./errors.ts";

export type DialEvent =
  /** In the order in which they are going to be tried. */
  | { readonly type: "resolved"; readonly addresses: readonly string[] }
  | { readonly type: AttemptEvent; readonly address: string; readonly error?: unknown };

export interface DialOptions {
  /** Cancels it. */
  readonly token?: TokenLike | undefined;
  /** TLS, with options of `tls.connect` if need be. The handshake is part of the race. @default false */
  readonly tls?: boolean | ConnectionOptions | undefined;
  /** Milliseconds for everything, the lookup included. @default Infinity */
  readonly timeout?: number | undefined;
  /** Milliseconds before the next address is tried. @default 250, as in RFC 8305, section 8 */
  readonly stagger?: number | undefined;
  /** Finds the addresses of a host, the best one first. @default dns.lookup, in the order of the system (RFC 6724) */
  readonly lookup?: ((host: string) => Promise<readonly LookupAddress[]>) | undefined;
  /** What happens to which address. Must not throw. */
  readonly onEvent?: ((event: DialEvent) => void) | undefined;
}

/**
 * Connects to the address of a host that answers first, after RFC 8305 ("happy eyeballs").
 *
 * When it settles, every socket that it has opened is closed, but the one that it resolves with.
 *
 * Rejects with `LookupError`; with a `TaskGroupError` of one `AttemptError` per address; with `TimeoutError`; or with the
 * cancellation of the token. After one of the latter two the failures until then go to the process-wide handler.
 */
export async function dial(host: string, port: number, options: DialOptions = {}): Promise<Socket> {
  const { token = CancellationToken.none, timeout = Infinity, stagger = 250, tls = false } = options;
  const { lookup = systemLookup, onEvent } = options;
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new RangeError(`Expected \`port\` to be an integer from 1 to 65535, got \`${port}\``);
  }
  checkDuration("stagger", stagger);
  const began = performance.now();
  const target = { host, port, tls: tls === true ? {} : tls === false ? undefined : tls };
  const attempt = (address: string) => (token: CancellationToken) =>
    Attempt.connect(address, target, token, (type, error) => onEvent?.({ type, address, error }));

  // No scope around both: one that times out has no way to close a socket that comes out of its body.
  try {
    const found = await failAfter(timeout, (scope) => scope.token.race(resolve(host, lookup)), { token });
    const addresses = interleave(found).map(({ address }) => address);
    onEvent?.({ type: "resolved", addresses });
    const timeLeft = Math.max(0, timeout - (performance.now() - began));
    const name = endpoint(host, port);
    const { value } = await race(addresses.map(attempt), { name, stagger, token, timeout: timeLeft });
    return value.handOver();
  } catch (error) {
    // Each of the two only knows its own share of the time.
    if (!(error instanceof TimeoutError)) throw error;
    throw new TimeoutError(timeout, `${endpoint(host, port)} did not answer within ${timeout} ms`);
  }
}

/** The families take turns, beginning with that of the best address; within a family the order stays (section 4). */
export function interleave<A extends { readonly family: number }>(addresses: readonly A[]): A[] {
  const first = addresses.filter(({ family }) => family === addresses[0]?.family);
  const second = addresses.filter((address) => !first.includes(address));
  const turns = Math.max(first.length, second.length);
  return Array.from({ length: turns }, (_, turn) => [
    ...first.slice(turn, turn + 1),
    ...second.slice(turn, turn + 1),
  ]).flat();
}

async function resolve(
  host: string,
  lookup: NonNullable<DialOptions["lookup"]>,
): Promise<readonly LookupAddress[]> {
  try {
    const addresses = await lookup(host);
    if (addresses.length === 0) throw new Error("no addresses");
    return addresses;
  } catch (error) {
    throw new LookupError(host, error);
  }
}

/** There is no way to cancel this: the system's answer to a lookup that nobody waits for any more is dropped. */
function systemLookup(host: string): Promise<readonly LookupAddress[]> {
  return dnsLookup(host, { all: true, verbatim: true });
}
