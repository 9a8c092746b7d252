/** The flat drawings for a browser without WebGL: the dog from above and from the side. */

import { postureOf } from "./postures.js";

const TRAIL_POINTS = 600;
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** Draws on two canvases; throws where the browser has no canvas either. */
export class FlatDrawing {
  constructor(above, side) {
    this.above = above.getContext("2d");
    this.side = side.getContext("2d");
    if (!this.above || !this.side) throw new Error("this browser has no canvas");
    this.trail = [];
    this.frames = 0;
  }

  show(state) {
    const [x, y] = state.position_m;
    const last = this.trail[this.trail.length - 1];
    if (!last || Math.hypot(last[0] - x, last[1] - y) > 0.02) this.trail.push([x, y]);
    if (this.trail.length > TRAIL_POINTS) this.trail.shift();
    this.#drawAbove(state);
    this.#drawSide(state);
    this.frames += 1;
  }

  #drawAbove(state) {
    const g = this.above, { width: w, height: h } = g.canvas, scale = 130;
    const [x, y] = state.position_m;
    g.clearRect(0, 0, w, h);
    g.strokeStyle = css("--line"); g.lineWidth = 1; g.beginPath();
    for (let m = -4; m <= 4; m += 0.5) {
      const gx = w / 2 + (Math.floor(-y * 2) / 2 + m + y) * scale, gy = h / 2 + (Math.floor(-x * 2) / 2 + m + x) * scale;
      g.moveTo(gx, 0); g.lineTo(gx, h); g.moveTo(0, gy); g.lineTo(w, gy);
    }
    g.stroke();
    g.strokeStyle = css("--dim"); g.lineWidth = 2; g.beginPath();
    this.trail.forEach(([px, py], index) => {
      const a = w / 2 + (y - py) * scale, b = h / 2 + (x - px) * scale;
      if (index) g.lineTo(a, b); else g.moveTo(a, b);
    });
    g.stroke();
    g.save(); g.translate(w / 2, h / 2); g.rotate(-state.rpy_rad[2]);
    g.fillStyle = css("--dog");
    for (const [lx, ly] of [[-26, -36], [26, -36], [-26, 30], [26, 30]]) { g.beginPath(); g.arc(lx, ly, 8, 0, 7); g.fill(); }
    g.beginPath(); g.roundRect(-20, -46, 40, 92, 12); g.fill();
    g.fillStyle = css("--on"); g.beginPath(); g.moveTo(-14, -50); g.lineTo(0, -74); g.lineTo(14, -50); g.fill();
    g.restore();
  }

  #drawSide(state) {
    const g = this.side, { width: w, height: h } = g.canvas, ground = h - 60, scale = 560, half = 108;
    g.clearRect(0, 0, w, h);
    g.strokeStyle = css("--line"); g.lineWidth = 3; g.beginPath(); g.moveTo(0, ground); g.lineTo(w, ground); g.stroke();
    const flip = state.doing === "FrontFlip" ? state.progress * 2 * Math.PI : state.doing === "BackFlip" ? -state.progress * 2 * Math.PI : 0;
    const pitch = postureOf(state).pitch + state.rpy_rad[1] + flip;
    const height = Math.max(state.body_height_m, 0.06) * scale;
    const hip = (end) => [w / 2 + end * half * Math.cos(pitch), ground - height + end * half * Math.sin(pitch)];
    const air = [11, 12, 13].includes(state.mode) ? Math.sin(Math.PI * state.progress) * 0.25 * scale : 0;
    g.lineWidth = 13; g.lineCap = g.lineJoin = "round"; g.strokeStyle = css("--dog");
    for (const end of [-1, 1]) {
      const [x, y] = hip(end), step = state.mode === 3 ? 16 * Math.sin(state.time_s * 12 + end) : 0;
      const foot = [x + step + 6, ground - 6 - air], reach = Math.max(0, 1 - ((foot[1] - y) / 200) ** 2);
      g.beginPath(); g.moveTo(x, y); g.lineTo((x + foot[0]) / 2 - 70 * Math.sqrt(reach), (y + foot[1]) / 2); g.lineTo(...foot); g.stroke();
    }
    const [fx, fy] = hip(1), [rx, ry] = hip(-1);
    g.save(); g.translate((fx + rx) / 2, (fy + ry) / 2); g.rotate(pitch);
    g.fillStyle = css("--dog"); g.beginPath(); g.roundRect(-140, -32, 280, 58, 22); g.fill();
    g.fillStyle = css("--on"); g.beginPath(); g.roundRect(128, -52 + 40 * Math.sin(state.rpy_rad[0]), 62, 48, 14); g.fill();
    g.restore();
  }
}
