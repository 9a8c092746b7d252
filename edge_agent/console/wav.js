/** WAV out of samples: one channel, 16 bits, at most 16 kHz, since more only makes the upload slower. */

const RATE_HZ = 16000;
const HEADER_BYTES = 44;

/** Return a Blob of the pieces (Float32Array, -1 to 1) that were taken at `rateHz`. */
export function encodeWav(pieces, rateHz) {
  const samples = slowDown(join(pieces), rateHz);
  const file = new DataView(new ArrayBuffer(HEADER_BYTES + 2 * samples.length));
  const rate = Math.min(rateHz, RATE_HZ);
  write(file, 0, "RIFF");
  file.setUint32(4, file.byteLength - 8, true);
  write(file, 8, "WAVEfmt ");
  file.setUint32(16, 16, true);
  file.setUint16(20, 1, true); // PCM
  file.setUint16(22, 1, true); // channels
  file.setUint32(24, rate, true);
  file.setUint32(28, 2 * rate, true);
  file.setUint16(32, 2, true);
  file.setUint16(34, 16, true);
  write(file, 36, "data");
  file.setUint32(40, 2 * samples.length, true);
  samples.forEach((each, place) => file.setInt16(HEADER_BYTES + 2 * place, Math.max(-1, Math.min(1, each)) * 32767, true));
  return new Blob([file.buffer], { type: "audio/wav" });
}

function join(pieces) {
  const all = new Float32Array(pieces.reduce((sum, each) => sum + each.length, 0));
  let place = 0;
  for (const each of pieces) {
    all.set(each, place);
    place += each.length;
  }
  return all;
}

/** Return the samples at RATE_HZ: each is the mean of those it stands for, which dulls what would alias. */
function slowDown(samples, rateHz) {
  if (rateHz <= RATE_HZ) return samples;
  const step = rateHz / RATE_HZ;
  return Float32Array.from({ length: Math.floor(samples.length / step) }, (_, place) => {
    const first = Math.round(place * step);
    const last = Math.max(first + 1, Math.round((place + 1) * step));
    let sum = 0;
    for (let each = first; each < last; each += 1) sum += samples[each];
    return sum / (last - first);
  });
}

function write(file, place, text) {
  for (let each = 0; each < text.length; each += 1) file.setUint8(place + each, text.charCodeAt(each));
}
