import { request } from "node:http";
import path from "node:path";

import { type Program, command, eventually } from "@scope/test-utils/node";
import { describe, expect, it, onTestFinished } from "vitest";

import { type Stage, buildOnce, openStage, registered } from "./processes.ts";

buildOnce();

/** An example on the sources of the packages, inspectable. */
function start(stage: Stage, example: string, args: readonly string[]): Program {
  const main = path.join(import.meta.dirname, `../../../examples/${example}/src/main.ts`);
  const [node = "", ...words] = command(main, args);
  return stage.spawn([node, ...registered(), ...words], { env: { DATABASE_URL: "" } });
}

const pidOf = (program: Program): string => String(program.process.pid);

/** A WebSocket that says nothing; it goes with the test. */
function openWebSocket(url: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = {
      Connection: "Upgrade",
      Upgrade: "websocket",
      "Sec-WebSocket-Version": "13",
      "Sec-WebSocket-Key": Buffer.alloc(16).toString("base64"),
    };
    const handshake = request(url, { headers }).on("error", reject).end();
    handshake.on("upgrade", (_, socket) => {
      socket.on("error", () => undefined).resume();
      onTestFinished(() => void socket.destroy());
      resolve();
    });
  });
}

describe("scope-inspect pstree", () => {
  it("of the chat server shows every connection", async () => {
    const stage = await openStage();
    const server = start(stage, "chat", ["--port", "0"]);
    const [, url] = await server.printed(/^chat: (http:.*)$/m);
    for (let count = 0; count < 5; count++) await openWebSocket(`${url}/chat`);

    const { code, stdout } = await eventually(async () => {
      const found = await stage.run("pstree", pidOf(server));
      expect(found.stdout).toContain('"connection 5"');
      return found;
    });

    expect(code).toBe(0);
    expect(stdout).toMatch(/^Supervisor "chat" closing [^\n]*, 6 tasks$/m);
    for (let guest = 1; guest <= 5; guest++) {
      expect(stdout).toMatch(new RegExp(`^[├└]─ "connection ${guest}" running `, "m"));
    }
    expect(stdout).toMatch(/^[├└]─ "announcer" running /m);
    server.kill("SIGTERM");
    expect(await server.ended()).toBe(0);
  });

  it("of the monitor shows its services, and what they watch", async () => {
    const stage = await openStage();
    const monitor = start(stage, "monitor", ["--port", "0"]);
    await monitor.printed(/^page: http/m);

    const stdout = await eventually(async () => {
      const { stdout } = await stage.run("pstree", pidOf(monitor));
      for (const name of ["history", "probes", "web", "monitor"]) {
        expect(stdout).toMatch(new RegExp(`^\\w+Service "${name}" open |^ServiceGroup "${name}" open `, "m"));
      }
      for (const name of ["healthy", "flaky", "slow"]) {
        expect(stdout).toMatch(new RegExp(`"ProbeService:probes:${name}" running [^\\n]*; sleeps `));
      }
      return stdout;
    });
    expect(stdout).not.toContain("deadlock");
    monitor.kill("SIGTERM");
    expect(await monitor.ended()).toBe(0);
  });
});
