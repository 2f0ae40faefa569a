// A page with a mistake after each comment.
import { auctionConsumer } from "./auction.js";
import { chatConsumer, type ChannelsMessage, type ChatConsumer } from "./chat.js";

const chat = chatConsumer({ room: "lobby" });
// @ts-expect-error a misspelt command
chat.send("sned", { message: "hi" });
// @ts-expect-error a command without its fields
chat.send("send");
// @ts-expect-error a missing field
chat.send("send", {});
// @ts-expect-error a field too many
chat.send("send", { message: "hi", room: "2" });
// @ts-expect-error a field of another type
chat.send("send", { message: 1 });
// @ts-expect-error the fields of another command
chat.keep("who", { message: "hi" });
// @ts-expect-error a message that is none
chat.on("Nwes", () => {});
// @ts-expect-error a field that is none
chat.on("News", ({ mesage }) => mesage);
// @ts-expect-error what may be missing
chat.on("News", ({ message }) => message.length);
// @ts-expect-error not all cases
const name = (m: ChannelsMessage<ChatConsumer>): string => { switch (m.is) { case "News": return "n"; } };
// @ts-expect-error a command that is not answered
chat.request("send", { message: "hi" });
// @ts-expect-error a reply that may be a refusal
(await chat.request("who")).ok.names;
// @ts-expect-error a field that the reply does not have
(await chat.request("who")).ok?.nmaes;
// @ts-expect-error a path without its capture
chatConsumer({});
// @ts-expect-error missed events without a handler
const auction = auctionConsumer({ lot: 1 });
// @ts-expect-error a reason that never comes
auctionConsumer({ lot: 1 }, { lost: ({ missed }) => missed === "gone" });
