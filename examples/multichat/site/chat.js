"use strict";
const MESSAGE = 0, WARNING = 1, ALERT = 2, MUTED = 3, ENTER = 4, LEAVE = 5;
const KEPT_LINES = 500;
// The server closes the socket of a user who is not logged in with this code.
const LOGIN_REQUIRED = 3000;
const FIRST_WAIT = 500, LONGEST_WAIT = 15000;

const status = document.getElementById("status");
const notice = document.getElementById("notice");
const chats = document.getElementById("chats");
const links = new Map([...document.querySelectorAll(".room-link")].map((link) => [link.dataset.roomId, link]));

// The rooms that the user has opened, even while the socket is disconnected. After a reconnect the page joins them again.
const wanted = new Set();
let socket = null;
let wait = FIRST_WAIT;

function send(command) {
  if (socket?.readyState !== WebSocket.OPEN) return false;
  socket.send(JSON.stringify(command));
  return true;
}

function show(text, off) {
  status.textContent = text;
  status.classList.toggle("off", off);
  for (const button of document.querySelectorAll(".room button")) button.disabled = off;
}

function showError(text) {
  notice.textContent = text;
  notice.hidden = !text;
}

function box(id) {
  return document.getElementById(`room-${id}`);
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
    if (input.value && send({ command: "send", room: id, message: input.value })) input.value = "";
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

function received(data) {
  if (data.error) {
    showError({
      ROOM_ACCESS_DENIED: "You may not enter that room.",
      ROOM_INVALID: "This room does not exist.",
      USER_HAS_TO_LOGIN: "Please log in again.",
    }[data.error] ?? "The server did not understand that.");
  } else if (data.join) {
    wanted.add(data.join);
    links.get(data.join)?.classList.add("joined");
    if (!box(data.join)) open(data.join, data.title);
  } else if (data.leave) {
    links.get(data.leave)?.classList.remove("joined");
    box(data.leave)?.remove();
  } else {
    switch (data.msg_type) {
      case MESSAGE: line(data.room, "message", data.username, data.message); break;
      case WARNING: line(data.room, "warning", "", data.message); break;
      case ALERT: line(data.room, "alert", "", data.message); break;
      case MUTED: line(data.room, "muted", "", data.message); break;
      case ENTER: line(data.room, "muted", "", `${data.username} joined`); break;
      case LEAVE: line(data.room, "muted", "", `${data.username} left`); break;
    }
  }
}

function connect() {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  socket = new WebSocket(`${scheme}://${location.host}/chat/stream/`);
  socket.onopen = () => {
    wait = FIRST_WAIT;
    show("online", false);
    for (const id of wanted) send({ command: "join", room: id });
  };
  socket.onmessage = (event) => received(JSON.parse(event.data));
  socket.onclose = ({ code, reason }) => {
    if (code === LOGIN_REQUIRED) {
      // The site's page redirects to the login. If the user has another session by now, it shows the rooms again.
      location.assign("/");
      return;
    }
    show("offline, trying again", true);
    // A restarting server sends each client a different time to wait.
    const told = /^reconnect in (\d+) ms$/.exec(reason);
    setTimeout(connect, told ? Number(told[1]) : wait * (0.5 + Math.random() / 2));
    wait = Math.min(wait * 2, LONGEST_WAIT);
  };
}

for (const [id, link] of links) {
  link.addEventListener("click", () => {
    showError("");
    if (!box(id)) {
      if (!send({ command: "join", room: id })) showError("You are offline; try again in a moment.");
      return;
    }
    // Not joined again after a reconnect, even if the server does not receive this command.
    wanted.delete(id);
    if (!send({ command: "leave", room: id })) received({ leave: id });
  });
}
connect();
