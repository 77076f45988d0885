import { type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { once } from "node:events";
import { type CancellationToken, TaskScope, moveOnAfter, sleep } from "@scope/core";
import { runMain } from "@scope/guarded";

const work: Record<string, number> = { "/quick": 30, "/stuck": 60_000 };

// #region server
async function serve(server: Server, token: CancellationToken, graceMs = 100): Promise<void> {
  await TaskScope.run(
    async (requests) => {
      server.on("request", (request, response) => {
        requests.spawn(
          async (own) => {
            try {
              await sleep(work[request.url ?? ""] ?? 0, own); // the handler: it hands its token on
              response.end("done\n");
            } catch (error) {
              response.writeHead(own.cancelRequested ? 503 : 500).end();
              throw error;
            }
          },
          { name: request.url ?? "" },
        );
      });
      server.listen(0, "127.0.0.1");

      await sleep(Infinity, token).catch(() => console.log("no new connections"));
      server.close();
      await moveOnAfter(graceMs, (grace) => grace.token.race(requests.join())); // those under way may finish,
      requests.cancel("too slow"); // the others are cut short, and waited for
    },
    { name: "requests" },
  );
  console.log("every request has been answered");
}
// #endregion

const server = createServer();

async function client(): Promise<string[]> {
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const ask = async (path: string): Promise<string> => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`);
    return `${path}: ${response.status} ${await response.text()}`.trim();
  };
  const answers = [ask("/quick"), ask("/stuck")];
  for (let arrived = 0; arrived < 2; arrived++) await once(server, "request");
  process.kill(process.pid, "SIGTERM"); // a deployment
  return Promise.all(answers);
}
const asked = client();

// #region main
await runMain((token) => serve(server, token), {
  graceMs: 5_000, // whatever happens, the process has gone by then
  exit: (code) => console.log("exit", code),
});
// #endregion
for (const answer of await asked) console.log(answer);

// Output:
// no new connections
// every request has been answered
// exit 143
// /quick: 200 done
// /stuck: 503
