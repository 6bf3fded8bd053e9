/** Our sign, drawn: a small gate with an arch. No picture file is needed for the tray, and its dot can come and go. */

export interface Icon {
  readonly size: number;
  /** four bytes a pixel, straight alpha: red, green, blue, alpha */
  readonly pixels: Uint8Array;
}

type Colour = readonly [red: number, green: number, blue: number];

const ground: Colour = [31, 78, 95];
const gate: Colour = [244, 246, 246];
const dot: Colour = [214, 69, 32];

// samples a side of each pixel
const fine = 4;

/** `hasDot`: something waits. */
export function drawIcon(size: number, hasDot: boolean): Icon {
  const pixels = new Uint8Array(size * size * 4);
  for (let row = 0; row < size; row += 1) {
    for (let column = 0; column < size; column += 1) pixels.set(pixelAt({ row, column, size }, hasDot), (row * size + column) * 4);
  }
  return { size, pixels };
}

function pixelAt({ row, column, size }: { row: number; column: number; size: number }, hasDot: boolean): [number, number, number, number] {
  const sum = [0, 0, 0];
  let covered = 0;
  for (let sample = 0; sample < fine * fine; sample += 1) {
    const x = (column + ((sample % fine) + 0.5) / fine) / size;
    const y = (row + (Math.floor(sample / fine) + 0.5) / fine) / size;
    const colour = colourAt(x, y, hasDot);
    if (colour === null) continue;
    covered += 1;
    for (const [channel, value] of colour.entries()) sum[channel] = (sum[channel] ?? 0) + value;
  }
  const mean = (channel: number): number => (covered === 0 ? 0 : Math.round((sum[channel] ?? 0) / covered));
  return [mean(0), mean(1), mean(2), Math.round((covered / (fine * fine)) * 255)];
}

/** Coordinates from 0 to 1. */
function colourAt(x: number, y: number, hasDot: boolean): Colour | null {
  if (hasDot) {
    const away = Math.hypot(x - 0.76, y - 0.76);
    if (away < 0.22) return dot;
    // a gap, so that the dot is seen on every ground
    if (away < 0.28) return null;
  }
  if (!isInRounded(x, y)) return null;
  return isInArch(x, y, { half: 0.25, top: 0.42 }) && !isInArch(x, y, { half: 0.13, top: 0.47 }) ? gate : ground;
}

function isInRounded(x: number, y: number): boolean {
  const radius = 0.2;
  const margin = 0.04;
  const dx = Math.max(margin + radius - x, x - (1 - margin - radius), 0);
  const dy = Math.max(margin + radius - y, y - (1 - margin - radius), 0);
  return Math.hypot(dx, dy) <= radius;
}

function isInArch(x: number, y: number, { half, top }: { half: number; top: number }): boolean {
  const away = Math.abs(x - 0.5);
  if (y > 0.8) return false;
  return y >= top ? away <= half : Math.hypot(away, y - top) <= half;
}
