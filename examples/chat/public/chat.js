/* global URL, WebSocket, document, location */
const [status, log, form, text, button] = ["#status", "#log", "#form", "#text", "button"].map((selector) =>
  document.querySelector(selector),
);

const socket = new WebSocket(new URL("chat", location.href.replace(/^http/, "ws")));
let ownName = "";

/** Texts are of other people: they become text nodes, never markup. */
function show(kind, ...parts) {
  const line = document.createElement("li");
  line.className = kind;
  line.append(...parts);
  log.append(line);
  line.scrollIntoView();
}

function bold(content) {
  const element = document.createElement("b");
  element.textContent = content;
  return element;
}

const present = {
  welcome: ({ name, names }) => {
    ownName = name;
    status.textContent = `you are ${name}`;
    show("welcome", `Welcome, ${name}. Here are ${names.join(", ")}.`);
  },
  joined: ({ name }) => show("joined", `${name} has come`),
  left: ({ name }) => show("left", `${name} has gone`),
  renamed: ({ name, to }) => {
    show("renamed", `${name} is now ${to}`);
    if (name !== ownName) return;
    ownName = to;
    status.textContent = `you are ${to}`;
  },
  said: ({ name, text }) => show("said", bold(name), text),
  announced: ({ text }) => show("announced", text),
  told: ({ text }) => show("told", text),
};

socket.addEventListener("open", () => {
  button.disabled = false;
});

socket.addEventListener("message", ({ data }) => {
  const event = JSON.parse(data);
  present[event.type]?.(event);
});

socket.addEventListener("close", ({ code, reason }) => {
  button.disabled = true;
  status.textContent = `disconnected (${code})`;
  show("disconnected", `Disconnected: ${reason || "the connection was lost"}. Reload to come back.`);
});

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (text.value === "" || button.disabled) return;
  socket.send(JSON.stringify({ say: text.value }));
  text.value = "";
});
