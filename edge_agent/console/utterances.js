/** What is said to the agent: texts, recordings and answers to its question. */

import { callJson, newRequestId } from "./link.js";

const KEPT_OPEN = 2;

/**
 * A browser keeps six connections to a host and lets the next request wait for one. An utterance holds
 * its own until its action has ended, so the page hangs up on all but the last two: the agent goes on
 * with them, their outcomes come as events, and a stop never waits.
 */
export class Utterances {
  /** `onBegin(id, source, text)`, `onOutcome(outcome)` and `onTrouble(id, error, text)` show what becomes of them. */
  constructor({ onBegin, onOutcome, onTrouble }) {
    Object.assign(this, { onBegin, onOutcome, onTrouble, open: [] });
  }

  say(text) {
    const id = newRequestId();
    this.onBegin(id, "text", text);
    return this.ask(id, "/v1/utterances", { json: { text, request_id: id } }, text);
  }

  /** Send a recording, a Blob that brings its type. */
  play(recording) {
    const id = newRequestId();
    this.onBegin(id, "audio", "");
    return this.ask(id, `/v1/audio?request_id=${id}`, { body: recording });
  }

  /** Answer the question of a request; return the error where that was in vain. */
  answer(requestId, accept) {
    return this.ask(requestId, `/v1/confirmations/${requestId}`, { json: { accept } });
  }

  /** Let go of everything that is being sent: a stop must not be followed by what was said before it. */
  cancel() {
    for (const each of this.open.splice(0)) each.abort();
  }

  /** Whether the answer to this request is still waited for. */
  isOpen(id) {
    return this.open.some((each) => each.id === id);
  }

  async ask(id, path, given, text) {
    while (this.open.length >= KEPT_OPEN) this.open.shift().abort();
    const mine = Object.assign(new AbortController(), { id });
    this.open.push(mine);
    try {
      this.onOutcome(await callJson(path, { ...given, signal: mine.signal }));
    } catch (error) {
      if (error.code === "aborted") return null;
      this.onTrouble(id, error, text);
      return error;
    } finally {
      this.open = this.open.filter((each) => each !== mine);
    }
    return null;
  }
}
