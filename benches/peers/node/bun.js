// The chat on Bun: its own server (uWebSockets) and its own topics. With `--compress`, it compresses for clients that offer it.
const [hostname, port] = process.argv[process.argv.indexOf("--addr") + 1].split(":");
const compress = process.argv.includes("--compress");

const server = Bun.serve({
  hostname,
  port: Number(port),
  fetch(request, server) {
    // No URL object and no match: garbage from here would count as memory of the 10,000 idle connections.
    const at = request.url.indexOf("/ws/chat/");
    if (at > 0 && server.upgrade(request, { data: request.url.slice(at + 9, -1) })) return undefined;
    return new Response("not found", { status: 404 });
  },
  websocket: {
    perMessageDeflate: compress,
    open(socket) {
      socket.subscribe(socket.data);
    },
    message(socket, text) {
      const { message } = JSON.parse(text);
      server.publish(socket.data, JSON.stringify({ message }), compress);
    },
  },
});
console.log(`listening on http://${hostname}:${server.port}/`);
