/** The dog as a scene graph of simple shapes, with joints that turn as the dog's own do. */

import { BoxGeometry, CapsuleGeometry, Euler, Group, Mesh, MeshStandardMaterial, Quaternion, SphereGeometry, Vector3 } from "three";
import { ABDUCTION_M, FOOT_RADIUS_M, LEGS, SEGMENT_M, hipOf } from "./skeleton.js";

const SETTLE_S = 0.05;
const STILL_RAD = 2e-4;

const MATERIALS = {
  shell: new MeshStandardMaterial({ color: 0xdfe6ee, roughness: 0.45, metalness: 0.15 }),
  dark: new MeshStandardMaterial({ color: 0x2e3844, roughness: 0.6, metalness: 0.2 }),
  accent: new MeshStandardMaterial({ color: 0x2f7fd6, roughness: 0.5 }),
  eye: new MeshStandardMaterial({ color: 0x5cf2c8, emissive: 0x2bd6a4, emissiveIntensity: 0.9 }),
};

function part(geometry, material, [x, y, z] = [0, 0, 0], parent = null) {
  const mesh = new Mesh(geometry, MATERIALS[material]);
  mesh.position.set(x, y, z);
  mesh.castShadow = true;
  if (parent) parent.add(mesh);
  return mesh;
}

/** A rounded rod of a length from its parent's origin down. */
function rod(radius, length, material, parent) {
  const mesh = part(new CapsuleGeometry(radius, length, 4, 12), material, [0, 0, -length / 2], parent);
  mesh.rotation.x = Math.PI / 2;
  return mesh;
}

function makeTrunk(body) {
  const trunk = part(new CapsuleGeometry(0.078, 0.3, 6, 20), "shell", [0, 0, 0.01], body);
  trunk.rotation.z = Math.PI / 2;
  trunk.scale.set(0.82, 1, 1.12);
  part(new BoxGeometry(0.3, 0.1, 0.06), "dark", [0, 0, -0.055], body);
  part(new BoxGeometry(0.16, 0.09, 0.024), "accent", [-0.03, 0, 0.075], body);
}

function makeHead(body) {
  const head = new Group();
  head.position.set(0.245, 0, 0.045);
  body.add(head);
  const skull = part(new CapsuleGeometry(0.062, 0.05, 6, 16), "shell", [0.06, 0, 0.02], head);
  skull.rotation.z = Math.PI / 2;
  part(new BoxGeometry(0.07, 0.07, 0.05), "dark", [0.125, 0, 0.0], head);
  for (const side of [1, -1]) {
    part(new SphereGeometry(0.014, 12, 10), "eye", [0.112, side * 0.036, 0.046], head);
    const ear = part(new BoxGeometry(0.03, 0.022, 0.07), "accent", [0.028, side * 0.05, 0.085], head);
    ear.rotation.x = -side * 0.35;
  }
  return head;
}

function makeTail(body) {
  const tail = new Group();
  tail.position.set(-0.225, 0, 0.045);
  body.add(tail);
  const rodMesh = part(new CapsuleGeometry(0.014, 0.13, 4, 10), "accent", [-0.075, 0, 0], tail);
  rodMesh.rotation.z = Math.PI / 2;
  return tail;
}

function makeLeg(body, leg) {
  const abduction = new Group();
  abduction.position.set(...hipOf(leg));
  body.add(abduction);
  part(new CapsuleGeometry(0.046, 0.04, 6, 18), "dark", [0, leg.side * 0.065, 0], abduction);
  const hip = new Group();
  hip.position.set(0, leg.side * ABDUCTION_M, 0);
  abduction.add(hip);
  rod(0.03, SEGMENT_M, "shell", hip);
  const knee = new Group();
  knee.position.set(0, 0, -SEGMENT_M);
  hip.add(knee);
  part(new SphereGeometry(0.035, 16, 12), "dark", [0, 0, 0], knee);
  rod(0.017, SEGMENT_M, "dark", knee);
  const foot = part(new SphereGeometry(FOOT_RADIUS_M + 0.005, 14, 10), "accent", [0, 0, -SEGMENT_M], knee);
  return { abduction, hip, knee, foot };
}

const shortest = (angle) => Math.atan2(Math.sin(angle), Math.cos(angle));

/** The dog; `group` goes into a scene whose z points up. */
export class DogModel {
  constructor() {
    this.group = new Group();
    this.body = new Group();
    this.body.rotation.order = "ZYX"; // yaw, then pitch, then roll, as the robot's rpy
    this.group.add(this.body);
    makeTrunk(this.body);
    this.head = makeHead(this.body);
    this.tail = makeTail(this.body);
    this.legs = Object.fromEntries(LEGS.map((leg) => [leg.name, makeLeg(this.body, leg)]));
    this.placed = false;
  }

  /** Move towards a pose and a place on the ground over `elapsed_s`; return whether it still moves. */
  follow(pose, place, elapsed_s) {
    const share = this.placed ? 1 - Math.exp(-elapsed_s / SETTLE_S) : 1;
    this.placed = true;
    let furthest = 0;
    const approach = (owner, key, wanted, angle = false) => {
      const way = angle ? shortest(wanted - owner[key]) : wanted - owner[key];
      furthest = Math.max(furthest, Math.abs(way));
      owner[key] += way * share;
    };
    approach(this.group.position, "x", place.x);
    approach(this.group.position, "y", place.y);
    approach(this.group.rotation, "z", place.yaw, true);
    for (const axis of ["x", "y", "z"]) approach(this.body.position, axis, pose.body[axis]);
    approach(this.body.rotation, "x", pose.body.roll, true);
    approach(this.body.rotation, "y", pose.body.pitch, true);
    approach(this.body.rotation, "z", pose.body.yaw, true);
    for (const { name } of LEGS) {
      const { abduction, hip, knee } = this.legs[name];
      approach(abduction.rotation, "x", pose.legs[name].abduction, true);
      approach(hip.rotation, "y", pose.legs[name].hip, true);
      approach(knee.rotation, "y", pose.legs[name].knee, true);
    }
    approach(this.head.rotation, "x", pose.head.roll, true);
    approach(this.head.rotation, "y", pose.head.pitch, true);
    approach(this.tail.rotation, "y", pose.tail.lift, true);
    approach(this.tail.rotation, "z", pose.tail.wag, true);
    return furthest > STILL_RAD;
  }

  /** The joint angles of the scene graph, radians, by leg. */
  joints() {
    const angles = ({ abduction, hip, knee }) => ({
      abduction_rad: abduction.rotation.x, hip_rad: hip.rotation.y, knee_rad: knee.rotation.y,
    });
    return Object.fromEntries(LEGS.map(({ name }) => [name, angles(this.legs[name])]));
  }

  /** The body's attitude, height, place and upward direction, read from the scene graph. */
  bodyNow() {
    const place = this.#inRobotFrame(this.body);
    const turn = this.body.getWorldQuaternion(new Quaternion());
    turn.premultiply(this.group.parent.getWorldQuaternion(new Quaternion()).invert());
    const up = new Vector3(0, 0, 1).applyQuaternion(turn);
    const rpy = new Euler().setFromQuaternion(turn, "ZYX");
    return { position_m: place, rpy_rad: [rpy.x, rpy.y, rpy.z], up: up.toArray() };
  }

  /** Where the feet are over the ground, metres, read from the scene graph. */
  feet() {
    return Object.fromEntries(LEGS.map(({ name }) => [name, this.#inRobotFrame(this.legs[name].foot)]));
  }

  #inRobotFrame(object) {
    return this.group.parent.worldToLocal(object.getWorldPosition(new Vector3())).toArray();
  }
}
