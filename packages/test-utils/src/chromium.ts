import { existsSync } from "node:fs";

const candidates = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** How to launch the Chromium of `CHROMIUM_PATH`, or else the one of the system. Throws if there is none. */
export function chromiumOptions(): { executablePath: string; args: string[] } {
  const executablePath = process.env["CHROMIUM_PATH"] ?? candidates.find((file) => existsSync(file));
  if (executablePath === undefined) {
    throw new Error("no Chromium found: install one, or name it in CHROMIUM_PATH");
  }
  return {
    executablePath,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  };
}
