/** The mock's loudspeaker: plays here, in the browser, what was uploaded to the dog's audio service. */

/** Silent until it is switched on, which a browser allows after a press only. */
export class Loudspeaker {
  constructor(call, callBytes) {
    this.call = call;
    this.callBytes = callBytes;
    this.context = null;
    this.playing = null;
    this.last = 0;
    this.heard = 0;
  }

  /** Switch on or off; return whether it is on. */
  async toggle() {
    if (this.context) {
      await this.context.close();
      this.context = this.playing = null;
      return false;
    }
    this.last = (await this.call("/v1/sounds")).total; // what was said before stays unheard
    this.context = new AudioContext();
    return true;
  }

  /** Play what is new, and fall silent where the dog's megaphone was closed. */
  async follow() {
    if (!this.context) return;
    const { total, open } = await this.call("/v1/sounds");
    if (!open && this.playing) this.playing.stop();
    if (total < this.last) this.last = 0; // the mock was started anew
    if (total === this.last) return;
    this.last = total;
    const sound = await this.context.decodeAudioData(await this.callBytes(`/v1/sounds/${total}`));
    this.playing = this.context.createBufferSource();
    this.playing.buffer = sound;
    this.playing.connect(this.context.destination);
    this.playing.start();
    this.heard += 1;
  }
}
