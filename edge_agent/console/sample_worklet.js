/** Hands the microphone's samples, one channel, from the audio thread to the page. */

class Samples extends AudioWorkletProcessor {
  process([input]) {
    if (input.length) this.port.postMessage(input[0].slice());
    return true;
  }
}

registerProcessor("samples", Samples);
