// Node's `ws`: it compresses messages from 1 KiB, and checks the server's extension.
const WebSocket = require("ws");

const socket = new WebSocket(process.argv[2], { perMessageDeflate: true });
const texts = process.argv[3].split(",").map((size) => "a row of the table, ".repeat(size / 20));
socket.on("open", () => {
  if (!socket.extensions.includes("permessage-deflate")) throw new Error(`extensions: ${socket.extensions}`);
  for (const text of texts) socket.send(text);
});
socket.on("message", (data) => {
  const text = texts.shift();
  if (data.toString() !== text) throw new Error(`${data.length} bytes instead of ${text.length}`);
  if (texts.length === 0) socket.close(1000);
});
socket.on("close", (code) => {
  if (code !== 1000) throw new Error(`closed with ${code}`);
  console.log("all right");
});
