// From the bytes of the payload to grey: levels of a pyramid through a table of 65,536 entries.

const SMALLEST_LEVEL = 384;

// u32 length of the JSON, JSON, padding to 4, u16 pixels, padding to 4, f32 map, f32 reference, f32 prediction.
function decode(data) {
  const bytes = data.byteOffset % 4 ? data.slice() : data;
  const start = bytes.byteOffset;
  const length = new DataView(bytes.buffer, start).getUint32(0, true);
  const meta = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  let at = aligned(start + 4 + length);
  const count = meta.depth * meta.height * meta.width * meta.channels;
  const pixels = new Uint16Array(bytes.buffer, at, count);
  at = aligned(at + 2 * count);
  const grid = (layer) => {
    if (!layer) return null;
    const size = layer.depth * layer.rows * layer.columns;
    const values = new Float32Array(bytes.buffer, at, size);
    at += 4 * size;
    return values;
  };
  const map = grid(meta.map);
  const reference = grid(meta.reference);
  return { meta, pixels, map, reference, predicted: grid(meta.predicted) };
}

function aligned(offset) {
  return (offset + 3) & ~3;
}

function clamp(value, low, high) {
  return Math.min(high, Math.max(low, value));
}

function short(value) {
  const size = Math.abs(value);
  return size >= 100 ? value.toFixed(0) : size >= 1 ? value.toFixed(2) : value.toFixed(3);
}

function halved(level, channels) {
  const width = level.width >> 1;
  const height = level.height >> 1;
  const pixels = new Uint16Array(width * height * channels);
  const stride = level.width * channels;
  let to = 0;
  for (let i = 0; i < height; i += 1) {
    for (let j = 0; j < width; j += 1) {
      const from = 2 * i * stride + 2 * j * channels;
      for (let k = 0; k < channels; k += 1) {
        const a = from + k;
        const sum =
          level.pixels[a] +
          level.pixels[a + channels] +
          level.pixels[a + stride] +
          level.pixels[a + stride + channels];
        pixels[to] = (sum + 2) >> 2;
        to += 1;
      }
    }
  }
  return { width, height, pixels };
}

function amount(value) {
  return Number(value.toPrecision(2)).toString();
}

function signed(value) {
  return `${value < 0 ? "−" : "+"}${amount(Math.abs(value))}`;
}

// Grey in [0, 1] at a share of the window's width; a curve of the file is stretched with it.
function greyAt(share, curve) {
  if (curve?.sigmoid) return 1 / (1 + Math.exp(-4 * (share - 0.5)));
  const straight = clamp(share, 0, 1);
  if (!curve?.table.length) return straight;
  return curve.table[Math.round(straight * (curve.table.length - 1))];
}

class Pixels {
  // The displayed image: the level of the pyramid that fits, through a 65,536-entry table.
  baseImage(scale) {
    const { meta } = this.image;
    const { view } = this;
    let step = 0;
    while (scale * 2 ** (step + 1) <= 1 && (meta.width >> (step + 1)) >= SMALLEST_LEVEL) step += 1;
    const key = [view.low, view.high, view.invert, view.curve, view.slice, step].join();
    if (this.base?.key === key) return this.base.canvas;
    const level = this.level(step);
    this.fillTable();
    const canvas =
      this.base?.canvas.width === level.width && this.base?.canvas.height === level.height
        ? this.base.canvas
        : new OffscreenCanvas(level.width, level.height);
    const context = canvas.getContext("2d", { alpha: false });
    const picture = context.createImageData(level.width, level.height);
    const words = new Uint32Array(picture.data.buffer);
    const { lut } = this;
    if (meta.channels === 1) {
      for (let i = 0; i < words.length; i += 1) words[i] = lut[level.pixels[i]];
    } else {
      for (let i = 0, p = 0; i < words.length; i += 1, p += 3) {
        const r = lut[level.pixels[p]] & 255;
        const g = lut[level.pixels[p + 1]] & 255;
        const b = lut[level.pixels[p + 2]] & 255;
        words[i] = 0xff000000 | (b << 16) | (g << 8) | r;
      }
    }
    context.putImageData(picture, 0, 0);
    this.base = { key, canvas };
    return canvas;
  }

  fillTable() {
    const { meta } = this.image;
    const { view, lut } = this;
    const curve = meta.windows[view.curve];
    const width = view.high - view.low;
    for (let i = 0; i < 65536; i += 1) {
      const share = (i * meta.slope + meta.intercept - view.low) / width;
      let grey = (255 * greyAt(share, curve)) | 0;
      if (view.invert) grey = 255 - grey;
      lut[i] = 0xff000000 | (grey << 16) | (grey << 8) | grey;
    }
  }

  level(step) {
    const name = `${this.view.slice}/${step}`;
    if (this.levels.has(name)) return this.levels.get(name);
    const { meta, pixels } = this.image;
    let made;
    if (step === 0) {
      const size = meta.width * meta.height * meta.channels;
      const start = this.view.slice * size;
      made = { width: meta.width, height: meta.height, pixels: pixels.subarray(start, start + size) };
    } else {
      made = halved(this.level(step - 1), meta.channels);
    }
    this.levels.set(name, made);
    return made;
  }
}
