/** A program in the fragment of an address: compressed, and sent to no server. */

const NAME = "code=";

export async function toFragment(code: string): Promise<string> {
  const bytes = await transformed(new TextEncoder().encode(code), new CompressionStream("deflate-raw"));
  const text = btoa(String.fromCharCode(...bytes));
  return `#${NAME}${text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")}`;
}

/** The program of a fragment; `undefined` if there is none in it. */
export async function fromFragment(fragment: string): Promise<string | undefined> {
  const text = fragment.slice(1);
  if (!text.startsWith(NAME)) return undefined;
  try {
    const binary = atob(text.slice(NAME.length).replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
    return new TextDecoder().decode(await transformed(bytes, new DecompressionStream("deflate-raw")));
  } catch {
    return undefined; // cut short, or somebody else's
  }
}

async function transformed(
  bytes: Uint8Array<ArrayBuffer>,
  stream: CompressionStream | DecompressionStream,
): Promise<Uint8Array> {
  const result = new Blob([bytes]).stream().pipeThrough(stream);
  return new Uint8Array(await new Response(result).arrayBuffer());
}
