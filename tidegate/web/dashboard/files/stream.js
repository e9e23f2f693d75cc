// The page's one stream of events. It connects again by itself, and rests while the page is hidden.

import { address } from "./api.js";

const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 30_000;
/** The gateway writes at least a comment every 15 s; after this much silence the connection is dead. */
const SILENCE_MS = 40_000;

export class OverviewStream {
  /**
   * `told` has onOverview(figures), onGone() and onState(state, reason): "connecting", "live", "cut", "refused" (with the
   * gateway's reason) or "resting".
   */
  constructor(told) {
    this._told = told;
    this._range = null;
    this._connection = null;
    this._timer = null;
    this._failures = 0;
    document.addEventListener("visibilitychange", () => this._restOrResume());
  }

  /** Reads the figures of this range from now on. */
  open(range) {
    if (range === this._range && (this._connection || this._timer)) return;
    this._range = range;
    this._failures = 0;
    this._connect();
  }

  close() {
    this._range = null;
    this._stop();
  }

  _restOrResume() {
    if (this._range === null) return;
    if (document.hidden) {
      this._stop();
      this._told.onState("resting");
    } else if (!this._connection) {
      this._failures = 0;
      this._connect();
    }
  }

  _stop() {
    clearTimeout(this._timer);
    this._timer = null;
    this._connection?.abort();
    this._connection = null;
  }

  _connect() {
    this._stop();
    if (document.hidden) return this._told.onState("resting");
    const connection = new AbortController();
    this._connection = connection;
    this._told.onState("connecting");
    this._read(connection).catch(() => null).then((refusal) => {
      if (this._connection === connection) this._connectLater(refusal);
    });
  }

  _connectLater(refusal) {
    this._stop();
    this._told.onState(refusal ? "refused" : "cut", refusal);
    const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this._failures);
    this._failures += 1;
    // not all pages at the same time, after the gateway was away
    this._timer = setTimeout(() => this._connect(), wait * (0.75 + Math.random() / 2));
  }

  /** Reads to the end of the stream; gives the reason if the gateway refuses it. */
  async _read(connection) {
    let silence = setTimeout(() => connection.abort(), SILENCE_MS);
    try {
      const url = `${address("dashboard/events")}?range=${encodeURIComponent(this._range)}`;
      const headers = { accept: "text/event-stream" };
      const response = await fetch(url, { headers, cache: "no-store", redirect: "error", signal: connection.signal });
      if (response.status === 401) return this._end();
      if (!response.ok) return (await response.json()).error.message;
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      const events = new EventParser();
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        clearTimeout(silence);
        silence = setTimeout(() => connection.abort(), SILENCE_MS);
        for (const event of events.feed(part.value)) {
          if (this._connection !== connection) return;
          this._take(event);
        }
      }
    } finally {
      clearTimeout(silence);
    }
  }

  _take({ name, data }) {
    if (name === "gone") return this._end();
    if (name !== "overview") return;
    const overview = JSON.parse(data);
    this._failures = 0;
    this._told.onState("live");
    this._told.onOverview(overview);
  }

  _end() {
    this.close();
    this._told.onGone();
  }
}

/** Cuts a stream's text into events. */
export class EventParser {
  constructor() {
    this._rest = "";
  }

  feed(text) {
    const blocks = (this._rest + text).replaceAll("\r\n", "\n").split("\n\n");
    this._rest = blocks.pop();
    return blocks.map(eventOf).filter((event) => event.data !== "");
  }
}

function eventOf(block) {
  const fields = { event: [], data: [] };
  for (const line of block.split("\n")) {
    const [, name, value] = /^(event|data): ?(.*)$/.exec(line) ?? [];
    if (name) fields[name].push(value);
  }
  return { name: fields.event.at(-1) ?? "message", data: fields.data.join("\n") };
}
