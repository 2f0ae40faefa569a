// A page without a browser: it does what its standard input says, and writes what its client sees, both as lines of JSON.
// `node page.mjs <client> <host>`
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import WebSocket from "ws";

// A browser says when it is online again.
const browser = new EventTarget();
globalThis.addEventListener = (...listener) => browser.addEventListener(...listener);
globalThis.removeEventListener = (...listener) => browser.removeEventListener(...listener);

const { auctionConsumer, CONTRACT } = await import(pathToFileURL(process.argv[2]).href);
const host = process.argv[3];
const tell = (event) => console.log(JSON.stringify(event));
process.on("unhandledRejection", ({ message }) => tell({ unhandled: message }));
let client, decide, asked = 0;
const kept = new Map();

const orders = {
  open({ since, announce, patience, asks, decides, keeps }) {
    client = auctionConsumer({ lot: 1 }, {
      host,
      WebSocket,
      ...(since === undefined ? {} : { since }),
      ...(announce === undefined ? {} : { announce }),
      ...(patience === undefined ? {} : { patience }),
      ...(asks ? { query: () => `?asked=${++asked}`, token: async () => `token-${asked}` } : {}),
      // The test decides whether the client connects again, and when.
      ...(decides ? { retry: (closed) => new Promise((resolve, reject) => {
        decide = (again) => again === "fails" ? reject(new Error(again)) : resolve(again);
        tell({ retry: closed });
      }) } : {}),
      opened(client, again) {
        if (keeps && !again) client.keep(keeps, {});
        tell({ opened: again });
      },
      state: (state, closed) => tell({ state, ...(closed ? { code: closed.code, opened: closed.opened } : {}) }),
      unknown: (data) => tell({ unknown: data }),
      lost: (body) => tell({ lost: body.missed }),
    });
    client.any(({ is, body }) => tell({ is, body }));
  },
  online: () => browser.dispatchEvent(new Event("online")),
  decide: ({ again }) => decide(again),
  send: ({ name, fields }) => tell({ sent: client.send(name, fields) }),
  keep: ({ name, fields }) => kept.set(name, client.keep(name, fields)),
  unkeep: ({ name }) => kept.get(name)(),
  request: ({ name, fields }) => client.request(name, fields).then(
    (answer) => tell({ answer }),
    ({ message }) => tell({ rejected: message }),
  ),
  since: () => tell({ since: client.since }),
  contract: () => tell({ contract: CONTRACT }),
  pause: ({ ms }) => setTimeout(() => tell({ paused: ms }), ms),
  close: () => client.close(),
};
for await (const line of createInterface({ input: process.stdin })) {
  const { order, ...arguments_ } = JSON.parse(line);
  orders[order](arguments_);
}
tell({ end: true });
