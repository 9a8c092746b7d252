/** What got no answer: shown, asked again or forgotten. An answer that comes late is spoken and moves nothing. */

import { call, callJson } from "./link.js";
import { shownLanguage, words } from "./words.js";

export class OutboxView {
  /** `onAsk(entry)` is told what is asked again, `onTrouble(error, entry)` what went wrong, with that if it was that. */
  constructor(byId, { onAsk, onTrouble }) {
    Object.assign(this, { byId, onAsk, onTrouble, entries: [], asked: null });
    byId("forget-all").addEventListener("click", () => this.change("/v1/outbox", { method: "DELETE" }));
  }

  /** Read it anew. */
  async refresh() {
    try {
      this.entries = (await callJson("/v1/outbox")).unanswered;
    } catch {
      // the link says it
    }
    this.translate();
  }

  /** Whether the answer to this request is waited for once more. */
  isAsking(id) {
    return this.asked?.request_id === id;
  }

  /** Show it in the page's language. */
  translate() {
    this.byId("outbox").hidden = this.entries.length === 0;
    this.byId("outbox-title").textContent = words().unanswered(this.entries.length);
    this.byId("outbox-list").replaceChildren(...this.entries.toReversed().map((entry) => this.row(entry)));
  }

  row(entry) {
    const row = document.createElement("li");
    const text = document.createElement("span");
    text.className = "heard";
    text.textContent = entry.text;
    text.lang = entry.lang === "zh" ? "zh-CN" : "en";
    const time = document.createElement("time");
    time.dateTime = entry.time;
    time.textContent = new Date(entry.time).toLocaleTimeString(shownLanguage(), { timeStyle: "short" });
    const path = `/v1/outbox/${encodeURIComponent(entry.request_id)}`;
    const again = this.button(words().askAgain, entry, () => this.change(path, { json: {} }, entry));
    again.disabled = this.asked !== null;
    row.append(text, time, again, this.button(words().forget, entry, () => this.change(path, { method: "DELETE" })));
    return row;
  }

  button(name, entry, action) {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = name;
    made.setAttribute("aria-label", `${name}: ${entry.text}`);
    made.addEventListener("click", action);
    return made;
  }

  async change(path, options, asked = null) {
    if (asked) {
      this.asked = asked;
      this.onAsk(asked);
      this.translate();
    }
    try {
      await call(path, options);
    } catch (error) {
      if (asked || error.code !== "not_found") this.onTrouble(error, asked); // what is gone is as good as forgotten
    }
    if (asked) this.asked = null;
    await this.refresh();
  }
}
