/** The three-dimensional view: ground, light, camera, the way the dog came, and the dog. */

import {
  AmbientLight, CanvasTexture, CircleGeometry, Color, DirectionalLight, Fog, Group, HemisphereLight, InstancedMesh,
  Matrix4, Mesh, MeshBasicMaterial, MeshStandardMaterial, PCFSoftShadowMap, PerspectiveCamera, PlaneGeometry,
  RepeatWrapping, Scene, Spherical, SRGBColorSpace, Vector3, WebGLRenderer,
} from "three";
import { OrbitControls } from "three/addons/OrbitControls.js";
import { DogModel } from "./dog_model.js";
import { poseOf } from "./poses.js";

const TRAIL_POINTS = 400;
const TRAIL_STEP_M = 0.05;
const GROUND_M = 40;
const TILE_M = 0.5;
const TILE_PIXELS = 256;
const EXTRAPOLATED_S = 0.2;
const HOME = { radius: 1.75, polar: 1.15, around: 0.62 };
const TARGET_HEIGHT_M = 0.25;
const STANDING_M = 0.36; // higher than this, the dog is in the air
const LIGHT = { sky: "#e4ebf2", ground: "#d5dde6", line: "#aab7c5" };
const DARK = { sky: "#141b23", ground: "#232d38", line: "#465567" };

/** Draws the dog into a canvas; throws where the browser has no WebGL 2. */
export class DogScene {
  constructor(canvas, dark) {
    this.canvas = canvas;
    this.renderer = new WebGLRenderer({ canvas, antialias: true });
    this.renderer.shadowMap.enabled = true;
    this.renderer.shadowMap.type = PCFSoftShadowMap;
    this.scene = new Scene();
    this.world = new Group();
    this.world.rotation.x = -Math.PI / 2; // the robot's z is up
    this.scene.add(this.world);
    this.dog = new DogModel();
    this.world.add(this.dog.group);
    this.#addGround();
    this.#addLight();
    this.#addTrail();
    this.#addCamera();
    this.setDark(dark);
    this.state = null;
    this.stateAt_ms = this.drawnAt_ms = 0;
    this.frames = 0;
    this.wanted = true;
  }

  #addGround() {
    this.tile = new CanvasTexture(document.createElement("canvas"));
    this.tile.image.width = this.tile.image.height = TILE_PIXELS;
    this.tile.wrapS = this.tile.wrapT = RepeatWrapping;
    this.tile.repeat.setScalar(GROUND_M / TILE_M);
    this.tile.colorSpace = SRGBColorSpace;
    this.tile.anisotropy = this.renderer.capabilities.getMaxAnisotropy();
    this.ground = new Mesh(new PlaneGeometry(GROUND_M, GROUND_M), new MeshStandardMaterial({ roughness: 1, map: this.tile }));
    this.ground.receiveShadow = true;
    this.world.add(this.ground);
  }

  #addLight() {
    this.sun = new DirectionalLight(0xffffff, 2.2);
    this.sun.castShadow = true;
    this.sun.shadow.mapSize.set(1024, 1024);
    this.sun.shadow.bias = -0.0008;
    this.sun.shadow.normalBias = 0.01;
    for (const [edge, value] of Object.entries({ left: -0.9, right: 0.9, top: 0.9, bottom: -0.9, near: 0.1, far: 6 })) {
      this.sun.shadow.camera[edge] = value;
    }
    this.scene.add(this.sun, this.sun.target, new AmbientLight(0xffffff, 0.5), new HemisphereLight(0xffffff, 0x8899aa, 1.1));
  }

  #addTrail() {
    this.trail = new InstancedMesh(new CircleGeometry(0.012, 12), new MeshBasicMaterial({ color: 0x2f7fd6 }), TRAIL_POINTS);
    this.trail.count = 0;
    this.trail.frustumCulled = false;
    this.world.add(this.trail);
    this.last = null;
    this.dots = 0;
  }

  #addCamera() {
    this.camera = new PerspectiveCamera(38, 1, 0.05, 60);
    this.controls = new OrbitControls(this.camera, this.canvas);
    this.controls.enablePan = false; // the camera stays with the dog
    this.controls.minDistance = 0.6;
    this.controls.maxDistance = 7;
    this.controls.maxPolarAngle = 1.54;
    this.controls.addEventListener("change", () => { this.wanted = true; });
    this.home();
  }

  /** Look from where the view began. */
  home() {
    this.#place(new Spherical(HOME.radius, HOME.polar, HOME.around));
  }

  /** Turn the view by `around` and `over` radians, and come nearer by a factor. */
  look(around, over, nearer = 1) {
    const { minDistance, maxDistance, maxPolarAngle } = this.controls;
    const at = new Spherical().setFromVector3(this.camera.position.clone().sub(this.controls.target));
    at.theta += around;
    at.phi = Math.min(maxPolarAngle, Math.max(0.05, at.phi + over));
    at.radius = Math.min(maxDistance, Math.max(minDistance, at.radius / nearer));
    this.#place(at);
  }

  #place(spherical) {
    this.camera.position.setFromSpherical(spherical).add(this.controls.target);
    this.controls.update();
    this.wanted = true;
  }

  setDark(dark) {
    const colors = dark ? DARK : LIGHT;
    this.scene.background = new Color(colors.sky);
    this.scene.fog = new Fog(colors.sky, 5, 16);
    const pen = this.tile.image.getContext("2d");
    pen.fillStyle = colors.ground;
    pen.fillRect(0, 0, TILE_PIXELS, TILE_PIXELS);
    pen.strokeStyle = colors.line;
    pen.lineWidth = 5;
    pen.strokeRect(0, 0, TILE_PIXELS, TILE_PIXELS);
    this.tile.needsUpdate = this.wanted = true;
  }

  /** Take the newest published state. */
  show(state) {
    const [x, y] = state.position_m;
    if (!this.last || Math.hypot(this.last[0] - x, this.last[1] - y) > TRAIL_STEP_M) this.#extendTrail(x, y);
    this.state = state;
    this.stateAt_ms = performance.now();
  }

  /** Put a dot where the dog is; the oldest one goes. */
  #extendTrail(x, y) {
    this.last = [x, y];
    this.trail.setMatrixAt(this.dots % TRAIL_POINTS, new Matrix4().makeTranslation(x, y, 0.003));
    this.trail.instanceMatrix.needsUpdate = true;
    this.dots += 1;
    this.trail.count = Math.min(this.dots, TRAIL_POINTS);
  }

  /** Draw what has changed since the last frame; nothing where all stands still. */
  draw(now_ms) {
    if (!this.state) return;
    const elapsed_s = Math.min(0.25, (now_ms - this.drawnAt_ms) / 1000);
    this.drawnAt_ms = now_ms;
    const since_s = Math.min(EXTRAPOLATED_S, Math.max(0, (now_ms - this.stateAt_ms) / 1000));
    const pose = poseOf(this.state, this.state.time_s + since_s);
    const [x, y] = this.state.position_m;
    const moved = this.dog.follow(pose, { x, y, yaw: this.state.yaw_total_rad }, elapsed_s);
    if (!moved && !this.wanted && !this.#resized()) return;
    this.#resize();
    this.#followWithCamera();
    this.renderer.render(this.scene, this.camera);
    this.wanted = false;
    this.frames += 1;
  }

  #followWithCamera() {
    const { x, y } = this.dog.group.position;
    const above = Math.max(0, this.dog.body.position.z - STANDING_M);
    const target = new Vector3(x, TARGET_HEIGHT_M + above, -y);
    const way = target.clone().sub(this.controls.target);
    this.controls.target.copy(target);
    this.camera.position.add(way);
    this.controls.update();
    this.sun.target.position.set(x, TARGET_HEIGHT_M, -y);
    this.sun.position.copy(this.sun.target.position).add(new Vector3(0.8, 2.4, 0.9));
    this.ground.position.set(Math.round(x), Math.round(y), 0); // whole tiles, so that lines stay
  }

  #wantedSize() {
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    return [Math.max(1, this.canvas.clientWidth), Math.max(1, this.canvas.clientHeight), ratio];
  }

  #resized() {
    const [width, height, ratio] = this.#wantedSize();
    return this.canvas.width !== Math.floor(width * ratio) || this.canvas.height !== Math.floor(height * ratio);
  }

  #resize() {
    if (!this.#resized()) return;
    const [width, height, ratio] = this.#wantedSize();
    this.renderer.setPixelRatio(ratio);
    this.renderer.setSize(width, height, false);
    this.camera.aspect = width / height;
    this.camera.fov = width < height ? 48 : 38;
    this.camera.updateProjectionMatrix();
  }

  dispose() {
    this.controls.dispose();
    this.renderer.dispose();
  }
}
