import { once } from "node:events";
import { type Socket, connect } from "node:net";
import { Worker } from "node:worker_threads";

const listener = `
  const { createServer } = require("node:net");
  const { parentPort, workerData: address } = require("node:worker_threads");
  const server = createServer().listen({ host: address, port: 0, backlog: 1 }, () => {
    parentPort.postMessage(server.address().port);
    // Nothing is accepted from here on.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  });
`;

/** A TCP listener whose queue is full: the system drops what comes, so that a connection neither stands nor fails. */
export async function fullBacklog(address: string): Promise<AsyncDisposable & { readonly port: number }> {
  const worker = new Worker(listener, { eval: true, workerData: address });
  const [port] = (await once(worker, "message")) as [number];
  const fillers: Socket[] = [];
  const fill = (): Socket => {
    const socket = connect(port, address).on("error", () => undefined);
    fillers.push(socket);
    return socket;
  };
  // A backlog of one holds two, on Linux. Those behind make sure of it elsewhere.
  for (let count = 0; count < 2; count++) await once(fill(), "connect");
  for (let count = 0; count < 4; count++) fill();
  return {
    port,
    [Symbol.asyncDispose]: async () => {
      for (const socket of fillers) socket.destroy();
      await worker.terminate();
    },
  };
}
