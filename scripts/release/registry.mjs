// An npm registry for one run, as a worker: keeps what is published, and a list of all requests, in `workerData.folder`, on a
// loopback port that it posts. Knows what `npm publish`, `npm info` and `npm install` ask for; refuses a version that it has.
import { Buffer } from "node:buffer";
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import path from "node:path";
import { parentPort, workerData } from "node:worker_threads";

/** Documents of packages by name, as they were published. */
const packages = new Map();
const tarballs = path.join(workerData.folder, "tarballs");
mkdirSync(tarballs, { recursive: true });

function publish({ _attachments: attachments, ...document }) {
  const known = packages.get(document.name) ?? { ...document, versions: {}, "dist-tags": {} };
  const [version] = Object.keys(document.versions);
  if (version in known.versions) return { status: 403, body: { error: `${version} has been published` } };
  for (const [file, { data }] of Object.entries(attachments)) {
    writeFileSync(path.join(tarballs, path.basename(file)), Buffer.from(data, "base64"));
  }
  Object.assign(known.versions, document.versions);
  Object.assign(known["dist-tags"], document["dist-tags"]);
  packages.set(document.name, known);
  writeFileSync(path.join(workerData.folder, "packages.json"), JSON.stringify([...packages.values()]));
  return { status: 201, body: { ok: true } };
}

async function answer(request) {
  appendFileSync(path.join(workerData.folder, "requests"), `${request.method} ${request.url}\n`);
  const name = decodeURIComponent(request.url.split("?", 1)[0].slice(1));
  if (request.method === "PUT") {
    if (request.headers.authorization !== `Bearer ${workerData.token}`) return { status: 401, body: {} };
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    return publish(JSON.parse(Buffer.concat(chunks).toString("utf8")));
  }
  const [, file] = name.split("/-/");
  if (file !== undefined)
    return { status: 200, body: readFileSync(path.join(tarballs, path.basename(file))) };
  const document = packages.get(name);
  return document === undefined ? { status: 404, body: {} } : { status: 200, body: document };
}

const server = createServer((request, response) => {
  const send = ({ status, body }) => {
    response.statusCode = status;
    response.end(Buffer.isBuffer(body) ? body : JSON.stringify(body));
  };
  answer(request).then(send, (error) => {
    send({ status: 500, body: { error: String(error) } });
  });
});
server.listen(0, "127.0.0.1", () => {
  parentPort.postMessage(server.address().port);
});
