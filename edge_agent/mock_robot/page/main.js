/**
 * The page: asks the mock for its state and shows it, in three dimensions where the browser can.
 *
 * `window.dog` tells tests and the curious what is really drawn, read from the scene graph and not
 * from the state that the mock sent:
 * - `view`: "3d", "2d" (no WebGL), "text" (no canvas), or "" until the first state is shown
 * - `frames()`: how many pictures were drawn; `triangles()`: how many the last one had (3d only)
 * - `joints()`: radians by leg (`front_left`, `front_right`, `rear_left`, `rear_right`):
 *   `{abduction_rad, hip_rad, knee_rad}`; `head()`: `{roll_rad, pitch_rad}` (3d only, else null)
 * - `body()`: `{position_m, rpy_rad, up}` in the robot's frame; `feet()`: metres by leg (3d only)
 * - `camera()`: where the camera is, metres from what it looks at (3d only)
 * - `heard()`: how many sounds were played since the sound was switched on
 * - `state`: the last state that the mock sent
 */

import { FlatDrawing } from "./drawing.js";
import { FaultPanel } from "./faults.js";
import { call as callMock, callBytes } from "./link.js";
import { Loudspeaker } from "./loudspeaker.js";
import { CallTable, showFacts } from "./panel.js";
import { fillWords, switchLanguage, words } from "./words.js";

const POLL_MS = 60;
const RETRY_MS = 1000;
const FAULTS_EVERY = 15;
const TURN_RAD = 0.2;
const NEARER = 1.2;

const byId = (id) => document.getElementById(id);
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const askToken = () => window.prompt(words().token);
const call = (path, options) => callMock(path, askToken, options);
const loudspeaker = new Loudspeaker(call, (path) => callBytes(path, askToken));
const calls = new CallTable();
const faults = new FaultPanel(call);
let scene = null;
let flat = null;
let notice = "";
let link = "connecting";

window.dog = {
  view: "",
  state: null,
  frames: () => (scene || flat || { frames: 0 }).frames,
  triangles: () => (scene ? scene.renderer.info.render.triangles : null),
  heard: () => loudspeaker.heard,
  joints: () => (scene ? scene.dog.joints() : null),
  body: () => (scene ? scene.dog.bodyNow() : null),
  feet: () => (scene ? scene.dog.feet() : null),
  camera: () => (scene ? scene.camera.position.clone().sub(scene.controls.target).toArray() : null),
  head: () => (scene ? { roll_rad: scene.dog.head.rotation.x, pitch_rad: scene.dog.head.rotation.y } : null),
};

/** Choose the best view that this browser has; `?view=2d` or `?view=text` asks for less. */
async function openView() {
  const asked = new URLSearchParams(location.search).get("view") || "3d";
  if (asked === "3d") {
    try {
      const { DogScene } = await import("./scene.js");
      scene = new DogScene(byId("scene"), dark.matches);
      byId("scene").addEventListener("webglcontextlost", loseScene);
      return setView("3d", "");
    } catch (error) {
      console.warn("no three-dimensional view:", error);
    }
  }
  openFlat(asked, "flat");
}

function openFlat(asked, reason) {
  try {
    if (asked === "text") throw new Error("text was asked for");
    flat = new FlatDrawing(byId("above"), byId("side"));
    setView("2d", reason);
  } catch (error) {
    console.warn("no drawing:", error);
    setView("text", "text");
  }
}

function loseScene(event) {
  event.preventDefault();
  scene = null;
  openFlat("2d", "broken");
}

function setView(view, reason) {
  window.dog.view = document.body.dataset.view = view;
  notice = reason;
  showWords();
}

function showWords() {
  fillWords();
  byId("notice").textContent = notice ? words()[notice] : "";
  byId("notice").hidden = !notice;
  byId("language").lang = words().otherLang;
  byId("link").textContent = words().link[link];
  byId("link").dataset.link = link;
  calls.show();
  faults.show();
  if (window.dog.state) showFacts(window.dog.state);
}

function setLink(now) {
  if (link === now) return;
  link = now;
  showWords();
}

function drawFrame(now_ms) {
  if (scene) scene.draw(now_ms);
  requestAnimationFrame(drawFrame);
}

async function refresh(round) {
  const state = await call("/v1/state");
  window.dog.state = state;
  (scene || flat || { show() {} }).show(state);
  showFacts(state);
  if (calls.take(await call(`/v1/calls?service=all&after=${calls.last}`))) calls.show();
  await loudspeaker.follow();
  if (round % FAULTS_EVERY === 0) faults.take((await call("/faults")).faults);
  setLink("live");
}

async function poll() {
  for (let round = 0; ; round += 1) {
    let wait_ms = document.hidden ? RETRY_MS : POLL_MS;
    try {
      await refresh(round);
    } catch (error) {
      setLink(error instanceof TypeError ? "lost" : "refused");
      wait_ms = RETRY_MS;
    }
    await new Promise((resolve) => setTimeout(resolve, wait_ms));
  }
}

const LOOKS = {
  left: [-TURN_RAD, 0], right: [TURN_RAD, 0], up: [0, -TURN_RAD], down: [0, TURN_RAD],
  nearer: [0, 0, NEARER], farther: [0, 0, 1 / NEARER],
};
const KEYS = { ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down", "+": "nearer", "=": "nearer", "-": "farther", Home: "home" };

function look(name) {
  if (!scene) return;
  if (name === "home") scene.home();
  else scene.look(...LOOKS[name]);
}

byId("scene").addEventListener("keydown", (event) => {
  const name = KEYS[event.key];
  if (!name || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  look(name);
});
for (const button of document.querySelectorAll("[data-look]")) button.addEventListener("click", () => look(button.dataset.look));
byId("sound").addEventListener("click", async () => byId("sound").setAttribute("aria-pressed", String(await loudspeaker.toggle())));
byId("language").addEventListener("click", () => { switchLanguage(); showWords(); });
dark.addEventListener("change", () => { if (scene) scene.setDark(dark.matches); });

showWords();
openView().then(() => { requestAnimationFrame(drawFrame); poll(); });
