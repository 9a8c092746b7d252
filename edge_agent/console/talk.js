/** The button to talk with: held, or tapped to begin and tapped again to send. */

import { buzz } from "./buzz.js";
import { obstacle, Recorder, troubleOf } from "./recorder.js";
import { words } from "./words.js";

const TAP_MS = 350; // shorter is a tap, which goes on listening
const LONGEST_MS = 14000; // the agent takes 15 s
const NOTE_MS = 3000;
const SLIDE_PX = 60; // a finger that far off the button means: forget it

export class Talk {
  /**
   * `send` gets each recording as a Blob. The phases: idle → starting → listening → idle; `held`
   * tells a finger or key that is down from a recording that a tap has begun.
   */
  constructor(button, { send, tell, announce, isDeaf }) {
    Object.assign(this, { button, send, tell, announce, isDeaf, phase: "idle", held: false, leaving: false });
    this.recorder = new Recorder({ onLevel: (level) => button.style.setProperty("--level", level.toFixed(3)) });
    this.listenToPointer();
    this.listenToKeys();
    button.addEventListener("click", (event) => {
      if (event.detail === 0 && !this.pointed) this.toggle(); // a screen reader, or Enter
    });
    button.addEventListener("contextmenu", (event) => event.preventDefault()); // a long press
    document.addEventListener("visibilitychange", () => document.hidden && this.discard());
    this.show();
  }

  listenToPointer() {
    const { button } = this;
    button.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || !event.isPrimary) return;
      event.preventDefault(); // keeps the keyboard of a phone where it is
      this.pointed = true;
      button.setPointerCapture(event.pointerId);
      this.press();
    });
    button.addEventListener("pointermove", (event) => {
      if (this.held && this.pointed) this.lean(this.isFar(event));
    });
    button.addEventListener("pointerup", (event) => {
      if (this.pointed) this.release(this.isFar(event));
      this.pointed = false;
    });
    button.addEventListener("pointercancel", () => {
      if (this.pointed && this.held) this.discard();
      this.pointed = false;
    });
  }

  listenToKeys() {
    document.addEventListener("keydown", (event) => {
      if (event.key !== " " || !this.isOurs(event.target)) return;
      event.preventDefault(); // no scrolling, no click at the end
      if (event.repeat) return;
      this.keyed = true;
      this.press();
    });
    document.addEventListener("keyup", (event) => {
      if (event.key !== " " || !this.keyed) return;
      event.preventDefault();
      this.keyed = false;
      this.release(false); // wherever the focus has gone
    });
    window.addEventListener("blur", () => this.held && this.discard());
  }

  /** Whether a space meant for `target` may talk: not in a field, nor on another button. */
  isOurs(target) {
    return target === this.button || !target.closest("input, button, summary, a, [role=alertdialog]");
  }

  isFar({ clientX, clientY }) {
    const box = this.button.getBoundingClientRect();
    return clientX < box.left - SLIDE_PX || clientX > box.right + SLIDE_PX || clientY < box.top - SLIDE_PX || clientY > box.bottom + SLIDE_PX;
  }

  press() {
    if (this.phase !== "idle") return this.finish(); // the second tap of a recording begun by a tap
    this.pressedAt = performance.now();
    this.held = true;
    this.begin();
  }

  release(isFar) {
    if (!this.held) return;
    this.held = false;
    if (isFar) return this.discard(words().discarded);
    if (performance.now() - this.pressedAt < TAP_MS) return this.show();
    this.finish();
  }

  toggle() {
    if (this.phase === "idle") this.begin();
    else this.finish();
  }

  lean(isFar) {
    if (this.leaving === isFar) return;
    this.leaving = isFar;
    this.show();
  }

  async begin() {
    const trouble = obstacle() || (this.isDeaf() ? "deaf" : null);
    if (trouble) {
      this.held = false;
      return this.tell(() => words()[trouble]);
    }
    this.tell(null);
    const mine = (this.current = {});
    this.enter("starting");
    let taking;
    try {
      taking = await this.recorder.begin();
    } catch (error) {
      if (this.current === mine) this.discard();
      return this.tell(() => words()[troubleOf(error)]);
    }
    if (this.current !== mine) {
      this.recorder.discard(taking); // let go of meanwhile, to allow the microphone, say
      if (this.phase === "idle") this.note(words().releaseReady);
      return;
    }
    this.taking = taking;
    this.enter("listening");
    buzz(30);
    this.announce(words().talkOn);
    this.limit = setTimeout(() => this.reachLimit(), LONGEST_MS);
  }

  /** Still held: it is meant, so it is sent. Begun by a tap: most likely forgotten, so it is not. */
  reachLimit() {
    if (this.held) this.finish();
    else this.discard(words().tooLong(LONGEST_MS / 1000));
  }

  async finish() {
    if (this.phase !== "listening") return this.discard();
    const { taking } = this;
    this.leave();
    const mine = (this.ending = {});
    const recording = await this.recorder.end(taking);
    if (this.ending === mine) this.send(recording); // no stop came meanwhile
  }

  /** End the recording, if there is one, and forget it. */
  discard(why = null) {
    const { phase, taking } = this;
    this.ending = null;
    if (phase === "idle") return;
    this.leave();
    if (phase === "listening") this.recorder.discard(taking);
    if (why) this.note(why);
  }

  /** Say something in the hint's place for a while. */
  note(text) {
    this.announce(text);
    clearTimeout(this.noting);
    this.noting = setTimeout(() => {
      this.noted = null;
      this.show();
    }, NOTE_MS);
    this.noted = text;
    this.show();
  }

  leave() {
    clearTimeout(this.limit);
    this.current = null;
    this.held = this.leaving = false;
    this.enter("idle");
  }

  enter(phase) {
    this.phase = phase;
    this.show();
  }

  show() {
    const key = this.phase === "idle" ? "talk" : this.leaving ? "talkCancel" : this.phase === "starting" ? "talkStarting" : this.held ? "talkOn" : "talkSend";
    this.button.querySelector("#talk-word").textContent = words()[key];
    this.button.querySelector("#talk-hint").textContent = this.phase === "idle" ? this.noted || words().talkHint : key === "talkOn" ? words().talkRelease : "";
    this.button.dataset.phase = this.leaving ? "leaving" : this.phase;
  }
}
