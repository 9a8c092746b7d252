/** The page: its parts put together, and the agent's events handed to them. */

import { buzz } from "./buzz.js";
import { Cards } from "./cards.js";
import { DogView } from "./dog.js";
import { EventLink, hasToken, setToken } from "./link.js";
import { OutboxView } from "./outbox.js";
import { Question } from "./question.js";
import { chip, listSkills, loadSkills } from "./skills.js";
import { Stop } from "./stop.js";
import { Talk } from "./talk.js";
import { Utterances } from "./utterances.js";
import { errorText, fillWords, switchLanguage, words } from "./words.js";

const byId = (id) => document.getElementById(id);
const SHORT_PX = 560; // a phone whose keyboard is up, or on its side
const ANNOUNCED = 6;
let state = null;
let linkState = "connecting";
let trouble = null; // gives what stands in the alert, in the language shown; beside it only a lost connection

/** Have a screen reader say something; what it has not come to yet is said as well. */
function announce(text) {
  const line = document.createElement("p");
  line.textContent = text;
  byId("announcement").append(line);
  while (byId("announcement").children.length > ANNOUNCED) byId("announcement").firstChild.remove();
}

/** Have the alert show what `given()` returns, also after a change of language; null empties it. */
function tell(given) {
  trouble = given;
  const shown = trouble?.() || (linkState === "lost" ? words().lost : "");
  if (byId("trouble").textContent !== shown) byId("trouble").textContent = shown;
}

const cards = new Cards(byId("cards"), {
  announce,
  onChange: () => (byId("empty").hidden = true),
  isOpen: (id) => utterances.isOpen(id) || outbox.isAsking(id),
});
const utterances = new Utterances({
  onBegin: (id, source, text) => {
    tell(null);
    cards.begin(id, source, text);
  },
  onOutcome: (outcome) => cards.finish(outcome),
  onTrouble: (id, error, text) => {
    cards.fail(id, error);
    tell(() => errorText(error));
    if (error.code === "unauthorized") showPairing();
    // Nothing has to be written twice, nor is anything sent twice that may have arrived.
    if (text && error.code !== "away" && !byId("text").value) byId("text").value = text;
  },
});
const talk = new Talk(byId("talk"), { send: (recording) => utterances.play(recording), tell, announce, isDeaf: () => Boolean(state?.ears.missing) });
const stop = new Stop(byId("stop"), byId("stop-word"), {
  first: () => {
    talk.discard(words().discarded);
    utterances.cancel();
    cards.cancelPending();
  },
  tell,
  announce,
});
const question = new Question(byId, {
  answer: (id, accept) => utterances.answer(id, accept),
  announce,
  mayFocus: () => talk.phase === "idle",
});
const dog = new DogView(byId);
const outbox = new OutboxView(byId, {
  onAsk: (entry) => cards.beginAgain(entry.request_id, entry.text),
  onTrouble: (error, entry) => {
    if (entry) cards.fail(entry.request_id, error);
    tell(() => errorText(error));
  },
});

const link = new EventLink({
  onEvent: (name, value) => {
    if (name === "outcome") return cards.finish(value);
    if (value.unanswered !== state?.unanswered) outbox.refresh();
    state = value;
    show();
  },
  onLink: (next) => {
    if (next === linkState) return;
    const before = linkState;
    linkState = next;
    if (before === "live" && next === "lost") buzz([80, 60, 80]);
    if (next === "unpaired") showPairing();
    if (next === "live") hidePairing();
    showLink();
    tell(next === "live" && before !== "live" && !stop.hasFailed ? null : trouble); // what failed is not undone
    if (state) dog.show(state, next === "live");
  },
});

function show() {
  dog.show(state, linkState === "live");
  document.body.dataset.moving = byId("dog").dataset.moving;
  question.show(state.confirmation);
  cards.follow(state);
}

function showLink() {
  document.body.dataset.link = linkState;
  byId("link").textContent = words().link[linkState];
}

function showPairing() {
  byId("pair-wrong").textContent = hasToken() ? words().pairWrong : "";
  if (!byId("pairing").hidden) return;
  byId("pairing").hidden = false;
  byId("token").focus();
}

function hidePairing() {
  byId("pairing").hidden = true;
  byId("token").value = "";
}

byId("pair-form").addEventListener("submit", (event) => {
  event.preventDefault();
  setToken(byId("token").value, byId("keep").checked);
  linkState = "connecting";
  link.wake();
});

byId("write").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = byId("text").value.trim();
  byId("text").value = "";
  if (text) utterances.say(text);
});

/** Put a suggestion into the text box; sending it, which may move the dog, stays with the person. */
function suggest(text) {
  byId("text").value = text;
  byId("text").focus();
}

function translate() {
  fillWords();
  byId("language").textContent = words().otherName;
  byId("language").lang = words().other === "zh" ? "zh-CN" : "en";
  byId("language").setAttribute("aria-label", words().otherLabel);
  byId("examples").replaceChildren(...words().examples.map((text) => chip(text, suggest)));
  byId("talk").title = byId("stop").title = words().talkKeys;
  listSkills(byId("skill-list"), suggest);
  talk.show();
  stop.show();
  question.translate();
  cards.translate();
  outbox.translate();
  showLink();
  tell(trouble);
  if (state) show();
}

byId("language").addEventListener("click", () => {
  switchLanguage();
  translate();
});

/** Fit the page to what the on-screen keyboard leaves, so that the stop stays in sight. */
function fit() {
  const height = window.visualViewport?.height ?? window.innerHeight;
  document.documentElement.style.setProperty("--height", `${height}px`);
  document.body.classList.toggle("short", height < SHORT_PX);
}
window.visualViewport?.addEventListener("resize", fit);

/** A dark screen has no stop button. */
async function stayAwake() {
  if (document.hidden || !navigator.wakeLock) return;
  await navigator.wakeLock.request("screen").catch(() => null); // a low battery may refuse it
}
document.addEventListener("visibilitychange", stayAwake);

fit();
translate();
stayAwake();
loadSkills().then(translate, () => null);
link.run();
