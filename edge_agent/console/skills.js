/** The skills by name, as the agent's catalogue has them. */

import { call } from "./link.js";
import { shownLanguage, words } from "./words.js";

let skills = {};

/** Fetch the catalogue once: `{name: {tier, en, zh}}`. */
export async function loadSkills() {
  skills = await (await call("/console/skills.json")).json();
}

/** What a skill is called in the language shown; its own name where it is unknown. */
export const skillName = (name) => skills[name]?.[shownLanguage()] || name;

/** Fill `place` with every skill, by tier; `choose(text)` gets the one that is pressed. */
export function listSkills(place, choose) {
  const tiers = words().tiers.map((title, tier) => {
    const box = document.createElement("div");
    const head = document.createElement("h3");
    head.textContent = title;
    const names = Object.keys(skills).filter((name) => skills[name].tier === tier);
    box.append(head, ...names.map((name) => chip(skillName(name), choose)));
    return box;
  });
  place.replaceChildren(...tiers);
}

/** A button that puts its text into the text box. */
export function chip(text, choose) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "chip";
  made.textContent = text;
  made.addEventListener("click", () => choose(text));
  return made;
}
