// A page without a mistake.
import { auctionConsumer } from "./auction.js";
import { chatConsumer } from "./chat.js";

declare function show(text: string): void;

const chat = chatConsumer({ room: "lobby" }, {
  state: (state, closed) => show(closed ? `offline (${closed.code})` : state),
});
chat.on("News", ({ msg_type, message, at: [x, y] }) => show(`${msg_type} ${message?.length ?? 0} ${x + y}`));
chat.any((message) => {
  switch (message.is) {
    case "News": return show(String(message.body.msg_type));
    case "CommandError": return show(message.body.error.message);
    default: message satisfies never;
  }
});
const leave = chat.keep("send", { message: "I am here" });
if (!chat.send("send", { message: "hi" })) show("offline: nothing was sent");
leave();
const { ok, error } = await chat.request("who");
if (ok) show(ok.names.join());
else if (typeof error === "string") show(error satisfies "Closed");
else if ("Full" in error) show(`${error.Full.seats} seats`);
else show(error.message);

const auction = auctionConsumer({ lot: 7 }, {
  lost: ({ missed, at }) => show(missed === "forgotten" ? "load all" : `load all since ${at}`),
});
auction.on("Offer", ({ offer }) => show(`${offer}`));
const answer = await auction.request("bid", { price: 700 });
if (answer.ok) show(`leading with ${answer.ok.price}`);
else if ("reason" in answer.error && answer.error.reason === "too_low") show(`at least ${answer.error.least}`);
sessionStorage.setItem("since", auction.since);
auction.close();
