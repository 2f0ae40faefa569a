import { chatConsumer } from "./channels.js";

const MESSAGE = 0, WARNING = 1, ALERT = 2, MUTED = 3, ENTER = 4, LEAVE = 5;
const KEPT_LINES = 500;
// The server closes the socket of a user who is not logged in with this code.
const LOGIN_REQUIRED = 3000;

const status = document.getElementById("status");
const notice = document.getElementById("notice");
const chats = document.getElementById("chats");
const links = new Map([...document.querySelectorAll("li")].map((link) => [link.dataset.roomId, link]));

// The rooms that the user has opened, with the functions that give them up. After a reconnect the client joins them again.
const rooms = new Map();

const chat = chatConsumer({
  state(state, closed) {
    // The site's page redirects to the login. If the user has another session by now, it shows the rooms again.
    if (closed?.code === LOGIN_REQUIRED) return location.assign("/");
    if (state === "open") showError("");
    status.textContent = { open: "online", closed: "offline" }[state] ?? "offline, trying again";
    status.classList.toggle("off", state !== "open");
    for (const button of chats.querySelectorAll("button")) button.disabled = state !== "open";
  },
});
chat.on("Joined", ({ join, title }) => {
  links.get(join)?.classList.add("joined");
  if (!box(join)) open(join, title);
});
chat.on("Left", ({ leave }) => close(leave));
chat.on("Refusal", ({ error }) => {
  // The server answers in order, so it refuses the first room that has not been opened.
  const refused = [...rooms.keys()].find((id) => !box(id));
  if (refused) giveUp(refused);
  showError({
    ROOM_ACCESS_DENIED: "You may not enter that room.",
    ROOM_INVALID: "This room does not exist.",
  }[error]);
});
chat.on("CommandError", () => showError("The server did not understand that."));
chat.on("News", ({ msg_type, room, username, message }) => {
  switch (msg_type) {
    case MESSAGE: line(room, "message", username, message); break;
    case WARNING: line(room, "warning", "", message); break;
    case ALERT: line(room, "alert", "", message); break;
    case MUTED: line(room, "muted", "", message); break;
    case ENTER: line(room, "muted", "", `${username} joined`); break;
    case LEAVE: line(room, "muted", "", `${username} left`); break;
  }
});

function showError(text) {
  notice.textContent = text;
  notice.hidden = !text;
}

function box(id) {
  return document.getElementById(`room-${id}`);
}

function giveUp(id) {
  rooms.get(id)?.();
  rooms.delete(id);
}

function close(id) {
  links.get(id)?.classList.remove("joined");
  box(id)?.remove();
}

function open(id, title) {
  document.getElementById("empty")?.remove();
  const room = document.createElement("section");
  room.className = "room";
  room.id = `room-${id}`;
  const heading = document.createElement("h2");
  heading.textContent = title;
  const messages = document.createElement("div");
  messages.className = "messages";
  messages.setAttribute("role", "log");
  const form = document.createElement("form");
  const input = document.createElement("input");
  input.placeholder = "Message";
  input.setAttribute("aria-label", `Message to ${title}`);
  input.autocomplete = "off";
  input.enterKeyHint = "send";
  const button = document.createElement("button");
  button.textContent = "Send";
  form.append(input, button);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (input.value && chat.send("send", { room: id, message: input.value })) input.value = "";
    input.focus();
  });
  room.append(heading, messages, form);
  chats.append(room);
  input.focus();
}

function line(id, kind, name, text) {
  const messages = box(id)?.querySelector(".messages");
  if (!messages) return;
  const atEnd = messages.scrollHeight - messages.scrollTop - messages.clientHeight < 60;
  const entry = document.createElement("p");
  entry.className = kind;
  if (name) {
    const who = document.createElement("b");
    who.textContent = name;
    entry.append(who);
  }
  entry.append(text);
  messages.append(entry);
  while (messages.childElementCount > KEPT_LINES) messages.firstElementChild.remove();
  if (atEnd) messages.scrollTop = messages.scrollHeight;
}

for (const [id, link] of links) {
  link.addEventListener("click", () => {
    showError("");
    if (!rooms.has(id)) {
      rooms.set(id, chat.keep("join", { room: id }));
      if (chat.state !== "open") showError("You are offline; the room opens when you are online again.");
      return;
    }
    giveUp(id);
    if (!chat.send("leave", { room: id })) close(id);
  });
}
