/** The page's connection to the agent: calls with the pairing token, and the stream of events. */

const TOKEN_KEY = "token";
const SILENT_MS = 6000; // the agent says something every two seconds
const FIRST_RETRY_MS = 300;
const LAST_RETRY_MS = 2000;

/** Why a call has failed: the agent's code, "away" without an answer, "aborted" by the page itself. */
export class LinkError extends Error {
  constructor(code, message) {
    super(message || code);
    this.code = code;
  }
}

let token = takeTokenOfAddress() || sessionStorage.getItem(TOKEN_KEY) || localStorage.getItem(TOKEN_KEY) || "";

/** A link or QR code may carry the token behind `#token=`, which never reaches a server or a log. */
function takeTokenOfAddress() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    sessionStorage.setItem(TOKEN_KEY, given);
    history.replaceState(null, "", location.pathname);
  }
  return given;
}

/** Use this token from now on; `keep` remembers it beyond this tab. */
export function setToken(given, keep) {
  token = given.trim();
  for (const place of [localStorage, sessionStorage]) place.removeItem(TOKEN_KEY);
  (keep ? localStorage : sessionStorage).setItem(TOKEN_KEY, token);
}

/** Whether a token is at hand, right or wrong. */
export const hasToken = () => token !== "";

/** What shows the agent the token; nothing for one that no header can carry, which is then a wrong one. */
const credentials = () => (/^[\x20-\x7e]+$/.test(token) ? { Authorization: `Bearer ${token}` } : {});

/** An id for a request that the agent knows it by, on plain HTTP too. */
export function newRequestId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((each) => each.toString(16).padStart(2, "0")).join("");
}

/** Return the response to a GET, or to `method`, or to a POST of `json` or of `body` with its type; LinkError else. */
export async function call(path, { method, json, body, signal } = {}) {
  const headers = credentials();
  const options = { method, headers, signal, cache: "no-store" };
  if (json !== undefined) {
    headers["Content-Type"] = "application/json";
    Object.assign(options, { method: "POST", body: JSON.stringify(json) });
  } else if (body !== undefined) {
    Object.assign(options, { method: "POST", body }); // a Blob brings its type
  }
  let answer;
  try {
    answer = await fetch(path, options);
  } catch (error) {
    throw cutOff(error);
  }
  if (answer.ok) return answer;
  const told = await answer.json().catch(() => ({}));
  throw new LinkError(told.code || "away", told.message);
}

/** Return the JSON that a `call` answers, of which the connection may lose the end; LinkError else. */
export async function callJson(path, options) {
  const answer = await call(path, options);
  return answer.json().catch((error) => Promise.reject(cutOff(error)));
}

const cutOff = (error) => new LinkError(error.name === "AbortError" ? "aborted" : "away");

/** Follow the agent's events for as long as the page lives. */
export class EventLink {
  constructor({ onEvent, onLink }) {
    this.onEvent = onEvent;
    this.onLink = onLink; // "connecting" | "live" | "lost" | "unpaired"
    this.retryMs = FIRST_RETRY_MS;
    for (const name of ["online", "pageshow"]) window.addEventListener(name, () => this.wake());
    document.addEventListener("visibilitychange", () => this.wake());
  }

  /** Try again now instead of after the pause. */
  wake() {
    this.retryMs = FIRST_RETRY_MS;
    this.goOn?.();
  }

  async run() {
    for (;;) {
      const state = await this.follow();
      this.onLink(state);
      await new Promise((resolve) => {
        this.goOn = resolve;
        if (state !== "unpaired") setTimeout(resolve, this.retryMs); // a wrong token stays wrong
      });
      this.retryMs = Math.min(2 * this.retryMs, LAST_RETRY_MS);
    }
  }

  /** Read one stream to its end; return why it ended. */
  async follow() {
    const ending = new AbortController();
    let silence = setTimeout(() => ending.abort(), SILENT_MS);
    try {
      const answer = await call("/v1/events", { signal: ending.signal });
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let rest = ""; ; ) {
        const { value, done } = await reader.read();
        if (done) return "lost";
        clearTimeout(silence);
        silence = setTimeout(() => ending.abort(), SILENT_MS);
        this.retryMs = FIRST_RETRY_MS;
        this.onLink("live");
        const events = (rest + value).split("\n\n");
        rest = events.pop();
        for (const event of events) this.take(event);
      }
    } catch (error) {
      return error.code === "unauthorized" ? "unpaired" : "lost";
    } finally {
      clearTimeout(silence);
      ending.abort();
    }
  }

  take(event) {
    const [, name, data] = event.match(/^event: (\w+)\ndata: (.*)$/s) || [];
    if (name) this.onEvent(name, JSON.parse(data));
  }
}
