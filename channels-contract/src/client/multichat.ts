// Generated from the contract `multichat` by channels-runtime 0.1.0. Do not edit: CHANNELS_CONTRACT=write cargo test contract
export const CONTRACT = "multichat-729c28c6";

export interface InRoom { room: RoomIdInput }

/** The id of a room as it travels: a string, and read from a number too. */
export type RoomIdInput = string | number;

/** Says something in a room. */
export interface Say {
  room: RoomIdInput;
  /** The text. */
  message: string;
}

/** Who is in a room, for the command `who`, which answers. */
export interface Members { names: string[] }

export type Refused = "ROOM_INVALID" | "ROOM_ACCESS_DENIED";

/** The answer to `join`. */
export interface Joined { join: RoomId; title: string }

/** The id of a room as it travels: a string, and read from a number too. */
export type RoomId = string;

export interface Left { leave: RoomId }

export interface Refusal { error: Refused }

/** What happened in a room. */
export interface News { msg_type: number; room: RoomId; username: string; message?: string | null }

/** The answer to a frame that is none of the consumer's commands. */
export interface CommandError { error: { code: string; message: string } }

/** Several rooms over one socket. */
export type ChatConsumer = {
  commands: {
    /** Enters a room. */
    join: InRoom;
    leave: InRoom;
    send: Say;
    /** Asks who is there. */
    who: InRoom;
  };
  answers: {
    who: { ok: Members; error: Refused };
  };
  messages: {
    Joined: Joined;
    Left: Left;
    Refusal: Refusal;
    News: News;
    CommandError: CommandError;
  };
};

/** Connects to `ChatConsumer` at `/chat/stream/`. */
export function chatConsumer(options: ChannelsOptions<ChatConsumer> = {}): ChannelsClient<ChatConsumer> {
  return new ChannelsClient<ChatConsumer>("/chat/stream/", {
    tag: "command",
    answers: ["ref","ok","error"],
    tests: [
      ["Joined","join"],
      ["Left","leave"],
      ["Refusal","error","string"],
      ["News","msg_type"],
      ["CommandError","error","object"],
    ],
    positions: {},
    losses: {},
  }, options);
}

