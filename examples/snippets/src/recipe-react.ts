import { type CancellationToken, backgroundSpawner, sleep } from "@scope/core";
import { Window } from "happy-dom";
import { act, createElement, useEffect, useState } from "react";

async function fetchUser(id: number, token: CancellationToken): Promise<string> {
  await sleep(id === 1 ? 60_000 : 5, token).catch((error: unknown) => {
    console.log(`request for ${id}: cancelled`);
    throw error;
  });
  return `user ${id}`;
}

// #region effect
function useUser(id: number): string | undefined {
  const [name, setName] = useState<string>();
  useEffect(() => {
    const task = backgroundSpawner.spawn(
      async (token) => {
        setName(await fetchUser(id, token));
      },
      { name: `fetch user ${id}` },
    );
    return () => void task.cancel("another one is wanted"); // also when the component goes
  }, [id]);
  return name;
}
// #endregion

function User({ id }: { id: number }): string {
  return useUser(id) ?? "...";
}

const window = new Window();
Object.assign(globalThis, {
  window,
  document: window.document,
  navigator: window.navigator,
  IS_REACT_ACT_ENVIRONMENT: true,
});
const { createRoot } = await import("react-dom/client");
const place = window.document.createElement("div");
const component = createRoot(place as unknown as Element);

/** Shows the component for an id, or takes it away. */
async function show(id?: number): Promise<void> {
  await act(async () => {
    if (id === undefined) component.unmount();
    else component.render(createElement(User, { id }));
    await Promise.resolve();
  });
}

await show(1);
console.log(place.textContent);
await show(2);
await act(() => sleep(50));
console.log(place.textContent);
await show();
await window.happyDOM.close();

// Output:
// ...
// request for 1: cancelled
// user 2
