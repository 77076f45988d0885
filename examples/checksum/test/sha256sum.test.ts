import { cp, mkdir, symlink, writeFile } from "node:fs/promises";
import path from "node:path";

import { temporaryDirectory } from "@scope/test-utils/node";
import { describe, expect, it } from "vitest";

import { command, output, run, sha256sum, source } from "./program.ts";

/** Names that are awkward for shells, terminals and decoders. */
const awkwardNames = [
  "two\nlines",
  "carriage\rreturn",
  "back\\slash",
  "\\n is no line feed",
  "-dash",
  "--output",
  ".hidden",
  " blank ",
  "tab\t",
  "bell\x07",
  "*",
  "~",
  "$HOME 'quoted' \"twice\"",
  "grüße-日本-🎉",
  Buffer.from([0xff, 0xfe, 0x5c, 0x80]),
  Buffer.from("caf\xe9\n", "latin1"),
];

async function awkwardTree(): Promise<string> {
  const cwd = await temporaryDirectory();
  await mkdir(path.join(cwd, "tree"));
  for (const [index, name] of awkwardNames.entries()) {
    const file = Buffer.concat([Buffer.from(path.join(cwd, "tree/")), Buffer.from(name as string)]);
    await writeFile(file, `content ${index}`);
  }
  return cwd;
}

describe("checksum", () => {
  it("prints what sha256sum prints, in the order of sort", async () => {
    const cwd = await temporaryDirectory();
    const buffer = 256 * 1024;
    await mkdir(path.join(cwd, "tree/b/deep/er"), { recursive: true });
    await mkdir(path.join(cwd, "tree/b.d"));
    await mkdir(path.join(cwd, "tree/empty"));
    for (const size of [0, 1, 4096, buffer - 1, buffer, buffer + 1, 5 * buffer + 7]) {
      await writeFile(path.join(cwd, `tree/b/${size} bytes`), Buffer.alloc(size, `${size}, `));
    }
    // A slash sorts behind "-" and ".", and before "0".
    for (const name of ["b-", "b.txt", "b.d/x", "b/deep/er/x", "b0", "a", "B"]) {
      await writeFile(path.join(cwd, "tree", name), name);
    }

    const { code, stdout, stderr } = await run(["tree"], { cwd });

    expect(stdout).toBe(sha256sum(cwd, "tree"));
    expect(stderr).toMatch(/^checksum: 14 files, 2101283 bytes \(2.1 MB\), \d+\.\d\d seconds\n$/);
    expect(code).toBe(0);
  });

  it("escapes names as sha256sum does and keeps their bytes", async () => {
    const cwd = await awkwardTree();

    const { code, stdout } = await run(["tree"], { cwd });

    expect(stdout).toBe(sha256sum(cwd, "tree"));
    expect(stdout).toContain("\\n");
    expect(code).toBe(0);
  });

  it.each([
    ["md5", "md5sum"],
    ["sha512", "sha512sum"],
    ["blake2b512", "b2sum"],
  ])("writes lines with %s that %s -c accepts", async (algorithm, checker) => {
    const cwd = await awkwardTree();

    const { stdout } = await run(["--algorithm", algorithm, "tree"], { cwd });

    expect(output(cwd, `${checker} --check --strict --quiet`, stdout)).toBe("");
  });

  it("takes several directories and files, each as it was written", async () => {
    const cwd = await temporaryDirectory();
    await mkdir(path.join(cwd, "one"));
    await mkdir(path.join(cwd, "two"));
    for (const name of ["file", "one/x", "two/y"]) await writeFile(path.join(cwd, name), name);

    const { stdout } = await run(["two/", "file", "./one", `${cwd}/two`, "file"], { cwd });

    expect(stdout).toBe(sha256sum(cwd, "two/", "file", "./one", `${cwd}/two`, "file"));
  });

  it("follows symbolic links that it is given, and no others, not even in a circle", async () => {
    const cwd = await temporaryDirectory();
    await mkdir(path.join(cwd, "tree/sub"), { recursive: true });
    await writeFile(path.join(cwd, "tree/file"), "content");
    await symlink("..", path.join(cwd, "tree/sub/up"));
    await symlink("itself", path.join(cwd, "tree/itself"));
    await symlink("nowhere", path.join(cwd, "tree/dangling"));
    await symlink("file", path.join(cwd, "tree/link"));
    await symlink("tree", path.join(cwd, "root"));

    const { code, stdout } = await run(["root", "tree/link"], { cwd });

    expect(stdout).toBe(sha256sum(cwd, "root", "tree/link"));
    expect(stdout.split("\n")).toHaveLength(3);
    expect(code).toBe(0);
  });

  it("passes over FIFOs, sockets and devices instead of waiting for them", async () => {
    const cwd = await temporaryDirectory();
    await mkdir(path.join(cwd, "tree"));
    await writeFile(path.join(cwd, "tree/file"), "content");
    output(cwd, "mkfifo tree/fifo");

    const { code, stdout } = await run(["tree"], { cwd });

    expect(stdout).toBe(sha256sum(cwd, "tree/file"));
    expect(code).toBe(0);
  });

  it("has nothing to say about an empty directory", async () => {
    const cwd = await temporaryDirectory();

    const { code, stdout, stderr } = await run(["."], { cwd });

    expect(stdout).toBe("");
    expect(stderr).toMatch(/^checksum: 0 files, 0 bytes \(0 B\), \d+\.\d\d seconds\n$/);
    expect(code).toBe(0);
  });

  it("hashes packages and node_modules of its repository by default, relative to the caller", async () => {
    const repository = await temporaryDirectory();
    const example = path.join(repository, "examples/checksum");
    await cp(source, path.join(example, "src"), { recursive: true });
    await cp(path.join(source, "../package.json"), path.join(example, "package.json"));
    await symlink(path.join(source, "../node_modules"), path.join(example, "node_modules"));
    for (const name of ["packages/a", "node_modules/b", "other/c"]) {
      await mkdir(path.dirname(path.join(repository, name)));
      await writeFile(path.join(repository, name), name);
    }
    const words = command(["--"], path.join(example, "src/main.ts"));

    const [above, inside] = await Promise.all([
      run([], { cwd: repository, words }),
      run([], { cwd: path.join(repository, "packages"), words }),
    ]);

    expect(above.stdout).toBe(sha256sum(repository, "packages", "node_modules"));
    expect(inside.stdout).toBe(sha256sum(path.join(repository, "packages"), ".", "../node_modules"));
  });
});
