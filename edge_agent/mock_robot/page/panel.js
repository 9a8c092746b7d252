/** The state in words, for eyes and for screen readers, and the log of calls. */

import { isTipped } from "./poses.js";
import { words } from "./words.js";

const MODE_POSE = 2;
const LOG_LENGTH = 400;
const LOG_SHOWN = 200;
const byId = (id) => document.getElementById(id);
const degrees = (radians) => `${Math.round((radians * 180) / Math.PI) || 0}°`; // no -0

const postureWord = (state) => {
  const name = isTipped(state) && !state.doing ? words().tipped : words().posture[state.posture] || state.posture;
  return state.locked ? `${name} (${words().locked})` : name;
};

function doingWord(state) {
  if (state.doing) {
    const name = words().doings[state.doing] || state.doing;
    return state.progress ? `${name} ${Math.round(state.progress * 100)} %` : name;
  }
  if (state.mode === MODE_POSE) return words().posing;
  return state.moving ? words().moving : words().still;
}

function entry(name, value) {
  const box = document.createElement("div");
  const term = document.createElement("dt");
  const text = document.createElement("dd");
  term.textContent = name;
  text.textContent = value;
  box.append(term, text);
  return box;
}

/** Show the state's facts and announce a new posture or action once. */
export function showFacts(state) {
  const names = words().facts;
  const [x, y] = state.position_m;
  const facts = [
    [names.posture, postureWord(state)],
    [names.doing, doingWord(state)],
    [names.battery, `${state.battery_percent.toFixed(1)} %`],
    [names.motors, `${state.motor_temperature_c.toFixed(1)} °C`],
    [names.position, `${x.toFixed(2)}, ${y.toFixed(2)} m`],
    [names.turned, degrees(state.yaw_total_rad)],
    [names.tilt, `${degrees(state.rpy_rad[0])}, ${degrees(state.rpy_rad[1])}`],
    [names.height, `${(100 * state.body_height_m).toFixed(0)} cm`],
    [names.mode, String(state.mode)],
  ];
  byId("facts").replaceChildren(...facts.map(([name, value]) => entry(name, value)));
  byId("battery").value = state.battery_percent;
  byId("battery-percent").textContent = `${Math.round(state.battery_percent)} %`;
  announce(state);
}

function announce(state) {
  const doing = state.doing ? words().doings[state.doing] || state.doing : state.moving ? words().moving : words().still;
  const text = `${postureWord(state)}${words().comma}${doing}`;
  const place = byId("announcement");
  if (place.textContent !== text) place.textContent = text;
  byId("scene").setAttribute("aria-label", `${words().canvas}: ${text}`);
}

/** The calls that the mock has answered; one that repeats the last is counted, not listed again. */
export class CallTable {
  constructor() {
    this.rows = [];
    this.last = 0;
    this.total = 0;
  }

  /** Take calls in order; return whether there were any. */
  take(answer) {
    if (answer.total < this.last) this.rows.length = this.last = 0; // the mock was started anew
    for (const call of answer.calls) {
      this.last = call.sequence;
      const before = this.rows[this.rows.length - 1];
      if (before && repeats(before, call)) before.times += 1;
      else this.rows.push({ ...call, times: 1 });
    }
    this.rows.splice(0, Math.max(0, this.rows.length - LOG_LENGTH));
    this.total = answer.total;
    return answer.calls.length > 0;
  }

  show() {
    byId("count").textContent = this.total ? `(${this.total})` : "";
    byId("columns").replaceChildren(...words().columns.map((name) => cell("th", name)));
    byId("rows").replaceChildren(...this.rows.slice(-LOG_SHOWN).reverse().map(rowOf));
  }
}

const repeats = (a, b) =>
  a.api_id === b.api_id && a.service === b.service && a.code === b.code && JSON.stringify(a.parameter) === JSON.stringify(b.parameter);

function cell(tag, text) {
  const made = document.createElement(tag);
  made.textContent = text;
  if (tag === "th") made.scope = "col";
  return made;
}

function rowOf(call) {
  const row = document.createElement("tr");
  if (call.code !== 0) row.className = "refused";
  const name = call.service && call.service !== "sport" ? `${call.service} ${call.name}` : call.name;
  const parameter = Object.keys(call.parameter).length ? JSON.stringify(call.parameter).slice(0, 120) : "";
  const code = call.code === null ? "—" : call.code; // a silent dog has left it unanswered
  for (const text of [call.at_s.toFixed(2), call.api_id, name, call.times > 1 ? `× ${call.times}` : "", code, parameter]) {
    row.append(cell("td", text));
  }
  return row;
}
