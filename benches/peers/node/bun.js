// The chat on Bun: its own server (uWebSockets) and its own topics.
const [hostname, port] = process.argv[process.argv.indexOf("--addr") + 1].split(":");

const server = Bun.serve({
  hostname,
  port: Number(port),
  fetch(request, server) {
    const room = new URL(request.url).pathname.match(/^\/ws\/chat\/(\w+)\/$/)?.[1];
    if (room && server.upgrade(request, { data: { room } })) return undefined;
    return new Response("not found", { status: 404 });
  },
  websocket: {
    open(socket) {
      socket.subscribe(socket.data.room);
    },
    message(socket, text) {
      const { message } = JSON.parse(text);
      server.publish(socket.data.room, JSON.stringify({ message }));
    },
  },
});
console.log(`listening on http://${hostname}:${server.port}/`);
