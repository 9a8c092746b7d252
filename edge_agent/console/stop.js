/** The stop: sent as the finger lands, again until it gets through, and told honestly. */

import { buzz } from "./buzz.js";
import { call } from "./link.js";
import { words } from "./words.js";

const ANSWER_MS = 3000;
const RETRY_MS = 250;
const GIVE_UP_MS = 10000;
const TOLD_MS = 2000;

export class Stop {
  /** `first` runs before each stop is sent; `tell` shows the words that a function returns, null takes them away. */
  constructor(button, word, { first, tell, announce }) {
    Object.assign(this, { button, word, first, tell, announce, key: "stop", latest: null, hasFailed: false });
    // A finger's landing stops the dog; the click that follows it is the same wish.
    button.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      this.landed = true;
      this.press();
    });
    for (const name of ["pointerup", "pointercancel"]) {
      window.addEventListener(name, () => setTimeout(() => (this.landed = false)));
    }
    button.addEventListener("click", () => {
      if (!this.landed) this.press(); // a key, or a screen reader
    });
    document.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || event.isComposing) return;
      event.preventDefault();
      if (!event.repeat) this.press();
    });
  }

  /** Send a stop; it is sent again while no answer comes. */
  press() {
    const mine = (this.latest = {});
    this.hasFailed = false;
    this.first();
    this.show("stopping");
    buzz(40);
    this.send(mine);
    return mine;
  }

  async send(mine) {
    const givesUpAt = performance.now() + GIVE_UP_MS;
    while (this.latest === mine) {
      try {
        const answer = await call("/v1/stop", { json: { level: "stop" }, signal: AbortSignal.timeout(ANSWER_MS) });
        const { calls } = await answer.json();
        if (this.latest === mine) this.tellAnswer(calls.length > 0 && calls.every((each) => each.code === 0));
        return;
      } catch (error) {
        if (this.latest !== mine) return;
        this.hasFailed = true;
        this.tell(() => words().stopFailed);
        buzz([120, 60, 120]);
        if (error.code === "unauthorized" || performance.now() > givesUpAt) return this.show("stop");
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  tellAnswer(went) {
    this.hasFailed = !went;
    if (!went) {
      this.tell(() => words().stopRefused);
      return this.show("stop");
    }
    this.tell(null);
    this.show("stopped");
    this.announce(words().stopped);
    clearTimeout(this.fading);
    this.fading = setTimeout(() => this.show("stop"), TOLD_MS);
  }

  /** Show one of the words "stop", "stopping", "stopped"; without one, again in the language shown. */
  show(key = this.key) {
    this.key = key;
    this.word.textContent = words()[key];
    this.button.dataset.state = key;
  }
}
