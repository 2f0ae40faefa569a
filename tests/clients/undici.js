// undici, the WebSocket of Node: it inflates messages, and sends plain ones.
const { WebSocket } = require("undici");

const socket = new WebSocket(process.argv[2]);
const texts = process.argv[3].split(",").map((size) => "a row of the table, ".repeat(size / 20));
socket.onopen = () => {
  if (!socket.extensions.includes("permessage-deflate")) throw new Error(`extensions: ${socket.extensions}`);
  for (const text of texts) socket.send(text);
};
socket.onmessage = ({ data }) => {
  const text = texts.shift();
  if (data !== text) throw new Error(`${data.length} characters instead of ${text.length}`);
  if (texts.length === 0) socket.close(1000);
};
socket.onclose = ({ code, reason }) => {
  if (code !== 1000) throw new Error(`closed with ${code} ${reason}`);
  console.log("all right");
};
