/** One recording at a time from the microphone: WebM/Opus where the browser can, else WAV. */

import { encodeWav } from "./wav.js";

const WEBM = "audio/webm;codecs=opus";
const BITS_PER_SECOND = 32000;
const TAIL_MS = 120; // a finger lifts on the last syllable
const KEPT_OPEN_MS = 20000; // so that the next word is not lost to the microphone's start
/** The browser's noise suppression takes away what a recogniser hears by; the phone itself makes no sound. */
const WANTED = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: true };

/** Why the microphone cannot be used, as a key of `words.js`; null where it may be asked for. */
export function obstacle() {
  if (!window.isSecureContext) return "insecure";
  return navigator.mediaDevices?.getUserMedia ? null : "noRecorder";
}

/** What a DOMException of the microphone means, as a key of `words.js`. */
export function troubleOf(error) {
  if (["NotAllowedError", "SecurityError"].includes(error.name)) return "refused";
  return ["NotFoundError", "OverconstrainedError"].includes(error.name) ? "noMicrophone" : "microphoneBusy";
}

export class Recorder {
  /** `onLevel` gets the loudness, 0 to 1, for as long as a recording runs. */
  constructor({ onLevel }) {
    this.onLevel = onLevel;
    document.addEventListener("visibilitychange", () => {
      if (document.hidden && !this.taking) this.close();
    });
  }

  /** Open the microphone and return what is being taken from it; rejects with a DOMException. */
  async begin() {
    clearTimeout(this.closing);
    this.opening ||= this.open();
    const { stream, context, source, analyser } = await this.opening.catch((error) => {
      this.opening = null;
      throw error;
    });
    const resumed = context.resume();
    const takesWebm = window.MediaRecorder?.isTypeSupported(WEBM);
    if (!takesWebm) await resumed; // else only the meter needs it
    const taking = await (takesWebm ? takeWebm(stream) : takeWav(context, source));
    this.taking = taking;
    this.watchLevel(taking, analyser);
    return taking;
  }

  async open() {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: WANTED });
    const context = new AudioContext();
    const source = context.createMediaStreamSource(stream);
    const analyser = context.createAnalyser();
    analyser.fftSize = 1024;
    source.connect(analyser);
    stream.getAudioTracks()[0].addEventListener("ended", () => this.close()); // unplugged
    return { stream, context, source, analyser };
  }

  /** End a recording and return it as a Blob. */
  async end(taking) {
    await new Promise((resolve) => setTimeout(resolve, TAIL_MS));
    const recording = await taking.end();
    this.leave(taking);
    return recording;
  }

  /** End a recording and throw it away. */
  discard(taking) {
    taking.end();
    this.leave(taking);
  }

  leave(taking) {
    if (this.taking !== taking) return;
    this.taking = null;
    this.onLevel(0);
    clearTimeout(this.closing);
    if (document.hidden) this.close();
    else this.closing = setTimeout(() => this.close(), KEPT_OPEN_MS);
  }

  async close() {
    const opening = this.opening;
    this.opening = null;
    const opened = await opening?.catch(() => null);
    for (const track of opened?.stream.getTracks() || []) track.stop();
    await opened?.context.close();
  }

  watchLevel(taking, analyser) {
    const heights = new Float32Array(analyser.fftSize);
    const look = () => {
      if (this.taking !== taking) return;
      analyser.getFloatTimeDomainData(heights);
      const loudness = Math.sqrt(heights.reduce((sum, each) => sum + each * each, 0) / heights.length);
      this.onLevel(Math.min(1, Math.sqrt(loudness) * 1.6));
      requestAnimationFrame(look);
    };
    look();
  }
}

async function takeWebm(stream) {
  const recorder = new MediaRecorder(stream, { mimeType: WEBM, audioBitsPerSecond: BITS_PER_SECOND });
  const pieces = [];
  recorder.addEventListener("dataavailable", (event) => pieces.push(event.data));
  const ended = new Promise((resolve) => recorder.addEventListener("stop", resolve));
  await new Promise((resolve, reject) => {
    recorder.addEventListener("start", resolve);
    recorder.addEventListener("error", (event) => reject(event.error || new DOMException("", "NotReadableError")));
    recorder.start();
  });
  return {
    async end() {
      if (recorder.state !== "inactive") recorder.stop();
      await ended;
      return new Blob(pieces, { type: "audio/webm" });
    },
  };
}

async function takeWav(context, source) {
  await context.audioWorklet.addModule("/console/sample_worklet.js");
  const samples = new AudioWorkletNode(context, "samples", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
  const pieces = [];
  await new Promise((resolve) => {
    samples.port.onmessage = ({ data }) => {
      pieces.push(data);
      resolve();
    };
    source.connect(samples);
  });
  return {
    async end() {
      source.disconnect(samples);
      samples.port.close();
      return encodeWav(pieces, context.sampleRate);
    },
  };
}
