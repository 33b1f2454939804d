// What is drawn over an image: a map as outlines or heat, and outlines of masks.

const RAISES = [242, 160, 78];
const LOWERS = [99, 179, 237];
const FAILED = [170, 176, 180];
const REFERENCE = [255, 255, 255];
const PREDICTED = [126, 217, 167];

function outline(grid, name) {
  const path = isoline(grid, 1, 0.5);
  if (name === "predicted") return [{ path, colour: PREDICTED, dash: [], weight: 1.6 }];
  return [{ path, colour: REFERENCE, dash: [2, 4], weight: 2 }];
}

// Marching squares over cell centres; a ring of zeros closes outlines at the border. Segments
// are joined into lines, so that a dash runs along the whole outline.
function isoline(grid, sign, limit) {
  const { rows, columns, wide, tall, width, height } = grid;
  const at = (i, j) =>
    i < 0 || j < 0 || i >= rows || j >= columns ? 0 : sign * grid.at(i, j);
  const x = (j) => clamp((j + 0.5) * wide, 0, width);
  const y = (i) => clamp((i + 0.5) * tall, 0, height);
  const points = new Map();
  const next = new Map();
  const along = (a, b, from, to) => from + ((limit - a) / (b - a)) * (to - from);
  // Names of a cell's four edges: each is shared with the neighbour that owns its corner.
  const name = (i, j, side) => (((i + 1) * (columns + 2) + j + 1) << 1) | side;
  for (let i = -1; i < rows; i += 1) {
    for (let j = -1; j < columns; j += 1) {
      const [a, b, c, d] = [at(i, j), at(i, j + 1), at(i + 1, j + 1), at(i + 1, j)];
      const code =
        (a >= limit ? 1 : 0) | (b >= limit ? 2 : 0) | (c >= limit ? 4 : 0) | (d >= limit ? 8 : 0);
      if (code === 0 || code === 15) continue;
      const edges = [
        [name(i, j, 0), () => [along(a, b, x(j), x(j + 1)), y(i)]],
        [name(i, j + 1, 1), () => [x(j + 1), along(b, c, y(i), y(i + 1))]],
        [name(i + 1, j, 0), () => [along(d, c, x(j), x(j + 1)), y(i + 1)]],
        [name(i, j, 1), () => [x(j), along(a, d, y(i), y(i + 1))]],
      ];
      for (const [from, to] of SEGMENTS[code]) {
        for (const edge of [from, to]) {
          const [id, point] = edges[edge];
          if (!points.has(id)) points.set(id, point());
        }
        next.set(edges[from][0], edges[to][0]);
      }
    }
  }
  return joined(points, next);
}

// Segments run with the inside on one hand, so each edge is left once and reached once.
const SEGMENTS = [
  [], [[3, 0]], [[0, 1]], [[3, 1]], [[1, 2]], [[3, 0], [1, 2]], [[0, 2]], [[3, 2]],
  [[2, 3]], [[2, 0]], [[0, 1], [2, 3]], [[2, 1]], [[1, 3]], [[1, 0]], [[0, 3]], [],
];

function joined(points, next) {
  const path = new Path2D();
  for (const start of [...next.keys()]) {
    let id = start;
    if (!next.has(id)) continue;
    path.moveTo(...points.get(id));
    while (next.has(id)) {
      const to = next.get(id);
      next.delete(id);
      id = to;
      if (id === start) break;
      path.lineTo(...points.get(id));
    }
    path.closePath();
  }
  return path;
}

class Overlay extends Pixels {
  // Where a voxel's value lies in a layer over the image.
  cell(layer, { slice, row, column }) {
    const { meta } = this.image;
    const { columns, rows, depth, span_x: across, span_y: down } = layer;
    const k = clamp(Math.floor(((slice + 0.5) * depth) / meta.depth), 0, depth - 1);
    const i = clamp(Math.floor(((row + 0.5) * rows) / (down * meta.height)), 0, rows - 1);
    const j = clamp(Math.floor(((column + 0.5) * columns) / (across * meta.width)), 0, columns - 1);
    return (k * rows + i) * columns + j;
  }

  offset(layer) {
    if (layer.depth === 1) return 0;
    return this.cell(layer, { slice: this.view.slice, row: 0, column: 0 });
  }

  heat() {
    if (this.overlay?.slice === this.view.slice) return this.overlay.canvas;
    const { meta, map } = this.image;
    const { rows, columns, scale, failed } = meta.map;
    const canvas = new OffscreenCanvas(columns, rows);
    const context = canvas.getContext("2d");
    const picture = context.createImageData(columns, rows);
    const offset = this.offset(meta.map);
    for (let i = 0; i < rows * columns; i += 1) {
      this.colourHeat(picture.data, 4 * i, map[offset + i] / scale, failed);
    }
    context.putImageData(picture, 0, 0);
    this.overlay = { canvas, slice: this.view.slice };
    return canvas;
  }

  colourHeat(data, at, value, failed) {
    const size = Math.min(Math.abs(value), 1);
    data.set(failed ? FAILED : value >= 0 ? RAISES : LOWERS, at);
    data[at + 3] = size < this.view.threshold ? 0 : Math.round(255 * (0.35 + 0.65 * size));
  }

  contours() {
    if (this.paths?.slice === this.view.slice) return this.paths.list;
    const { meta, map } = this.image;
    const list = this.mapLines(this.gridOf(meta.map, map), meta.map);
    this.paths = { list, slice: this.view.slice };
    return list;
  }

  mapLines(grid, { failed, scale }) {
    const first = this.view.threshold;
    const list = [];
    for (const [sign, colour, dash] of [
      [1, failed ? FAILED : RAISES, []],
      [-1, failed ? FAILED : LOWERS, [7, 5]],
    ]) {
      for (const [level, weight] of [
        [first, 2.2],
        [(1 + first) / 2, 1.1],
      ]) {
        list.push({ path: isoline(grid, sign, level * scale), colour, dash, weight });
      }
    }
    return list;
  }

  // A layer over the shown slice, as a grid in pixels of the image.
  gridOf(layer, values) {
    const { meta } = this.image;
    const { rows, columns } = layer;
    const offset = this.offset(layer);
    return {
      rows,
      columns,
      wide: (meta.width * layer.span_x) / columns,
      tall: (meta.height * layer.span_y) / rows,
      width: meta.width,
      height: meta.height,
      at: (i, j) => values[offset + i * columns + j],
    };
  }

  outlineOf(name) {
    const known = this.outlines[name];
    if (known?.slice === this.view.slice) return known.list;
    const list = outline(this.gridOf(this.image.meta[name], this.image[name]), name);
    this.outlines[name] = { list, slice: this.view.slice };
    return list;
  }

  // Outlines of the study and of the model that the reader wants to see.
  outlinesShown() {
    if (this.peek) return [];
    return ["predicted", "reference"].filter((name) => this.image[name] && this.view[name]);
  }

  forgetMap() {
    this.overlay = this.paths = null;
    for (const key of [...this.cuts.keys()]) if (key.startsWith("map")) this.cuts.delete(key);
  }

  paintMap(x, y, width, height) {
    const { context: c, view } = this;
    const { meta } = this.image;
    if (view.mode === "contour") {
      this.paintLines(this.contours(), x, y, width, height, clamp(view.opacity * 2, 0, 1));
      return;
    }
    c.globalAlpha = view.opacity;
    c.imageSmoothingEnabled = true;
    c.drawImage(this.heat(), x, y, width * meta.map.span_x, height * meta.map.span_y);
    c.globalAlpha = 1;
  }

  paintLines(lines, x, y, width, height, alpha, size) {
    const { context: c } = this;
    const { meta } = this.image;
    const [columns, rows] = size ?? [meta.width, meta.height];
    // The path is placed, not the canvas: lines keep their width where voxels are no cubes.
    const place = new DOMMatrix([width / columns, 0, 0, height / rows, x, y]);
    c.save();
    c.globalAlpha = alpha;
    c.lineJoin = "round";
    for (const { path, colour, dash, weight } of lines) {
      const line = new Path2D();
      line.addPath(path, place);
      c.setLineDash(dash);
      c.strokeStyle = "rgba(0,0,0,0.65)";
      c.lineWidth = weight + 2;
      c.stroke(line);
      c.strokeStyle = `rgb(${colour})`;
      c.lineWidth = weight;
      c.stroke(line);
    }
    c.restore();
  }
}
