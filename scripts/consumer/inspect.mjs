// A program that is looked into from outside, as its user would: with `--import` and `npx scope-inspect`.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { URL } from "node:url";
import { createInterface } from "node:readline";

const folder = mkdtempSync(path.join(tmpdir(), "scope-sockets-"));
chmodSync(folder, 0o700);
const env = { ...process.env, SCOPE_INSPECT_DIR: folder };
const program = `
  import { TaskScope, sleep } from "@scope/core";
  const scope = new TaskScope({ name: "accounts" });
  const ada = scope.spawn(async (token) => { await sleep(1, token); await token.race(bob); }, { name: "ada" });
  const bob = scope.spawn((token) => token.race(ada), { name: "bob" });
  await sleep(50);
  console.log("deadlocked");
  process.stdin.resume().on("end", () => scope.stop());
  await scope.join();
`;
const app = spawn(
  process.execPath,
  ["--import", "@scope/inspect/register", "--input-type=module", "--eval", program],
  {
    env,
    stdio: "pipe",
  },
);
let errors = "";
app.stderr.on("data", (chunk) => (errors += chunk));
const ended = once(app, "exit");
const said = once(createInterface(app.stdout), "line");
const npx = (...args) =>
  execFileSync("npx", ["--offline", "scope-inspect", ...args], { env, encoding: "utf8" });

try {
  const first = await Promise.race([said, ended]);
  assert.equal(first[0], "deadlocked", errors);
  const pid = String(app.pid);
  assert.match(npx("ps"), new RegExp(`^ *${pid} .*\\(deadlock\\)`, "m"));
  assert.match(
    npx("pstree", pid),
    /^deadlock: task "ada" waits for task "bob", which waits for task "ada"$/m,
  );
  assert.equal(JSON.parse(npx("pstree", pid, "--json")).scopes[0].name, "accounts");

  const web = spawn(process.execPath, ["node_modules/@scope/inspect/dist/cli.js", "web", pid], { env });
  const [address] = await once(createInterface(web.stdout), "line");
  const load = (url) => globalThis.fetch(url);
  const page = await (await load(address)).text();
  assert.match(page, /<script/);
  const [, script] = /<script[^>]*src="([^"]+)"/.exec(page);
  assert.equal((await load(new URL(script, address))).status, 200);
  web.kill("SIGINT");
  await once(web, "exit");

  if (process.platform !== "win32") {
    app.kill("SIGUSR2");
    while (!errors.includes("bob")) await once(app.stderr, "data");
  }
} finally {
  app.stdin.end();
  const [code] = await ended;
  rmSync(folder, { recursive: true });
  // Nobody waits for the two that were stopped.
  assert.ok([0, 1].includes(code), `exit code ${code}: ${errors}`);
}
console.log("a deadlock was named from outside");
