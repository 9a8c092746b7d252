/**
 * The figures of the dog's own tricks, as the page draws them from a trick's name and progress.
 *
 * A figure changes a draft in place: `body` (over the footprint), `feet` by leg (`ground` in the
 * footprint's frame or `hip` in the body's, from the hip), `head` and `tail`. `p` is the progress
 * from 0 to 1, `weight` rises from 0 to 1 at a trick's start and falls again at its end. The mock
 * publishes a name, a progress, a height and a tilt; the rest is drawn, not simulated.
 */

const TAU = 2 * Math.PI;
const wave = (p, times) => Math.sin(TAU * times * p);
const bounce = (p, times) => Math.abs(Math.sin(Math.PI * times * p));
const mix = (a, b, share) => a + (b - a) * share;

/** A smooth way from 0 to 1 between two progresses. */
function ramp(p, begin, end) {
  const share = Math.min(1, Math.max(0, (p - begin) / (end - begin)));
  return share * share * (3 - 2 * share);
}

/** How much of a figure shows at a progress. */
export const weightOf = (p) => ramp(p, 0, 0.15) * (1 - ramp(p, 0.87, 1));

function rear(draft, weight, { pitch = -0.85, height = 0.36, back = -0.08 } = {}) {
  draft.body.pitch = mix(draft.body.pitch, pitch, weight);
  draft.body.z = mix(draft.body.z, height, weight);
  draft.body.x = mix(draft.body.x, back, weight);
  draft.head.pitch = mix(draft.head.pitch, -0.6 * pitch, weight);
  for (const name of ["rear_left", "rear_right"]) draft.feet[name].ground[0] += 0.06 * weight;
}

function reach(draft, name, [x, y, z], weight) {
  draft.feet[name] = { ...draft.feet[name], hip: [x, y, z], share: weight };
}

function hello(draft, p, weight) {
  rear(draft, weight, { pitch: -0.4, height: 0.3, back: -0.06 });
  draft.feet.front_left.ground[1] -= 0.05 * weight;
  reach(draft, "front_right", [0.22, -0.12 + 0.09 * wave(p, 4), 0.03], weight);
  draft.head.roll = 0.2 * weight * wave(p, 2);
  draft.tail.wag = 0.5 * weight * wave(p, 8);
}

function stretch(draft, p, weight) {
  const back = ramp(p, 0.55, 0.7) * weight;
  const front = weight - back;
  draft.body.pitch += 0.46 * front - 0.26 * back;
  draft.body.z -= 0.07 * front + 0.03 * back;
  draft.body.x += -0.04 * front + 0.08 * back;
  for (const side of ["left", "right"]) {
    draft.feet[`front_${side}`].ground[0] -= 0.01 * front;
    draft.feet[`rear_${side}`].ground[0] -= 0.12 * back;
  }
  draft.head.pitch -= 0.6 * front + 0.3 * back;
  draft.tail.lift += 0.5 * front;
}

function content(draft, p, weight) {
  draft.body.roll += 0.16 * weight * wave(p, 4);
  draft.body.z += 0.02 * weight * wave(p, 8);
  draft.head.roll = 0.25 * weight * wave(p, 2);
  draft.tail.wag = 0.7 * weight * wave(p, 9);
}

/** The new-year greeting: up on the hind legs, both paws together, bowing. */
function scrape(draft, p, weight) {
  rear(draft, weight);
  draft.body.pitch += 0.1 * weight * wave(p, 3);
  for (const [name, side] of [["front_left", 1], ["front_right", -1]]) {
    reach(draft, name, [0.2, -0.02 * side, -0.1 + 0.08 * wave(p, 3)], weight);
  }
}

/** Up on the hind legs, each paw draws one half of a heart. */
function heart(draft, p, weight) {
  rear(draft, weight);
  const t = Math.PI * (0.5 - 0.5 * Math.cos(TAU * 2 * p));
  const across = 16 * Math.sin(t) ** 3;
  const up = 13 * Math.cos(t) - 5 * Math.cos(2 * t) - 2 * Math.cos(3 * t) - Math.cos(4 * t);
  for (const [name, side] of [["front_left", 1], ["front_right", -1]]) {
    reach(draft, name, [0.06 + 0.009 * up, side * (0.009 * across - 0.02), -0.24], weight);
  }
}

function dance1(draft, p, weight) {
  draft.body.yaw += 0.3 * weight * wave(p, 5);
  draft.body.roll += 0.14 * weight * wave(p, 10);
  draft.body.z += 0.035 * weight * wave(p, 10) - 0.02 * weight;
  step(draft, p, weight, 10, 0.06);
  draft.head.pitch += 0.22 * weight * wave(p, 10);
  draft.tail.wag = 0.5 * weight * wave(p, 10);
}

function dance2(draft, p, weight) {
  draft.body.roll += 0.24 * weight * wave(p, 5);
  draft.body.pitch += 0.18 * weight * Math.cos(TAU * 5 * p);
  draft.body.y += 0.05 * weight * wave(p, 5);
  draft.body.z -= 0.04 * weight * bounce(p, 10);
  step(draft, p, weight, 5, 0.11);
  draft.head.roll = 0.3 * weight * wave(p, 5);
  draft.tail.wag = 0.6 * weight * wave(p, 15);
}

/** Lift the feet of one diagonal after those of the other. */
function step(draft, p, weight, times, height) {
  for (const [name, phase] of [["front_left", 0], ["rear_right", 0], ["front_right", 0.5], ["rear_left", 0.5]]) {
    draft.feet[name].ground[2] += height * weight * Math.max(0, Math.sin(TAU * (times * p + phase)));
  }
}

/** Over its back and forth again, the paws in the air; the published roll does the turning. */
function wallow(draft, p, weight) {
  for (const [name, phase] of [["front_left", 0], ["front_right", 0.5], ["rear_left", 0.25], ["rear_right", 0.75]]) {
    const side = name.endsWith("left") ? 1 : -1;
    reach(draft, name, [0.04 + 0.05 * Math.sin(TAU * (5 * p + phase)), 0.1 * side, -0.2], weight);
  }
  draft.body.z = Math.max(draft.body.z, 0.1);
  draft.tail.wag = 0.5 * weight * wave(p, 10);
}

/** The hind quarters swing from side to side over feet that stay. */
function wiggle(draft, p, weight) {
  draft.body.yaw += 0.22 * weight * wave(p, 6);
  draft.body.y -= 0.035 * weight * wave(p, 6);
  draft.body.roll += 0.1 * weight * wave(p, 6);
  draft.tail.wag = 0.8 * weight * wave(p, 6);
}

function tuck(draft, weight, down = 0.17) {
  for (const name of Object.keys(draft.feet)) {
    const side = name.endsWith("left") ? 1 : -1;
    reach(draft, name, [0.02, 0.1 * side, -down], weight);
  }
}

const flight = (p) => ramp(p, 0.06, 0.2) * (1 - ramp(p, 0.82, 0.96));

const flip = (axis, turns) => (draft, p) => {
  tuck(draft, flight(p));
  draft.body[axis] += turns * TAU * ramp(p, 0.08, 0.92);
};

function jump(draft, p) {
  tuck(draft, flight(p), 0.22);
  draft.body.pitch += -0.3 * wave(p, 1);
  draft.tail.lift += 0.4 * flight(p);
}

function pounce(draft, p) {
  const air = flight(p);
  draft.body.pitch += -0.6 * ramp(p, 0, 0.25) * (1 - ramp(p, 0.4, 0.8)) + 0.2 * ramp(p, 0.5, 0.8) * (1 - ramp(p, 0.85, 1));
  for (const [side, sign] of [["left", 1], ["right", -1]]) {
    reach(draft, `front_${side}`, [0.2, 0.09 * sign, -0.12], air);
    reach(draft, `rear_${side}`, [-0.16, 0.1 * sign, -0.26], air);
  }
}

/** The Pose call: the dog looks at the camera, a paw in the air. */
export function pose(draft) {
  draft.body.pitch -= 0.16;
  draft.body.yaw += 0.2;
  draft.body.roll += 0.06;
  reach(draft, "front_left", [0.1, 0.09, -0.17], 1);
  draft.head.roll = 0.3;
  draft.tail.lift += 0.3;
}

/** Figures by the name that the mock publishes; `tilted` ones bring their own attitude. */
export const FIGURES = {
  Hello: { draw: hello, tilted: true },
  Stretch: { draw: stretch, tilted: true },
  Content: { draw: content, tilted: true },
  Scrape: { draw: scrape, tilted: true },
  Heart: { draw: heart, tilted: true },
  Wallow: { draw: wallow, tilted: false },
  WiggleHips: { draw: wiggle, tilted: true },
  Dance1: { draw: dance1, tilted: false },
  Dance2: { draw: dance2, tilted: false },
  FrontFlip: { draw: flip("pitch", 1), tilted: true },
  BackFlip: { draw: flip("pitch", -1), tilted: true },
  LeftFlip: { draw: flip("roll", -1), tilted: true },
  FrontJump: { draw: jump, tilted: true },
  FrontPounce: { draw: pounce, tilted: true },
};
