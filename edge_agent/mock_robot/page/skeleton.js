/**
 * The dog's lengths, after a Go2, and the angles that bring a foot to a point.
 *
 * Frames are the robot's: x forward, y left, z up; metres and radians. A leg has three joints: the
 * abduction turns about x, the hip and the knee about y; all zero is a leg straight down.
 */

export const LEGS = [
  { name: "front_left", front: 1, side: 1 },
  { name: "front_right", front: 1, side: -1 },
  { name: "rear_left", front: -1, side: 1 },
  { name: "rear_right", front: -1, side: -1 },
];

export const HIP_X_M = 0.1934;
export const HIP_Y_M = 0.0465;
export const ABDUCTION_M = 0.0955;
export const SEGMENT_M = 0.213;
export const FOOT_RADIUS_M = 0.022;

const LONGEST_M = 2 * SEGMENT_M - 0.004;
const SHORTEST_M = 0.062;
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/** Return where a leg's hip is in the body's frame. */
export const hipOf = (leg) => [leg.front * HIP_X_M, leg.side * HIP_Y_M, 0];

/** Return the joint angles that bring a leg's foot to `[x, y, z]` from its hip, as near as it can. */
export function solveLeg(leg, [x, y, z]) {
  const offset = leg.side * ABDUCTION_M;
  const down = Math.sqrt(Math.max(y * y + z * z - offset * offset, 1e-4));
  const abduction = Math.atan2(z, y) - Math.atan2(-down, offset);
  const reach = clamp(Math.hypot(x, down), SHORTEST_M, LONGEST_M);
  const bend = Math.acos(clamp((reach * reach) / (2 * SEGMENT_M * SEGMENT_M) - 1, -1, 1));
  return {
    abduction: Math.atan2(Math.sin(abduction), Math.cos(abduction)),
    hip: Math.atan2(-x, down) + bend / 2,
    knee: -bend,
  };
}

/** Turn a point of the dog's footprint into the body's frame; the body's turn is Rz·Ry·Rx. */
export function intoBody(body, [x, y, z]) {
  let [px, py, pz] = [x - body.x, y - body.y, z - body.z];
  const turn = (a, b, angle) => [
    a * Math.cos(angle) + b * Math.sin(angle),
    b * Math.cos(angle) - a * Math.sin(angle),
  ];
  [px, py] = turn(px, py, body.yaw);
  [pz, px] = turn(pz, px, body.pitch);
  [py, pz] = turn(py, pz, body.roll);
  return [px, py, pz];
}
