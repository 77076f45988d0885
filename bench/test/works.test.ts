/** Every peer does the same work, whatever it takes: the same results, and nothing left running. */
import { setMaxListeners } from "node:events";
import { macrotask } from "@scope/test-utils";
import { beforeAll, describe, expect, test } from "vitest";
import { bundle, loadPeers } from "../src/bundle.ts";
import { kinds, offers } from "../src/works.ts";

// As they are timed: bundled.
const peers = await loadPeers(await bundle());

beforeAll(() => {
  setMaxListeners(0);
});

/** How many timers keep the process alive; the runner has one or two of its own. */
function timers(): number {
  return process.getActiveResourcesInfo().filter((name) => name === "Timeout" || name === "Immediate").length;
}

describe.each(kinds)("work $letter", (kind) => {
  const able = peers.filter((peer) => offers(peer, kind));

  test.each(able.map((peer) => [peer.name, peer] as const))("%s does the same work", async (_, peer) => {
    const before = timers();
    for (const count of [1, 3, 100]) {
      expect(await kind.outcome(peer, count)).toEqual(kind.expected(count));
    }
    await macrotask();
    expect(timers()).toBeLessThanOrEqual(before);
  });

  test("whoever does not offer it says why", () => {
    for (const peer of peers) {
      expect([peer.name, peer.lacks?.[kind.letter] === undefined]).toEqual([peer.name, able.includes(peer)]);
    }
  });
});
