// A process that answers requests on a port of its own, and crashes at the one after the first so many:
// `node worker.mjs [ANSWERS]`. It tells its parent where it listens, and ends with it.
import { createServer } from "node:http";

let answers = Number(process.argv[2] ?? Infinity);

const server = createServer((request, response) => {
  if (answers-- === 0) process.exit(1);
  response.setHeader("Connection", "close");
  response.end("done\n");
});
server.listen(0, "127.0.0.1", () => process.send({ port: server.address().port }));

// A terminal sends them to everybody; what follows is up to the parent.
for (const signal of ["SIGHUP", "SIGINT"]) process.on(signal, () => undefined);
process.once("disconnect", () => process.exit());
