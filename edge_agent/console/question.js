/** The question before a dangerous skill: beside the stop, never over it, with "no" first. */

import { buzz } from "./buzz.js";
import { skillName } from "./skills.js";
import { words } from "./words.js";

const GUARDED_MS = 700; // a finger that was on its way to something else does not say yes
const TICK_MS = 200;

export class Question {
  /** `answer(requestId, accept)` returns the error where it was in vain; `announce` reads the question out. */
  constructor(byId, { answer, announce, mayFocus }) {
    Object.assign(this, { byId, answer, announce, mayFocus, open: null, latest: null, settled: null, counted: null });
    byId("yes").addEventListener("click", () => performance.now() >= this.guardedUntil && this.settle(true));
    byId("no").addEventListener("click", () => this.settle(false));
  }

  /** Show the state's open question, or none, nor one that was answered here. */
  show(confirmation) {
    this.latest = confirmation;
    this.display(confirmation?.request_id === this.settled ? null : confirmation);
  }

  display(confirmation) {
    const isNew = confirmation && confirmation.request_id !== this.open?.request_id;
    if (isNew) this.guardedUntil = performance.now() + GUARDED_MS; // one that comes back, too
    if (confirmation) this.count(confirmation);
    this.open = confirmation;
    const hadFocus = this.byId("question").contains(document.activeElement);
    this.byId("question").hidden = !confirmation;
    clearInterval(this.ticking);
    if (!confirmation) return hadFocus && this.focusedBefore?.focus();
    this.ticking = setInterval(() => this.tick(), TICK_MS);
    this.translate();
    if (!isNew) return;
    this.announce(`${this.byId("asked").textContent} ${words().askSpace}`);
    buzz([60, 60, 60]);
    if (!this.mayFocus()) return;
    this.focusedBefore = document.activeElement;
    this.byId("no").focus();
  }

  /** Count down what the agent says is left; a state that came late or is shown again gives no more time. */
  count({ request_id: id, left_s: seconds }) {
    const expiresAt = performance.now() + 1000 * seconds;
    this.expiresAt = id === this.counted ? Math.min(this.expiresAt, expiresAt) : expiresAt;
    this.counted = id;
  }

  /** Put the question in the language shown. */
  translate() {
    if (!this.open) return;
    const skill = skillName(this.open.skill);
    this.byId("asked").textContent = words().askTitle(skill);
    this.byId("yes").textContent = words().yes(skill);
    this.tick();
  }

  tick() {
    const leftMs = Math.max(0, this.expiresAt - performance.now());
    const left = this.byId("asked-left");
    left.firstElementChild.style.width = `${(100 * leftMs) / (1000 * this.open.window_s)}%`;
    left.title = words().answerIn(Math.ceil(leftMs / 1000));
    this.byId("yes").dataset.guarded = performance.now() < this.guardedUntil;
  }

  async settle(accept) {
    if (!this.open) return;
    const id = this.open.request_id;
    this.settled = id;
    this.display(null);
    const error = await this.answer(id, accept);
    if (!error || error.code === "not_found" || this.settled !== id) return;
    this.settled = null; // the agent may not have got the answer and still ask
    this.show(this.latest);
  }
}
