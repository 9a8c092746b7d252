/** What each posture looks like: the body over the footprint, and where the feet stand. */

import { ABDUCTION_M, FOOT_RADIUS_M, HIP_X_M, HIP_Y_M } from "./skeleton.js";

const WIDE_M = HIP_Y_M + ABDUCTION_M;

/** Feet at `front` and `rear` metres along x, `frontWide` and `rearWide` metres to each side. */
const feet = (front, rear, frontWide = WIDE_M, rearWide = WIDE_M) => ({ front, rear, frontWide, rearWide });

export const POSTURES = {
  standing: { height: 0.32, pitch: 0, feet: feet(HIP_X_M, -HIP_X_M - 0.02), head: 0, tail: 0.5 },
  sitting: { height: 0.24, pitch: -0.62, feet: feet(0.2, -0.14), head: 0.45, tail: 0.1 },
  lying: { height: 0.09, pitch: 0, feet: feet(HIP_X_M + 0.01, -HIP_X_M + 0.01), head: 0.05, tail: 0.1 },
  damped: { height: 0.07, pitch: 0.02, feet: feet(HIP_X_M + 0.07, -HIP_X_M - 0.02, 0.25, 0.22), head: 0.5, tail: -0.5 },
  fallen: { height: 0.11, pitch: 0, feet: feet(HIP_X_M + 0.02, -HIP_X_M), head: 0.35, tail: -0.4 },
};

/** Calls that change the posture, with the posture that they end in. */
const CHANGES = {
  BalanceStand: "standing", StandUp: "standing", RecoveryStand: "standing", RiseSit: "standing",
  Sit: "sitting", StandDown: "lying", Damp: "damped",
};

const mix = (a, b, share) => a + (b - a) * share;

function blend(from, to, share) {
  const result = {};
  for (const key of Object.keys(from)) {
    result[key] = typeof from[key] === "object" ? blend(from[key], to[key], share) : mix(from[key], to[key], share);
  }
  return result;
}

/** Return the posture that a state shows, on its way by the body's height while it changes. */
export function postureOf(state) {
  const from = POSTURES[state.posture] || POSTURES.damped;
  const to = POSTURES[CHANGES[state.doing]] || from;
  const way = to.height - from.height;
  const share = Math.abs(way) < 1e-6 ? 1 : (state.body_height_m - from.height) / way;
  return blend(from, to, Math.min(1, Math.max(0, share)));
}

/** Return a leg's foot on the ground, `[x, y, z]` in the footprint's frame. */
export function footOf(posture, leg) {
  const { front, rear, frontWide, rearWide } = posture.feet;
  return leg.front > 0
    ? [front, leg.side * frontWide, FOOT_RADIUS_M]
    : [rear, leg.side * rearWide, FOOT_RADIUS_M];
}
