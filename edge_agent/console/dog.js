/** How the dog is, in a small figure and in words: posture, motion, battery, simulation, cloud. */

import { words } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const LOW_PERCENT = 20; // below it the gate lets nothing move
const MEDIUM_PERCENT = 40; // below it nothing dangerous
const CASE_WIDTH = 20;
const FAR = 9; // how far before the near legs the others are drawn

/** A side view in a box of 120 by 80, the nose to the right: the body's turn, and each leg's hip, knee, foot. */
const POSES = {
  standing: { turn: 0, at: [60, 34], legs: [[[36, 36], [28, 52], [36, 70]], [[80, 36], [72, 52], [80, 70]]] },
  sitting: { turn: -32, at: [58, 42], legs: [[[42, 52], [56, 58], [40, 70]], [[76, 32], [71, 50], [77, 70]]] },
  lying: { turn: 0, at: [60, 57], legs: [[[36, 60], [24, 67], [40, 70]], [[80, 60], [70, 67], [88, 70]]] },
  damped: { turn: 4, at: [60, 60], legs: [[[36, 62], [20, 70], [34, 70]], [[80, 64], [96, 70], [106, 70]]] },
  fallen: { turn: 172, at: [60, 60], legs: [[[42, 56], [32, 42], [44, 30]], [[80, 58], [90, 44], [80, 32]]] },
};

/** Keeps the dog's section as the last state says it. */
export class DogView {
  constructor(byId) {
    this.byId = byId;
    this.legs = [0, 1].map(() => shape("polyline", { class: "leg" }));
    this.farLegs = [0, 1].map(() => shape("polyline", { class: "leg far" }));
    this.body = shape("g", { class: "body" });
    this.body.append(
      shape("rect", { x: -31, y: -10, width: 58, height: 19, rx: 8 }),
      shape("rect", { x: 21, y: -19, width: 22, height: 17, rx: 6 }),
      shape("circle", { class: "eye", cx: 36, cy: -11, r: 2.4 }),
    );
    byId("figure").append(shape("path", { class: "ground", d: "M8 74H112" }), ...this.farLegs, ...this.legs, this.body);
  }

  /** Show a state of the agent; `isLive` is false where it may be old. */
  show(state, isLive) {
    const { robot } = state;
    const known = isLive && robot.connected;
    const moving = known && (robot.moving || state.action !== null);
    this.draw(POSES[robot.posture] || POSES.standing);
    this.byId("dog").dataset.moving = moving;
    this.byId("dog").dataset.known = known && robot.posture !== "unknown";
    this.byId("dog").dataset.fallen = known && robot.posture === "fallen";
    put(this.byId("posture"), robot.connected ? words().posture[robot.posture] : words().noRobot);
    const motion = known && (moving ? words().moving : words().still);
    const remarks = [motion, state.simulation && words().simulation, state.cloud !== "closed" && words().cloudAway];
    put(this.byId("remarks"), remarks.filter(Boolean).join(" · "));
    this.showBattery(known ? robot.battery_percent : null);
  }

  draw({ turn, at, legs }) {
    this.body.setAttribute("transform", `translate(${at}) rotate(${turn})`);
    legs.forEach((points, each) => {
      this.legs[each].setAttribute("points", points.join(" "));
      this.farLegs[each].setAttribute("points", points.map(([x, y]) => [x + FAR, y]).join(" "));
    });
  }

  showBattery(percent) {
    const battery = this.byId("battery");
    battery.dataset.level = percent === null ? "unknown" : percent < LOW_PERCENT ? "low" : percent < MEDIUM_PERCENT ? "medium" : "good";
    this.byId("charge").setAttribute("width", ((percent ?? 0) / 100) * CASE_WIDTH);
    put(this.byId("percent"), percent === null ? "–" : `${Math.round(percent)} %`);
    const label = percent === null ? words().noBattery : `${words().battery} ${Math.round(percent)} %`;
    battery.setAttribute("aria-label", label);
    battery.setAttribute("role", "img");
  }
}

function shape(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

/** Change a text only where it differs, so that a screen reader is not told the same again. */
function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
