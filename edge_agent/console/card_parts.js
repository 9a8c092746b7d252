/** The parts of a card: what was heard, the decision, the robot's states, the times. */

import { skillName } from "./skills.js";
import { duration, errorText, words } from "./words.js";

const STEPS = ["sent", "accepted", "moving", "confirmed"];
/** The marks of an outcome's timings, all counted from its arrival, in the order they are reached. */
const STAGES = ["asr", "intent", "cloud_first_token", "cloud", "gate", "acknowledged"];
/** Errors that are no word of the agent's: by code, the pill. */
const PILLS = { stopped: () => words().end.preempted, away: () => words().noAnswer };
const ICONS = {
  spoken: "M12 3a3 3 0 0 0-3 3v5a3 3 0 0 0 6 0V6a3 3 0 0 0-3-3zM6 11a6 6 0 0 0 12 0M12 17v4",
  written: "M4 20h4L19 9l-4-4L4 16zM13 7l4 4",
};

/** What was said, with the way it came and the time. */
export function summaryRow(view) {
  const way = view.source === "text" ? "written" : "spoken";
  const nothing = view.reason === "awaiting_command" ? words().called : words().nothing;
  const heard = make("span", "heard", view.text || (view.end === "nothing" ? nothing : words().sending));
  if (!view.text) heard.classList.add("unknown");
  else if (view.lang) heard.lang = view.lang === "zh" ? "zh-CN" : "en";
  return [icon(way), heard];
}

/** How it stands, in one word. */
export function pill(view) {
  if (view.error) return make("span", "pill", PILLS[view.error.code]?.() || words().failedRequest);
  if (view.end === "nothing") return "";
  if (view.end === "unanswered") return make("span", "pill", words().noAnswer);
  if (view.end) return make("span", "pill", words().end[view.end]);
  if (STEPS.includes(view.progress)) return make("span", "pill busy", words().end[view.progress]);
  if (!view.text) return "";
  return make("span", "pill busy", view.stage === "cloud" ? words().asking : words().thinking);
}

/** The skill or none, where that was decided, and how sure. */
export function decisionRow(view) {
  const row = make("p", "decision");
  if (view.end === "nothing") {
    const why = words().nothingWhy[view.reason];
    if (!why) return null;
    row.append(why);
    return row;
  }
  const isRemote = view.tag === "[REMOTE]";
  const skill = view.skill || (isRemote ? null : view.tag?.slice(1, -3));
  if (!view.tag && !skill) return null;
  row.append(make("b", "skill", skill ? skillName(skill) : words().remote));
  if (view.tag) row.append(make("code", "", view.tag));
  row.append(make("span", "route", words().route[view.route]));
  if (view.probability !== null && view.probability !== undefined) row.append(share(words().sure, view.probability));
  if (view.heard_probability !== null && view.heard_probability !== undefined) row.append(share(words().heard, view.heard_probability));
  return row;
}

/** The robot's four states, as far as they were reached. */
export function stepsRow(view) {
  if (!view.skill || ["none", "refused", "needs_confirmation", "expired"].includes(view.progress)) return null;
  const row = make("ol", "steps");
  const reached = STEPS.indexOf(view.progress) >= 0 ? STEPS.indexOf(view.progress) : reachedBefore(view);
  STEPS.forEach((step, place) => {
    const item = make("li", place <= reached ? "reached" : "", words().step[step]);
    if (place === reached && !view.end) item.setAttribute("aria-current", "step");
    row.append(item);
  });
  if (view.end && view.end !== "confirmed") row.dataset.broken = "";
  return row;
}

/** How far an action that ended otherwise had come: as it was seen, or as its calls and times tell. */
function reachedBefore(view) {
  const told = !view.execution?.calls.length ? -1 : view.timings.acknowledged === null ? 0 : 1;
  return Math.max(told, STEPS.indexOf(view.reached));
}

/** What the dog says to it. */
export function sayRow(view) {
  if (!view.say) return null;
  const row = make("p", "say");
  const said = make("span", "", view.say);
  if (view.lang) said.lang = view.lang === "zh" ? "zh-CN" : "en";
  row.append(make("span", "unseen", `${words().says}: `), said);
  if (view.reason && view.end !== "unanswered") row.append(" ", make("code", "", view.reason));
  return row;
}

/** Why the agent took nothing, or that nobody knows whether it did. */
export function errorRow(view) {
  if (!view.error || view.error.code === "stopped") return null;
  return make("p", "error", view.error.code === "away" ? words().noAnswerWhy : errorText(view.error));
}

/** The time until the robot acknowledged, or until the answer, as a bar of its stages with their numbers. */
export function timingRows(view) {
  const { timings } = view;
  if (!timings || !timings.total) return [];
  const isAnswer = timings.acknowledged === null;
  const end = isAnswer ? (timings.cloud ?? timings.total) : timings.acknowledged;
  const parts = partsOf(timings, end);
  const bar = make("div", "bar");
  const legend = make("p", "legend");
  for (const { stage, milliseconds } of parts) {
    const piece = make("span", stage);
    piece.style.flexGrow = milliseconds;
    bar.append(piece);
    const entry = make("span", stage, `${words().stage[stage]} ${duration(milliseconds)}`);
    legend.append(entry);
  }
  bar.setAttribute("aria-hidden", "true");
  const told = [isAnswer ? words().untilAnswered(duration(end)) : words().untilAcknowledged(duration(end))];
  if (timings.confirmed !== null) told.push(words().confirmedAfter(duration(timings.confirmed)));
  return [bar, make("p", "times", told.join(" · ")), legend];
}

function partsOf(timings, end) {
  const marks = STAGES.filter((stage) => timings[stage] !== null && timings[stage] <= end).sort((a, b) => timings[a] - timings[b]);
  let before = 0;
  const parts = marks.map((stage) => {
    const milliseconds = timings[stage] - before;
    before = timings[stage];
    return { stage, milliseconds };
  });
  if (end - before > 1) parts.push({ stage: "rest", milliseconds: end - before });
  return parts.filter(({ milliseconds }) => milliseconds >= 0.05);
}

function share(name, value) {
  const made = make("span", "share", `${name} ${percent(value)}`);
  made.style.setProperty("--share", value);
  return made;
}

/** A probability for people: 99.7 %, and never 100 %, since nothing of this is certain. */
function percent(value) {
  return value > 0.985 ? `${Math.min(99.9, Math.floor(1000 * value) / 10).toFixed(1)} %` : `${Math.round(100 * value)} %`;
}

function icon(way) {
  const drawing = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  drawing.setAttribute("viewBox", "0 0 24 24");
  drawing.setAttribute("role", "img");
  drawing.setAttribute("aria-label", words()[way]);
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", ICONS[way]);
  drawing.append(path);
  return drawing;
}

function make(tag, name, text = "") {
  const made = document.createElement(tag);
  if (name) made.className = name;
  made.textContent = text;
  return made;
}
