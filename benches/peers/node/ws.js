// The chat on Node with `ws`: a set of sockets for each room. With `--compress`, it compresses for clients that offer it.
const { createServer } = require("node:http");
const { WebSocketServer } = require("ws");

const [hostname, port] = process.argv[process.argv.indexOf("--addr") + 1].split(":");
const rooms = new Map();
const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: process.argv.includes("--compress") });
const server = createServer((_, response) => response.writeHead(404).end());

server.on("upgrade", (request, socket, head) => {
  const name = request.url.match(/^\/ws\/chat\/(\w+)\/$/)?.[1];
  if (!name) return socket.destroy();
  sockets.handleUpgrade(request, socket, head, (member) => {
    if (!rooms.has(name)) rooms.set(name, new Set());
    const room = rooms.get(name);
    room.add(member);
    member.on("message", (text) => {
      const { message } = JSON.parse(text);
      // One buffer for all members: `ws` frames it for each of them.
      const line = Buffer.from(JSON.stringify({ message }));
      for (const other of room) other.send(line, { binary: false });
    });
    member.on("error", () => {});
    member.on("close", () => {
      room.delete(member);
      if (room.size === 0) rooms.delete(name);
    });
  });
});
server.listen({ host: hostname, port: Number(port), backlog: 4096 }, () =>
  console.log(`listening on http://${hostname}:${port}/`),
);
