// Three planes of a volume, linked by one place. Where the patient's directions are known, planes
// are the anatomical ones however the volume was acquired, each in the radiological convention.

const OPPOSITE = { R: "L", L: "R", A: "P", P: "A", H: "F", F: "H" };
const PAIR = { R: "RL", L: "RL", A: "AP", P: "AP", H: "FH", F: "FH" };
const AXES = ["column", "row", "slice"];
const ANATOMICAL = [
  { name: "Axial", right: "L", down: "P" },
  { name: "Coronal", right: "L", down: "F" },
  { name: "Sagittal", right: "P", down: "F" },
];
const CROSS = "rgba(126, 217, 167, 0.75)";

function opposite(letters) {
  return [...letters].map((letter) => OPPOSITE[letter] ?? letter).join("");
}

// Which axis of the volume runs along each side of each plane, and whether it is turned round.
function planesOf(meta) {
  const toward = {
    column: meta.orientation?.right,
    row: meta.orientation?.bottom,
    slice: meta.slices_toward,
  };
  const byPair = {};
  for (const axis of AXES) byPair[PAIR[toward[axis]?.[0]]] = axis;
  const ends = (axis, flip) => {
    const letters = toward[axis];
    if (!letters) return ["", ""];
    return flip ? [letters, opposite(letters)] : [opposite(letters), letters];
  };
  const plane = (name, x, y) => {
    const through = AXES.find((axis) => axis !== x.axis && axis !== y.axis);
    const [left, right] = ends(x.axis, x.flip);
    const [top, bottom] = ends(y.axis, y.flip);
    return { name, x, y, through, letters: { left, right, top, bottom } };
  };
  if (byPair.RL && byPair.AP && byPair.FH) {
    const along = (letter) => {
      const axis = byPair[PAIR[letter]];
      return { axis, flip: toward[axis][0] !== letter };
    };
    return ANATOMICAL.map(({ name, right, down }) => plane(name, along(right), along(down)));
  }
  const [column, row] = ["column", "row"].map((axis) => ({ axis, flip: false }));
  const slice = { axis: "slice", flip: true };
  return [
    plane("As stored", column, row),
    plane("Across rows", column, slice),
    plane("Across columns", row, slice),
  ];
}

class Planes extends Overlay {
  inPlanes() {
    return this.image.meta.depth > 1 && this.view.planes;
  }

  count(axis) {
    const { meta } = this.image;
    return { column: meta.width, row: meta.height, slice: meta.depth }[axis];
  }

  // Where the crosshair lies along a side of a plane, as a share of it.
  share({ axis, flip }) {
    const share = (this.view[axis] + 0.5) / this.count(axis);
    return flip ? 1 - share : share;
  }

  index({ axis, flip }, share) {
    const count = this.count(axis);
    const at = clamp(Math.floor(share * count), 0, count - 1);
    return flip ? count - 1 - at : at;
  }

  // Three planes side by side at one scale, below them again without the map where asked for;
  // lengths are in columns of the image.
  planeLayout() {
    const { view } = this;
    const { meta } = this.image;
    const box = this.part(".stage").getBoundingClientRect();
    const shown = Math.max(box.width, 200);
    const wide = shown / 3;
    const rows = view.beside && view.mode !== "off" && meta.map ? 2 : 1;
    const length = { column: 1, row: meta.aspect, slice: meta.aspect_z };
    const sides = this.planes.map(({ x, y }) =>
      [x, y].map(({ axis }) => this.count(axis) * length[axis]),
    );
    const across = Math.min(...sides.map(([w]) => wide / w));
    const needed = across * Math.max(...sides.map(([, h]) => h));
    const limit = Math.min(640, window.innerHeight * 0.72) / rows;
    const tall = clamp(needed, 150, Math.max(limit, 200));
    const fit = Math.min(across, ...sides.map(([, h]) => tall / h));
    const scale = fit * view.zoom;
    const panels = [];
    for (let row = 0; row < rows; row += 1) {
      this.planes.forEach((plane, index) => {
        const [width, height] = sides[index].map((side) => side * scale);
        const cross = [this.share(plane.x), this.share(plane.y)];
        const [u, v] = view.zoom > 1 ? cross : [0.5, 0.5];
        const left = index * wide;
        const top = row * tall;
        const x = left + wide / 2 - u * width;
        const y = top + tall / 2 - v * height;
        panels.push({ plane, plain: rows === 2 && row === 0, left, top, x, y, width, height, cross });
      });
    }
    return { panels, rows, wide, tall, shown, scale };
  }

  // The panel under the pointer, and where in its plane the pointer is.
  panelAt(event) {
    const box = this.canvas.getBoundingClientRect();
    const px = event.clientX - box.left;
    const py = event.clientY - box.top;
    const { panels, rows, wide, tall } = this.planeLayout();
    const row = clamp(Math.floor(py / tall), 0, rows - 1);
    const column = clamp(Math.floor(px / wide), 0, 2);
    const panel = panels[3 * row + column];
    return { panel, column, u: (px - panel.x) / panel.width, v: (py - panel.y) / panel.height };
  }

  // A voxel under the pointer, or null outside the volume.
  planeVoxelAt(event) {
    const { panel, u, v } = this.panelAt(event);
    if (u < 0 || v < 0 || u >= 1 || v >= 1) return null;
    const { slice, row, column } = this.view;
    const { x, y } = panel.plane;
    return { slice, row, column, [x.axis]: this.index(x, u), [y.axis]: this.index(y, v) };
  }

  // Move the crosshair within the plane that was used last, in steps to the right and down.
  step(right, down) {
    const { x, y } = this.planes[this.view.plane];
    this.shift(x, right);
    this.shift(y, down);
  }

  shift({ axis, flip }, steps) {
    const at = this.view[axis] + (flip ? -steps : steps);
    this.view[axis] = clamp(at, 0, this.count(axis) - 1);
  }

  // Drag: at 100 % the crosshair follows the pointer; enlarged, the image does.
  slide(event, grip) {
    const { panels } = this.planeLayout();
    if (this.view.zoom <= 1) {
      const place = this.planeVoxelAt(event);
      if (place) Object.assign(this.view, place);
    } else {
      const { x, y } = this.planes[grip.plane];
      const panel = panels[grip.plane];
      this.view[x.axis] = this.index(x, grip.share[0] - (event.clientX - grip.from.x) / panel.width);
      this.view[y.axis] = this.index(y, grip.share[1] - (event.clientY - grip.from.y) / panel.height);
    }
    this.reflect();
    this.draw();
  }

  paintPlanes() {
    const { panels, rows, wide, tall, shown, scale } = this.planeLayout();
    const ratio = window.devicePixelRatio || 1;
    const { context: c, view } = this;
    const { meta } = this.image;
    this.blank(shown, rows * tall, ratio);
    for (const panel of panels) {
      c.save();
      c.beginPath();
      c.rect(panel.left, panel.top, wide, tall);
      c.clip();
      this.paintPlane(panel);
      this.paintCross(panel, wide, tall);
      this.paintLetters(panel.left, panel.top, wide, tall, panel.plane.letters);
      this.paintTitle(panel);
      c.restore();
    }
    c.fillStyle = "#33424a";
    for (const place of [wide, 2 * wide]) c.fillRect(place - 0.5, 0, 1, rows * tall);
    if (rows === 2) c.fillRect(0, tall - 0.5, shown, 1);
    this.paintScaleBar(rows * tall, scale);
    this.part(".zoom").textContent = `${Math.round(view.zoom * 100)} %`;
    this.part("[name=planes]").setAttribute(
      "aria-description",
      `Slice ${view.slice + 1}, row ${view.row + 1}, column ${view.column + 1} of ` +
        `${meta.depth}, ${meta.height}, ${meta.width}`,
    );
  }

  paintPlane({ plane, plain, x, y, width, height }) {
    const { context: c, view } = this;
    const hasMap = this.image.map && !plain && !this.peek;
    c.imageSmoothingEnabled = true;
    c.drawImage(this.planeImage(plane), x, y, width, height);
    if (hasMap && view.mode === "heat") {
      c.globalAlpha = view.opacity;
      c.drawImage(this.planeHeat(plane), x, y, width, height);
      c.globalAlpha = 1;
    }
    const size = this.planeSize(plane);
    if (hasMap && view.mode === "contour") {
      const lines = this.planeLines("map", plane);
      this.paintLines(lines, x, y, width, height, clamp(view.opacity * 2, 0, 1), size);
    }
    if (plain) return;
    for (const layer of this.outlinesShown()) {
      this.paintLines(this.planeLines(layer, plane), x, y, width, height, 0.95, size);
    }
  }

  paintCross({ left, top, x, y, width, height, cross }, wide, tall) {
    const c = this.context;
    c.strokeStyle = CROSS;
    c.lineWidth = 1;
    c.setLineDash([4, 4]);
    c.beginPath();
    c.moveTo(x + cross[0] * width, top);
    c.lineTo(x + cross[0] * width, top + tall);
    c.moveTo(left, y + cross[1] * height);
    c.lineTo(left + wide, y + cross[1] * height);
    c.stroke();
    c.setLineDash([]);
  }

  paintTitle({ plane, plain, left, top }) {
    const at = `${this.view[plane.through] + 1}/${this.count(plane.through)}`;
    const c = this.context;
    c.font = "12px sans-serif";
    c.textAlign = "left";
    c.textBaseline = "top";
    c.strokeStyle = "rgba(0,0,0,0.8)";
    c.lineWidth = 3;
    c.fillStyle = "#f4f7f6";
    [`${plane.name} ${at}`, ...(plain ? ["image alone"] : [])].forEach((told, line) => {
      c.strokeText(told, left + 8, top + 8 + 15 * line);
      c.fillText(told, left + 8, top + 8 + 15 * line);
    });
  }

  planeSize({ x, y }) {
    return [this.count(x.axis), this.count(y.axis)];
  }

  // The voxel shown at column i and row j of a plane.
  planeVoxel({ x, y }, i, j) {
    const { slice, row, column } = this.view;
    const place = { slice, row, column };
    place[x.axis] = x.flip ? this.count(x.axis) - 1 - i : i;
    place[y.axis] = y.flip ? this.count(y.axis) - 1 - j : j;
    return place;
  }

  cut(key, make) {
    if (!this.cuts.has(key)) {
      if (this.cuts.size > 60) this.cuts.delete(this.cuts.keys().next().value);
      this.cuts.set(key, make());
    }
    return this.cuts.get(key);
  }

  planeImage(plane) {
    const { view } = this;
    const { meta, pixels } = this.image;
    const key = ["image", plane.name, view[plane.through], view.low, view.high, view.invert, view.curve].join();
    return this.cut(key, () => {
      this.fillTable();
      const [width, height] = this.planeSize(plane);
      const canvas = new OffscreenCanvas(width, height);
      const context = canvas.getContext("2d", { alpha: false });
      const picture = context.createImageData(width, height);
      const words = new Uint32Array(picture.data.buffer);
      const stride = { column: 1, row: meta.width, slice: meta.width * meta.height };
      const start = this.planeVoxel(plane, 0, 0);
      const first = start.slice * stride.slice + start.row * stride.row + start.column;
      const right = stride[plane.x.axis] * (plane.x.flip ? -1 : 1);
      const down = stride[plane.y.axis] * (plane.y.flip ? -1 : 1);
      for (let j = 0, to = 0; j < height; j += 1) {
        for (let i = 0, at = first + j * down; i < width; i += 1, at += right, to += 1) {
          words[to] = this.lut[pixels[at]];
        }
      }
      context.putImageData(picture, 0, 0);
      return canvas;
    });
  }

  planeHeat(plane) {
    const { meta, map } = this.image;
    const key = ["map heat", plane.name, this.view[plane.through], this.view.threshold].join();
    return this.cut(key, () => {
      const [width, height] = this.planeSize(plane);
      const canvas = new OffscreenCanvas(width, height);
      const context = canvas.getContext("2d");
      const picture = context.createImageData(width, height);
      for (let j = 0; j < height; j += 1) {
        for (let i = 0; i < width; i += 1) {
          const value = map[this.cell(meta.map, this.planeVoxel(plane, i, j))] / meta.map.scale;
          this.colourHeat(picture.data, 4 * (j * width + i), value, meta.map.failed);
        }
      }
      context.putImageData(picture, 0, 0);
      return canvas;
    });
  }

  planeLines(name, plane) {
    const layer = this.image.meta[name];
    const values = this.image[name];
    const key = [`${name} lines`, plane.name, this.view[plane.through], this.view.threshold].join();
    return this.cut(key, () => {
      const [width, height] = this.planeSize(plane);
      const grid = {
        rows: height,
        columns: width,
        wide: 1,
        tall: 1,
        width,
        height,
        at: (i, j) => values[this.cell(layer, this.planeVoxel(plane, j, i))],
      };
      return name === "map" ? this.mapLines(grid, layer) : outline(grid, name);
    });
  }
}
