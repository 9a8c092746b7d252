/** From the published state to a pose: the body over its footprint, joint angles, head and tail. */

import { FIGURES, pose as strikePose, weightOf } from "./figures.js";
import { footOf, postureOf } from "./postures.js";
import { HIP_X_M, LEGS, hipOf, intoBody, solveLeg } from "./skeleton.js";

const MODE_POSE = 2;
const STRIDE_S = 0.4;
const STEP_HEIGHT_M = 0.055;
const WALKING_M_S = 0.03;
const WALKING_RAD_S = 0.08;
const TIPPED_RAD = 0.9;
const HALF_WIDTH_M = 0.17; // over the shoulders, on which it rests

const mix = (a, b, share) => a + (b - a) * share;

/** Return the angle within ±π. */
export const wrap = (angle) => Math.atan2(Math.sin(angle), Math.cos(angle));

/** Return the pose of a state; `time_s` is the dog's clock now, which paces its walk. */
export function poseOf(state, time_s) {
  const posture = postureOf(state);
  const figure = FIGURES[state.doing];
  const weight = figure ? weightOf(state.progress) : 0;
  const draft = draftOf(state, posture, figure && figure.tilted ? weight : 0);
  if (figure) figure.draw(draft, state.progress, weight);
  else if (state.mode === MODE_POSE) strikePose(draft);
  else if (isTipped(state)) tip(draft, state);
  else if (state.posture === "standing") walk(draft, state, time_s);
  return { body: draft.body, legs: solveLegs(draft), head: draft.head, tail: draft.tail };
}

/** Whether the dog lies on its side or back. */
export const isTipped = (state) => Math.max(Math.abs(state.rpy_rad[0]), Math.abs(state.rpy_rad[1])) > TIPPED_RAD;

/** What the posture, the published height and the published tilt give; `own` fades the tilt out. */
function draftOf(state, posture, own) {
  const [roll, pitch, yaw] = state.rpy_rad;
  const draft = {
    body: {
      x: 0, y: 0, z: state.body_height_m,
      roll: roll * (1 - own),
      pitch: posture.pitch + pitch * (1 - own),
      yaw: wrap(yaw - state.yaw_total_rad) * (1 - own),
    },
    feet: {},
    head: { pitch: posture.head, yaw: 0, roll: 0 },
    tail: { lift: posture.tail, wag: 0 },
  };
  for (const leg of LEGS) draft.feet[leg.name] = { ground: footOf(posture, leg) };
  return draft;
}

/** A trot: the feet of one diagonal swing forward while the others carry the body over the ground. */
function walk(draft, state, time_s) {
  const [vx, vy] = state.velocity_m_s;
  const turning = state.yaw_speed_rad_s;
  if (Math.hypot(vx, vy) < WALKING_M_S && Math.abs(turning) < WALKING_RAD_S) return;
  for (const leg of LEGS) {
    const foot = draft.feet[leg.name].ground;
    const phase = (time_s / STRIDE_S + (leg.front * leg.side > 0 ? 0 : 0.5)) % 1;
    const swinging = phase >= 0.5;
    const way = (swinging ? 4 * phase - 3 : 1 - 4 * phase) * (STRIDE_S / 4);
    const [x, y] = foot;
    foot[0] += way * (vx - turning * y);
    foot[1] += way * (vy + turning * x);
    if (swinging) foot[2] += STEP_HEIGHT_M * Math.sin(2 * Math.PI * (phase - 0.5));
  }
  draft.tail.wag = 0.25 * Math.sin(2 * Math.PI * time_s * 2.5);
}

/** On its side: the trunk rests on the ground and the legs hang, half bent, out of the way. */
function tip(draft, state) {
  draft.body.z = Math.max(state.body_height_m, HALF_WIDTH_M * Math.abs(Math.sin(state.rpy_rad[0])), HIP_X_M * Math.abs(Math.sin(state.rpy_rad[1])));
  for (const leg of LEGS) {
    draft.feet[leg.name].hip = [0.09 * leg.front, leg.side * 0.06, -0.27];
    draft.feet[leg.name].share = 1;
  }
  draft.head.pitch = 0.35;
  draft.tail.lift = -0.4;
}

function solveLegs(draft) {
  const legs = {};
  for (const leg of LEGS) {
    const { ground, hip, share } = draft.feet[leg.name];
    const from = hipOf(leg);
    const stood = intoBody(draft.body, ground).map((value, axis) => value - from[axis]);
    const target = hip ? stood.map((value, axis) => mix(value, hip[axis], share)) : stood;
    legs[leg.name] = solveLeg(leg, target);
  }
  return legs;
}
