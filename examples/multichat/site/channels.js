// Generated from the contract `multichat` by channels-runtime 0.1.0. Do not edit: CHANNELS_CONTRACT=write cargo test contract
export const CONTRACT = "multichat-9f4e51c1";

export function chatConsumer(options = {}) {
  return new ChannelsClient("/chat/stream/", {
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

// From here on, the file is the same for every contract.
/**
 * Whether a client connects again: not after a close on purpose (1000, and the codes of applications from 3000 on), nor after a
 * mistake that would only happen again (1002, 1003, 1007 to 1010).
 */
export function comesBack({ code }) {
    return !(code === 1000 || code === 1002 || code === 1003 || (code > 1006 && code < 1011) || code >= 3000);
}
// A timer with a longer delay runs at once.
const LONGEST = 2 ** 31 - 1;
const kindOf = (value) => value === null ? "null" : Array.isArray(value) ? "array" : typeof value;
export class ChannelsClient {
    state = "connecting";
    #path;
    #spec;
    #options;
    #socket;
    #timer;
    #losses = 0;
    #again = false;
    #last = 0;
    #handlers = new Map();
    #kept = new Set();
    #unsaid = new Set();
    #waiting = new Map();
    // The newest position of each group. The first eight characters of a position name its group.
    #positions = new Map();
    #now = () => {
        // Not while `retry` has not decided: then there is no timer.
        if (this.#is("waiting") && this.#timer !== undefined && !globalThis.document?.hidden)
            void this.#connect();
    };
    constructor(path, spec, options) {
        this.#path = path;
        this.#spec = spec;
        this.#options = options;
        const { WebSocket = globalThis.WebSocket, host = globalThis.location } = options;
        if (!WebSocket || !host)
            throw new Error(`without a page, pass the option ${host ? "WebSocket" : "host"}`);
        for (const at of options.since?.split(",") ?? [])
            this.#remember(at);
        globalThis.addEventListener?.("online", this.#now);
        globalThis.document?.addEventListener("visibilitychange", this.#now);
        // Not at once, so that handlers can be added first.
        this.#timer = setTimeout(() => void this.#connect());
    }
    /** The positions in the histories of the groups, for the `since` of another client. */
    get since() { return [...this.#positions.values()].join(); }
    /** Sends a command. Returns false if there is no connection; then nothing is sent later. */
    send(name, ...fields) {
        return this.#say(name, fields[0]);
    }
    /** Sends a command now, and again after each opening, until the returned function is called. */
    keep(name, ...fields) {
        const kept = [name, fields[0]];
        this.#kept.add(kept);
        this.#say(...kept);
        return () => void this.#kept.delete(kept);
    }
    /**
     * Sends a command and waits for its answer. Waits for a connection first. Rejects if the connection is lost after that, if the
     * client is closed, or if the whole takes too long.
     */
    request(name, ...fields) {
        const reference = ++this.#last;
        return new Promise((resolve, reject) => {
            if (this.#is("closed"))
                return reject(new Error(`${name}: closed`));
            const say = () => void this.#say(name, { ...fields[0], [this.#spec.answers[0]]: reference });
            const timer = setTimeout(() => {
                // The reference of a command that was sent stays known, so that a late answer is not taken for a message.
                if (this.#unsaid.delete(say))
                    this.#waiting.delete(reference);
                reject(new Error(`${name}: no answer`));
            }, Math.min(this.#options.patience ?? 30_000, LONGEST));
            if (this.#is("open"))
                say();
            else
                this.#unsaid.add(say);
            this.#waiting.set(reference, [
                (answer) => { clearTimeout(timer); resolve(answer); },
                (error) => { clearTimeout(timer); reject(error); },
            ]);
        });
    }
    /** Calls the handler for each message of this name, until the returned function is called. */
    on(name, handler) {
        return this.#listen(name, handler);
    }
    /** Calls the handler for every message. */
    any(handler) { return this.#listen(undefined, handler); }
    /** Closes the connection for good. */
    close(code = 1000, reason = "") {
        this.#finish();
        this.#socket?.close(code, reason);
    }
    #finish(closed) {
        if (this.#is("closed"))
            return;
        clearTimeout(this.#timer);
        globalThis.removeEventListener?.("online", this.#now);
        globalThis.document?.removeEventListener("visibilitychange", this.#now);
        this.#show("closed", closed);
        this.#forget("closed");
    }
    #say(name, fields) {
        if (this.state !== "open")
            return false;
        this.#socket.send(JSON.stringify({ ...fields, [this.#spec.tag]: name }));
        return true;
    }
    #listen(name, handler) {
        const handlers = this.#handlers.get(name) ?? new Set();
        this.#handlers.set(name, handlers.add(handler));
        return () => void handlers.delete(handler);
    }
    #is(state) { return this.state === state; }
    #show(state, closed) {
        this.state = state;
        this.#options.state?.(state, closed);
    }
    #remember(at) {
        if (typeof at === "string" && at)
            this.#positions.set(at.slice(0, 8), at);
    }
    // What waits for a connection still waits after a failed attempt.
    #forget(why, said = true) {
        if (!said)
            return;
        for (const [, reject] of this.#waiting.values())
            reject(new Error(why));
        this.#waiting.clear();
        this.#unsaid.clear();
    }
    async #connect() {
        clearTimeout(this.#timer);
        this.#timer = undefined;
        this.#show("connecting");
        const { host, query, token, announce, WebSocket = globalThis.WebSocket } = this.#options;
        let opened = 0;
        try {
            const bearer = await token?.();
            if (!this.#is("connecting"))
                return;
            const asked = new URLSearchParams(query?.());
            if (this.since)
                asked.set("since", this.since);
            if (announce)
                asked.set("contract", CONTRACT);
            const origin = host ?? location.origin.replace(/^http/, "ws");
            const address = origin + this.#path + (String(asked) && `?${asked}`);
            const socket = this.#socket = new WebSocket(address, bearer === undefined ? [] : ["bearer", bearer]);
            socket.onopen = () => {
                if (!this.#is("connecting"))
                    return;
                opened = Date.now();
                // What `opened` keeps is sent at once.
                const kept = [...this.#kept];
                this.#show("open");
                this.#options.opened?.(this, this.#again);
                this.#again = true;
                for (const command of kept)
                    if (this.#kept.has(command))
                        this.#say(...command);
                for (const say of this.#unsaid)
                    say();
                this.#unsaid.clear();
            };
            socket.onmessage = ({ data }) => this.#heard(data);
            let over = false;
            const end = (code, reason) => {
                if (over)
                    return;
                over = true;
                void this.#ended(code, reason, opened);
            };
            // A close follows, except in Node 20. The package ws throws an error that nobody takes.
            socket.onerror = () => void setTimeout(() => end(1006, ""), 1_000);
            socket.onclose = ({ code, reason }) => end(code, reason);
        }
        catch (error) {
            void this.#ended(1006, String(error), 0);
        }
    }
    #heard(data) {
        if (this.#is("closed"))
            return;
        let body;
        // Text that is not JSON, or bytes.
        try {
            body = JSON.parse(data);
        }
        catch {
            return this.#options.unknown?.(data);
        }
        const isObject = kindOf(body) === "object";
        const has = (key) => isObject && Object.hasOwn(body, key);
        const [reference, ok, error] = this.#spec.answers;
        const waiting = has(reference) && (has(ok) || has(error)) ? this.#waiting.get(body[reference]) : undefined;
        if (waiting) {
            this.#waiting.delete(body[reference]);
            waiting[0]((has(error) ? { error: body[error] } : { ok: body[ok] }));
            return;
        }
        const is = this.#spec.tests.find(([, key, kind, value]) => (key == null || has(key)) &&
            (kind === undefined || kind === kindOf(key == null ? body : body[key])) &&
            (value === undefined || value === body[key]))?.[0];
        if (is === undefined)
            return this.#options.unknown?.(body);
        for (const key of this.#spec.positions[is] ?? [])
            this.#remember(body[key]);
        if (this.#spec.losses[is]?.some((key) => body[key] != null))
            this.#options.lost?.(body);
        for (const handler of this.#handlers.get(is) ?? [])
            handler(body);
        for (const handler of this.#handlers.get(undefined) ?? [])
            handler({ is, body });
    }
    async #ended(code, reason, opened) {
        if (this.#is("closed"))
            return;
        this.#losses = opened && Date.now() - opened > 5_000 ? 1 : this.#losses + 1;
        const closed = { code, reason, opened: opened > 0, losses: this.#losses };
        this.#forget("the connection is lost", closed.opened);
        let comes = false;
        try {
            const again = (this.#options.retry ?? comesBack)(closed);
            if (again)
                this.#show("waiting", closed);
            comes = await again;
        }
        finally {
            // Also if `retry` fails. Otherwise the page would wait forever.
            if (!comes)
                this.#finish(closed);
        }
        if (!this.#is("waiting"))
            return;
        // A server that restarts gives each client another time to wait. A client that read too slowly (1013) waits longer.
        const told = /^reconnect in (\d+) ms$/.exec(reason);
        if (told)
            this.#losses = 0;
        const ceiling = Math.min(15_000, 250 * 2 ** (closed.losses + (code === 1013 ? 3 : 0)));
        const delay = told ? Math.min(Number(told[1]), LONGEST) : ceiling * (0.5 + Math.random() / 2);
        this.#timer = setTimeout(() => void this.#connect(), delay);
    }
}
