// Turns the model of a package, which API Extractor makes from its types, into pages for readers and for tools.

/** Where the repository can be read. */
const files = (manifest) => `${manifest.homepage.split("/tree/")[0]}/blob/main`;

/** The first paragraph of a doc comment, as one line of Markdown; "" if there is none but what API Extractor makes up. */
function summaryOf({ docComment = "" }) {
  if (docComment.includes("Constructs a new instance of the")) return "";
  const text = docComment.replace(/^\/\*\*|\*\/\s*$/g, "").replace(/^\s*\* ?/gm, "");
  return text
    .trim()
    .split(/\n\s*\n|^\s*@|\n\s*[-@]/m, 1)[0]
    .replace(/\{@link (?:[^|}]*\|)?\s*([^}]*?)\s*\}/g, "`$1`")
    .replace(/\\([{}@>])/g, "$1")
    .replace(/\s+/g, " ")
    .replace(/ ?@default (.*)$/, (_, value) => ` Default: ${value}.`)
    .replace(/:$/, ".")
    .split(/(`[^`]*`)/)
    .map((part) => (part.startsWith("`") ? part : part.replace(/<(?=\w)/g, "\\<")))
    .join("")
    .trim();
}

const firstSentence = (text) => /^.*?\.(?= |$)/.exec(text)?.[0] ?? text;

/** `class X extends CancelledError_base`: what the compiler calls an expression that is extended. */
function signatureOf(item, bases) {
  return item.excerptTokens
    .map(({ text }) => text)
    .join("")
    .replace(/\/\* @__PURE__ \*\/ (\w+_base)/, (_, base) => bases.get(base))
    .replace(/^(export )?(declare )?(abstract (?=class))?/, "")
    .replace(/\s+/g, " ")
    .replace(/;? ?$/, "")
    .trim();
}

function exportsOf(model) {
  const [{ members }] = model.members;
  const bases = new Map(
    members
      .filter(({ name }) => name.endsWith("_base"))
      .map((item) => [item.name, /: (\w+)Constructor$/.exec(signatureOf(item, new Map()))?.[1] ?? "object"]),
  );
  const all = members
    .filter(({ name }) => !bases.has(name))
    .map((item) => ({
      name: item.name.replace(/_\d+$/, ""),
      kind: item.kind,
      exported: !item.canonicalReference.includes("!~"),
      signatures: [signatureOf(item, bases)],
      summary: summaryOf(item),
      members: (item.members ?? [])
        .filter(({ name }) => name !== "[Symbol.hasInstance]")
        .map((member) => ({ signature: signatureOf(member, bases), summary: summaryOf(member) })),
    }));
  // The overloads of a function are one thing, told by its first comment.
  return all.filter((item) => {
    const first = all.find(({ name, kind }) => name === item.name && kind === item.kind);
    if (first === item) return true;
    first.signatures.push(...item.signatures);
    first.summary ||= item.summary;
    return false;
  });
}

const kinds = [
  ["Classes", ["Class"]],
  ["Functions", ["Function"]],
  ["Values", ["Variable"]],
  ["Types", ["Interface", "TypeAlias"]],
];

function section({ name, signatures, summary, members }) {
  const list = members.map((member) => `- \`${member.signature}\`${member.summary && `: ${member.summary}`}`);
  const forms = signatures.map((signature) => `\`${signature}\``);
  return [`### ${name}`, ...forms, summary, list.join("\n")].filter((part) => part !== "");
}

/** Everything that a package exports, on one page. */
export function page(manifest, entries) {
  const found = entries.map(({ specifier, model }) => ({ specifier, all: exportsOf(model) }));
  const shown = new Set();
  const isNew = ({ kind, name }) => !shown.has(`${kind} ${name}`) && shown.add(`${kind} ${name}`);
  const blocks = found.flatMap(({ specifier, all }) => {
    const of = specifier === manifest.name ? "" : ` of \`${specifier}\``;
    return kinds.flatMap(([title, wanted]) => {
      const listed = all.filter(({ kind, exported }) => exported && wanted.includes(kind)).filter(isNew);
      return listed.length === 0 ? [] : [`## ${title}${of}`, ...listed.flatMap(section)];
    });
  });
  const every = found.flatMap(({ all }) => all);
  const known = new Set(every.filter(({ exported }) => exported).map(({ name }) => name));
  const inner = every.filter(({ name }) => !known.has(name));
  const intro =
    "Everything that this package exports: signatures, and the first paragraph of each doc comment. The [README](README.md) says " +
    `how long things live, what happens when they fail and when they are cancelled; ${entries.length > 1 ? "`dist/*.d.ts` have" : "`dist/index.d.ts` has"} the whole comments, with ` +
    "examples. All durations are milliseconds. Generated from the types; `npx --yes pnpm@12 run api:update` writes it.";
  return [
    `# ${manifest.name}: the API on one page`,
    `${manifest.description}.`,
    intro,
    ...blocks,
    ...(inner.length === 0 ? [] : ["## Named in these signatures, not exported", ...inner.flatMap(section)]),
  ]
    .join("\n\n")
    .concat("\n");
}

const link = (text, address, note) => `- [${text}](${address})${note ? `: ${note}` : ""}`;

/** The words that `#fragment` links of GitHub and others are made of. */
const anchor = (name) => name.toLowerCase();

/** The door of a package for tools, as llmstxt.org has it. */
export function summaryForTools(manifest, entries) {
  const values = entries.flatMap(({ specifier, model }) =>
    exportsOf(model)
      .filter(({ exported, kind }) => exported && !["Namespace", "Interface", "TypeAlias"].includes(kind))
      .map((found) => ({ ...found, of: specifier === manifest.name ? "" : `from \`${specifier}\`: ` })),
  );
  const needs = Object.keys(manifest.dependencies ?? {});
  const repository = files(manifest);
  return `# ${manifest.name}

> ${manifest.description}.

\`npm install ${[manifest.name, ...needs].join(" ")}\`. ES modules; \`require()\` works from Node 20.19 on. Runs on Node, Bun, Deno and in browsers. ${needs.length === 0 ? "Depends on nothing." : `Depends on ${needs.join(", ")} alone.`} All durations are milliseconds. Functions come first, options last.

## Documents

${[
  link(
    "README.md",
    "README.md",
    "lifetimes, failures, cancellation, options, pitfalls, with programs and their output",
  ),
  link("API.md", "API.md", "every export with its signature, on one page"),
  link("dist/index.d.ts", "dist/index.d.ts", "the types with the whole doc comments and examples"),
].join("\n")}

## Exports

${values.map(({ name, of, summary }) => link(name, `API.md#${anchor(name)}`, `${of}${firstSentence(summary)}`)).join("\n")}

## Optional

${[
  link("src/index.ts", "src/index.ts", "the sources"),
  link("CHANGELOG.md", "CHANGELOG.md", "what changed, version by version"),
  link("Guide to the core", `${repository}/docs/guide/core.md`, "every piece with a program that runs"),
  link("Design", `${repository}/docs/design.md`, "the laws L1 to L11, the states, the reasons"),
  link("All packages", `${repository}/docs/llms.txt`),
].join("\n")}
`;
}

/** The door of them all. */
export function summaryOfAll(packages) {
  const repository = files(packages[0].manifest);
  const address = (file) => `${repository}/${file}`;
  return `# Scope

> Structured concurrency for TypeScript: tasks that never outlive their owner.

Tasks are started in an owner, and when the call that opened the owner has settled, each of them has ended. Cancellation is a token that is handed down from owner to task; it works with everything that takes an \`AbortSignal\`. No failure is lost, none is told twice. ES modules without third-party dependencies for Node, Bun, Deno and browsers. All durations are milliseconds.

## Packages

${packages
  .flatMap(({ name, manifest }) => [
    link(manifest.name, address(`packages/${name}/README.md`), `${manifest.description}.`),
    link(
      `${manifest.name}, the API`,
      address(`packages/${name}/API.md`),
      "every export with its signature, on one page",
    ),
  ])
  .join("\n")}

## Documents

${[
  link(
    "Guide",
    address("docs/guide/core.md"),
    "every piece of the core with a program that runs, and the pitfalls",
  ),
  link("Design", address("docs/design.md"), "the laws L1 to L11, the states, the reasons"),
  link("From asyncio", address("docs/from-asyncio.md"), "name by name from asyncio, trio, Kotlin and others"),
].join("\n")}

## Optional

${[
  link("Performance", address("docs/performance.md"), "speed, memory and size beside every peer"),
  link("Decisions", address("docs/decisions/README.md"), "why it is made this way, one page each"),
  link("Supported versions", address("docs/supported-versions.md")),
  link("Contributing", address("CONTRIBUTING.md")),
].join("\n")}
`;
}
