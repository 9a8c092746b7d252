/** What was said and what has come of it: one card an utterance, the newest first and open. */

import { decisionRow, errorRow, pill, sayRow, stepsRow, summaryRow, timingRows } from "./card_parts.js";
import { words } from "./words.js";
import { skillName } from "./skills.js";

const MOST = 40;
const LOST_MS = 20000; // so long without news, nobody waits for an utterance any more
/** Where nothing was decided or nobody answered, the execution's state says too little. */
const ENDS_OF_ROUTES = { none: "nothing", offline: "unanswered" };

/**
 * A record is what is known of an utterance: `id, source, text, at`, from the state `stage, tag, route,
 * probability, heard_probability, progress, skill, say`, at the end `outcome` or `error`.
 */
export class Cards {
  /** `isOpen(id)`: whether the page itself still waits for its answer. */
  constructor(list, { announce, onChange, isOpen }) {
    Object.assign(this, { list, announce, onChange, isOpen, records: new Map() });
  }

  get isEmpty() {
    return this.records.size === 0;
  }

  begin(id, source, text) {
    this.paint(this.take(id, { source, text }));
  }

  /** Begin an utterance that is asked again: on a new card, above what was said since. */
  beginAgain(id, text) {
    this.records.get(id)?.element.remove();
    this.records.delete(id);
    this.begin(id, "text", text);
  }

  /** Take in what the state says of the utterances under way and of the action that has the dog. */
  follow(state) {
    for (const { request_id: id, ...news } of state.under_way) {
      const record = this.takeUnderWay(id, news);
      if (news.text && !record.told) {
        record.told = true;
        if (record.source !== "text") this.announce(words().now(news.text));
      }
    }
    const { action } = state;
    if (action) {
      const record = this.takeUnderWay(action.request_id, { skill: action.skill, say: action.say, progress: action.state });
      if (record.outcome?.execution.state === "needs_confirmation") goOn(record); // a person has said yes
    }
    const alive = new Set(state.under_way.map((each) => each.request_id));
    for (const [id, record] of this.records) {
      const isOver = record.outcome || record.error;
      if (!isOver && !alive.has(id) && !this.isOpen(id) && performance.now() - record.changedAt > LOST_MS) record.error = { code: "away" };
      this.paint(record);
    }
  }

  /** Take an outcome; it comes twice, as an answer and as an event, and is read out once. */
  finish(outcome) {
    const before = this.records.get(outcome.request_id)?.outcome?.execution.state;
    const record = this.take(outcome.request_id, { outcome, error: null });
    this.paint(record);
    if (before === outcome.execution.state) return;
    const did = outcome.execution;
    const told = [outcome.route === "none" ? words().nothing : "", did.skill ? `${skillName(did.skill)}${words().comma}${words().end[did.state]}` : "", outcome.say];
    if (outcome.source !== "text" && outcome.text && !record.told) told.unshift(words().now(outcome.text));
    this.announce(told.filter(Boolean).join(" "));
  }

  fail(id, error) {
    const record = this.records.get(id);
    if (record && !record.outcome) this.paint(Object.assign(record, { error }));
  }

  /** Nobody waits any more for what was being sent as the stop came; an outcome may still arrive. */
  cancelPending() {
    for (const record of this.records.values()) {
      if (!record.outcome && !record.error) this.paint(Object.assign(record, { error: { code: "stopped" } }));
    }
  }

  /** Paint all again, in another language. */
  translate() {
    for (const record of this.records.values()) this.paint(record, true);
  }

  take(id, news) {
    let record = this.records.get(id);
    if (!record) {
      record = { id, text: "", at: new Date(), element: document.createElement("li") };
      record.details = document.createElement("details");
      record.element.append(record.details);
      record.details.open = true;
      for (const other of this.records.values()) other.details.open = false;
      this.records.set(id, record);
      this.list.prepend(record.element);
      this.forgetOldest();
      this.onChange();
    }
    Object.assign(record, news, { changedAt: performance.now() });
    return record;
  }

  /** Take news of what the agent is at: if its answer was lost on the way, there is still one to come. */
  takeUnderWay(id, news) {
    const record = this.take(id, news);
    if (record.error?.code === "away") record.error = null;
    return record;
  }

  forgetOldest() {
    for (const [id, record] of this.records) {
      if (this.records.size <= MOST) return;
      record.element.remove();
      this.records.delete(id);
    }
  }

  paint(record, anew = false) {
    const { element, details, changedAt, told, painted, ...shown } = record;
    const now = JSON.stringify(shown);
    if (now === painted && !anew) return;
    record.painted = now;
    const view = viewOf(record);
    element.dataset.end = view.end || "open";
    const rows = [decisionRow(view), stepsRow(view), sayRow(view), errorRow(view), ...timingRows(view)];
    const summary = details.querySelector("summary") || document.createElement("summary");
    summary.replaceChildren(...summaryRow(view), pill(view));
    details.replaceChildren(summary, ...rows.filter(Boolean));
  }
}

/** Take an outcome that was not the last word back into what is known so far. */
function goOn(record) {
  const { text, source, lang, tag, route, probability, heard_probability } = record.outcome;
  Object.assign(record, { text, source, lang, tag, route, probability, heard_probability, outcome: null });
}

/** What a card shows of a record: the outcome where there is one, else what is known so far. */
function viewOf(record) {
  const { outcome } = record;
  if (!outcome) return { ...record, end: record.error ? "error" : null };
  const { state, reason, skill } = outcome.execution;
  const end = ENDS_OF_ROUTES[outcome.route] || state;
  return { ...outcome, reached: record.progress, at: record.at, skill, reason, progress: state, end, timings: outcome.timings_ms };
}
