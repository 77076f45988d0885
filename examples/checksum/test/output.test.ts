import { chmod, link, mkdir, readFile, readdir, stat, symlink, writeFile } from "node:fs/promises";
import path from "node:path";

import { temporaryDirectory } from "@scope/test-utils/node";
import { beforeEach, describe, expect, it } from "vitest";

import { output, run, sha256sum } from "./program.ts";

describe("--output", () => {
  let cwd: string;

  beforeEach(async () => {
    cwd = await temporaryDirectory();
    await mkdir(path.join(cwd, "tree"));
    await writeFile(path.join(cwd, "tree/file"), "content");
  });

  const inDirectory = (name: string) => path.join(cwd, name);
  const modeOf = async (name: string) => (await stat(inDirectory(name))).mode & 0o7777;

  it("makes a file as a redirection would, and prints only the closing line", async () => {
    const { code, stdout, stderr } = await run(["tree", "--output", "sums"], { cwd });

    output(cwd, "sha256sum tree/file > expected");
    expect(await readFile(inDirectory("sums"))).toEqual(await readFile(inDirectory("expected")));
    expect(await modeOf("sums")).toBe(await modeOf("expected"));
    expect((await readdir(cwd)).sort()).toEqual(["expected", "sums", "tree"]);
    expect(stdout).toBe("");
    expect(stderr).toMatch(/^checksum: 1 file, .*\n$/);
    expect(code).toBe(0);
  });

  it("replaces a file, whose mode stays", async () => {
    await writeFile(inDirectory("sums"), "previous\n".repeat(100));
    await chmod(inDirectory("sums"), 0o602);

    await run(["tree", "--output", "sums"], { cwd });

    expect(await readFile(inDirectory("sums"), "latin1")).toBe(sha256sum(cwd, "tree"));
    expect(await modeOf("sums")).toBe(0o602);
  });

  it("replaces the file that a symbolic link leads to, not the link", async () => {
    await writeFile(inDirectory("real"), "previous");
    await symlink("../real", inDirectory("tree/link"));

    await run(["tree", "--output", "tree/link"], { cwd });

    expect(output(cwd, "readlink tree/link")).toBe("../real\n");
    expect(await readFile(inDirectory("real"), "latin1")).toBe(sha256sum(cwd, "tree"));
  });

  it("inside the tree hashes neither the file that it replaces nor the temporary one", async () => {
    await mkdir(inDirectory("tree/sub"));
    await writeFile(inDirectory("tree/sums"), "previous");
    await writeFile(inDirectory("tree/sub/sums"), "another file of that name");
    await link(inDirectory("tree/sums"), inDirectory("tree/second-name"));

    const first = await run([".", "--output", "tree/sums"], { cwd });
    const second = await run(["tree", "tree/sums", "--output", "./tree/../tree/sums"], { cwd });

    expect(first.stderr).toContain("3 files");
    expect(second.stderr).toContain("3 files");
    const sums = sha256sum(cwd, "tree/file", "tree/second-name", "tree/sub/sums");
    expect(await readFile(inDirectory("tree/sums"), "latin1")).toBe(sums);
    expect(output(cwd, "sha256sum --check --strict --quiet tree/sums")).toBe("");
  });

  it("leaves the previous file when something fails", async () => {
    await writeFile(inDirectory("sums"), "previous");

    const { code } = await run(["tree", "missing", "--output", "sums"], { cwd });

    expect(await readFile(inDirectory("sums"), "latin1")).toBe("previous");
    expect((await readdir(cwd)).sort()).toEqual(["sums", "tree"]);
    expect(code).toBe(1);
  });

  it("writes what could be read with --keep-going", async () => {
    const { code } = await run(["missing", "tree", "--keep-going", "--output", "sums"], { cwd });

    expect(await readFile(inDirectory("sums"), "latin1")).toBe(sha256sum(cwd, "tree"));
    expect(code).toBe(1);
  });

  it("writes to a device without replacing it", async () => {
    const { code, stdout } = await run(["tree", "--output", "/dev/null"], { cwd });

    expect((await stat("/dev/null")).isCharacterDevice()).toBe(true);
    expect(stdout).toBe("");
    expect(code).toBe(0);
  });

  it("refuses a FIFO, and a file without permission to write", async () => {
    output(cwd, "mkfifo fifo; echo previous > readonly; chmod 400 readonly");

    const [fifo, readonly] = await Promise.all([
      run(["tree", "--output", "fifo"], { cwd }),
      run(["tree", "--output", "readonly"], { cwd, unprivileged: true }),
    ]);

    expect(fifo).toMatchObject({
      code: 2,
      stderr: "checksum: --output: fifo: not a regular file (try --help)\n",
    });
    expect(readonly).toMatchObject({
      code: 2,
      stderr: "checksum: --output: readonly: permission denied (try --help)\n",
    });
    expect(await readFile(inDirectory("readonly"), "latin1")).toBe("previous\n");
  });
});
