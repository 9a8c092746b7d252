/** The stop: sent as the finger lands, again until it gets through, and told honestly. */

import { buzz } from "./buzz.js";
import { call, callJson } from "./link.js";
import { words } from "./words.js";

const ANSWER_MS = 3000;
const RETRY_MS = 250;
const GIVE_UP_MS = 10000;
const LOOK_MS = 150;
const REST_MS = 5000; // a leap that a stop cannot end is over well before
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
    clearTimeout(this.fading);
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
        if (this.latest === mine) this.tellAnswer(mine, calls.length > 0 && calls.every((each) => each.code === 0));
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

  /** An acknowledged stop is no rest: a leap comes down first. "Stopped" is said once the dog shows it. */
  async tellAnswer(mine, went) {
    if (!went) return this.tellTrouble(() => words().stopRefused);
    this.hasFailed = false;
    this.tell(null);
    const rests = await this.awaitRest(mine);
    if (this.latest !== mine) return;
    if (!rests) return this.tellTrouble(() => words().stopUnseen);
    this.show("stopped");
    this.announce(words().stopped);
    this.fading = setTimeout(() => this.show("stop"), TOLD_MS);
  }

  /** Whether the dog is seen at rest, for as long as that may take and no other stop is pressed. */
  async awaitRest(mine) {
    const answeredAt = performance.now();
    while (this.latest === mine && performance.now() - answeredAt <= REST_MS) {
      const askedAt = performance.now();
      const state = await callJson("/v1/state", { signal: AbortSignal.timeout(ANSWER_MS) }).catch(() => null);
      if (state && isAtRest(state, askedAt - answeredAt)) return true;
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
    return false;
  }

  tellTrouble(given) {
    this.hasFailed = true;
    this.tell(given);
    this.show("stop");
  }

  /** Show one of the words "stop", "stopping", "stopped"; without one, again in the language shown. */
  show(key = this.key) {
    this.key = key;
    this.word.textContent = words()[key];
    this.button.dataset.state = key;
  }
}

/** Whether a state shows the dog at rest, from what it said of itself in the last `sinceMs` before it was asked for. */
function isAtRest({ robot, action }, sinceMs) {
  const isNews = robot.connected && 1000 * robot.age_s <= sinceMs;
  return isNews && !robot.moving && action === null;
}
