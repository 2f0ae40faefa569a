// Generated from the contract `multichat` by channels-runtime 0.1.0. Do not edit: CHANNELS_CONTRACT=write cargo test contract
export declare const CONTRACT = "multichat-9f4e51c1";

/** `{"command": "join", "room": "1"}` and `{"command": "leave", "room": "1"}`. */
export interface InRoom { room: RoomIdInput }

/**
 * The id of a room in messages: a string. A number is also accepted, because a Python peer forwards the client's value
 * unchanged.
 */
export type RoomIdInput = string | number;

/** `{"command": "send", "room": "1", "message": "hi"}` */
export interface Say { room: RoomIdInput; message: string }

/** The response to `join`. */
export interface Joined { join: RoomId; title: string }

/**
 * The id of a room in messages: a string. A number is also accepted, because a Python peer forwards the client's value
 * unchanged.
 */
export type RoomId = string;

/** The response to `leave`. */
export interface Left { leave: RoomId }

/** The response to a rejected command. */
export interface Refusal { error: Refused }

export type Refused = "ROOM_INVALID" | "ROOM_ACCESS_DENIED";

/** A message, a join or a leave in a room. */
export interface News { msg_type: number; room: RoomId; username: string; message?: string | null }

/** The answer to a frame that is none of the consumer's commands. */
export interface CommandError { error: { code: string; message: string } }

export type ChatConsumer = {
  commands: {
    join: InRoom;
    leave: InRoom;
    send: Say;
  };
  answers: {
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
export declare function chatConsumer(options?: ChannelsOptions<ChatConsumer>): ChannelsClient<ChatConsumer>;

/** The commands, the answers and the messages of a consumer. */
export type ChannelsProtocol = {
    commands: object;
    answers: Record<string, {
        ok: unknown;
        error: unknown;
    }>;
    messages: object;
};
/** A message with its name, for a `switch` over `is`. */
export type ChannelsMessage<P extends ChannelsProtocol> = {
    [N in keyof P["messages"]]: {
        is: N;
        body: P["messages"][N];
    };
}[keyof P["messages"]];
/** An answer: either `ok`, or `error` if the command was refused. The server's own refusals have a `code` and a `message`. */
export type ChannelsAnswer<A extends {
    ok: unknown;
    error: unknown;
}> = {
    ok: A["ok"];
    error?: undefined;
} | {
    ok?: undefined;
    error: A["error"] | {
        code: string;
        message: string;
    };
};
/** How a connection ended. `opened` is false if the handshake failed; browsers do not say why. */
export type ChannelsClosed = {
    code: number;
    reason: string;
    opened: boolean;
    losses: number;
};
export type ChannelsState = "connecting" | "open" | "waiting" | "closed";
export type ChannelsOptions<P extends ChannelsProtocol> = {
    /** `wss://example.org`. Default: the host of the page. */
    host?: string;
    /** The query of the address, such as `?after=7`. It is asked for before each attempt. */
    query?: () => string;
    /** The user's token, which travels as the subprotocol `bearer`. It is asked for before each attempt. */
    token?: () => string | undefined | Promise<string | undefined>;
    /** The positions of an earlier connection: its `client.since`. */
    since?: string;
    /** Whether the address tells the server the contract of this client. Default: false. */
    announce?: boolean;
    /** How long `request` waits for a connection and its answer, in ms. Default: 30,000. */
    patience?: number;
    /** Runs after each opening, before the kept commands are sent. */
    opened?: (client: ChannelsClient<P>, again: boolean) => void;
    /** Whether to connect again. Default: `comesBack`. */
    retry?: (closed: ChannelsClosed) => boolean | Promise<boolean>;
    /** Runs at each change. `closed` says how the connection ended, if it was not by `close()`. */
    state?: (state: ChannelsState, closed?: ChannelsClosed) => void;
    /** A message that this client does not know. */
    unknown?: (data: unknown) => void;
    /** For tests, and for Node before version 22: the class of the package `ws`. */
    WebSocket?: new (url: string, protocols?: string[]) => any;
};
type ChannelsName<T> = keyof T & string;
type ChannelsFields<T> = Record<never, never> extends T ? [fields?: T] : [fields: T];
type ChannelsSpec = {
    readonly tag: string;
    /** The fields of a reference, of a reply and of a refusal. */
    readonly answers: readonly [string, string, string];
    /** The message, and the key, the kind and the value by which it is known. */
    readonly tests: readonly (readonly [name: string, key?: string | null, kind?: string, value?: unknown])[];
    /** The fields of a message that are positions. */
    readonly positions: Readonly<Record<string, readonly string[]>>;
    /** The fields of a message which say that events were missed. */
    readonly losses: Readonly<Record<string, readonly string[]>>;
};
/**
 * Whether a client connects again: not after a close on purpose (1000, and the codes of applications from 3000 on), nor after a
 * mistake that would only happen again (1002, 1003, 1007 to 1010).
 */
export declare function comesBack({ code }: ChannelsClosed): boolean;
export declare class ChannelsClient<P extends ChannelsProtocol> {
    #private;
    state: ChannelsState;
    constructor(path: string, spec: ChannelsSpec, options: ChannelsOptions<P> & {
        lost?: (body: never) => void;
    });
    /** The positions in the histories of the groups, for the `since` of another client. */
    get since(): string;
    /** Sends a command. Returns false if there is no connection; then nothing is sent later. */
    send<N extends ChannelsName<P["commands"]>>(name: N, ...fields: ChannelsFields<P["commands"][N]>): boolean;
    /** Sends a command now, and again after each opening, until the returned function is called. */
    keep<N extends ChannelsName<P["commands"]>>(name: N, ...fields: ChannelsFields<P["commands"][N]>): () => void;
    /**
     * Sends a command and waits for its answer. Waits for a connection first. Rejects if the connection is lost after that, if the
     * client is closed, or if the whole takes too long.
     */
    request<N extends ChannelsName<P["commands"]> & keyof P["answers"]>(name: N, ...fields: ChannelsFields<P["commands"][N]>): Promise<ChannelsAnswer<P["answers"][N]>>;
    /** Calls the handler for each message of this name, until the returned function is called. */
    on<N extends ChannelsName<P["messages"]>>(name: N, handler: (body: P["messages"][N]) => void): () => void;
    /** Calls the handler for every message. */
    any(handler: (message: ChannelsMessage<P>) => void): () => void;
    /** Closes the connection for good. */
    close(code?: number, reason?: string): void;
}
export {};
