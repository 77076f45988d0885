import { setTimeout as delay } from "node:timers/promises";

import { moveOnAfter } from "@scope/core";
import prettyBytes from "pretty-bytes";

import { type Aftermath, aftermath } from "../aftermath.ts";
import { ask } from "../comparison.ts";
import { Loopback, download, sends } from "../loopback.ts";
import type { Scene, Stage } from "../stage.ts";

const limit = 700;
const later = 300;
const files = ["small", "large", "endless"] as const;

export const core: Scene = {
  name: "core",
  title: "a time limit that takes its sockets along",
  async play(stage) {
    stage.say(
      `Three downloads from a server on this machine, one of which never ends, and ${limit} ms for them:`,
      `moveOnAfter(${limit}, (scope) => { for (const url of urls) scope.spawn((token) => download(url, token)); })`,
    );
    const ours = await withScope(stage);
    const plain = await withPromises(stage);
    stage.compare({
      ways: ["moveOnAfter", "Promise.race"],
      rows: ask(
        [ours, plain],
        [
          ["moved on after", ({ took }) => `${took} ms`],
          [`connections open ${later} ms later`, ({ open }) => open],
          ["sent to them meanwhile", ({ sent }) => prettyBytes(sent)],
        ],
      ),
    });
  },
};

type Measured = Aftermath & { readonly took: number };

async function withScope(stage: Stage): Promise<Measured> {
  await using server = await open();
  const began = performance.now();
  await stage.perform(() =>
    moveOnAfter(
      limit,
      (scope) => {
        for (const name of files) {
          scope.spawn((token) => download(server.url(name), token.signal), { name });
        }
      },
      { name: "moveOnAfter", token: stage.token },
    ),
  );
  const took = Math.round(performance.now() - began);
  return { took, ...(await aftermath(server, later, stage.token)) };
}

async function withPromises(stage: Stage): Promise<Measured> {
  stage.announce(`Promise.race([Promise.all(downloads), timer(${limit})])`);
  await using server = await open();
  const began = performance.now();
  await stage.token.race(
    Promise.race([Promise.all(files.map((name) => download(server.url(name)))), delay(limit)]),
  );
  const took = Math.round(performance.now() - began);
  return { took, ...(await aftermath(server, later, stage.token)) };
}

function open(): Promise<Loopback> {
  return Loopback.open({ small: sends(5), large: sends(12), endless: sends(Infinity) });
}
