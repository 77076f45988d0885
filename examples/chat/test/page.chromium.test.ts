import { openPage } from "@scope/test-utils/node";
import { describe, expect, it } from "vitest";

import { openStage } from "./program.ts";

describe("the page", () => {
  it("talks, shows text as text, sees the announcer come back and the server go", async () => {
    let due = 0;
    const { server, connect } = await openStage({
      announcer: { every: 100, crashes: () => ++due === 1, backoff: { initial: 10 } },
    });
    const ann = await connect();
    const { page, problems } = await openPage({ width: 900, height: 600 });
    const lines = page.getByRole("log").getByRole("listitem");

    await page.goto(server.url);
    await page.getByText("Welcome, guest-2. Here are guest-1, guest-2.").waitFor();
    await page.getByLabel("Message").fill("/nick Bob");
    await page.keyboard.press("Enter");
    await page.getByText("you are Bob").waitFor();
    const text = "<b>hello</b> & <script>document.title = 'taken'</script>";
    await page.getByLabel("Message").fill(text);
    await page.getByRole("button", { name: "Send" }).click();

    expect(await ann.received("said")).toMatchObject({ name: "Bob", text });
    ann.say("hello, Bob");
    await lines.filter({ hasText: "hello, Bob" }).waitFor();
    expect(await lines.filter({ hasText: text }).innerText()).toBe(`Bob${text}`);
    expect(await page.title()).toBe("Chat");
    await lines.filter({ hasText: "2 here, 2 said so far" }).first().waitFor();
    expect(server.health.children).toMatchObject([{ name: "announcer", restarts: 1 }]);
    const screenshot = process.env["SCREENSHOT"];
    if (screenshot !== undefined) await page.screenshot({ path: screenshot });

    await server.drain();
    await page.getByText("disconnected (1001)").waitFor();
    await page.getByText("Disconnected: the server is shutting down. Reload to come back.").waitFor();
    expect(await page.getByRole("button", { name: "Send" }).isDisabled()).toBe(true);
    expect(problems).toEqual([]);
  });
});
