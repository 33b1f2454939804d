// One image with its map, drawn on a canvas. Nothing is sent back to the server: window, zoom,
// opacity and threshold live in the browser, and stay with the case across page switches.

const VIEWS = new Map();
const INSTANCES = new WeakMap();
const RAISES = [242, 160, 78];
const LOWERS = [99, 179, 237];
const FAILED = [170, 176, 180];
const REFERENCE = [255, 255, 255];
const PREDICTED = [126, 217, 167];
const CROSS = "rgba(126, 217, 167, 0.75)";
const PLANES = ["axial", "coronal", "sagittal"];
const STILL = 4;
const SMALLEST_LEVEL = 384;

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  let viewer = INSTANCES.get(parentElement);
  if (!viewer) {
    viewer = new Viewer(parentElement);
    INSTANCES.set(parentElement, viewer);
  }
  viewer.send = setTriggerValue;
  viewer.show(decode(data));
  const turn = (viewer.turn = (viewer.turn ?? 0) + 1);
  return () => {
    // Streamlit also clears up after a call that a newer one overtook: the viewer lives on then.
    if (viewer.turn !== turn) return;
    viewer.dispose();
    INSTANCES.delete(parentElement);
  };
}

// u32 length of the JSON, JSON, padding to 4, u16 pixels, padding to 4, f32 map, f32 reference, f32 prediction.
function decode(data) {
  const bytes = data.slice();
  const length = new DataView(bytes.buffer).getUint32(0, true);
  const meta = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  let at = aligned(4 + length);
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

class Viewer {
  constructor(root) {
    this.root = root;
    this.canvas = root.querySelector("canvas");
    this.context = this.canvas.getContext("2d", { alpha: false });
    this.lut = new Uint32Array(65536);
    this.frame = 0;
    this.peek = false;
    this.resized = new ResizeObserver(() => this.draw());
    this.resized.observe(root.querySelector(".stage"));
    this.listen();
  }

  dispose() {
    cancelAnimationFrame(this.frame);
    this.resized.disconnect();
    window.removeEventListener("pointerup", this.released);
  }

  show(image) {
    const { meta } = image;
    this.image = image;
    this.levels = new Map();
    this.base = null;
    this.overlay = null;
    this.paths = null;
    this.outlines = {};
    this.cuts = new Map();
    this.view = VIEWS.get(meta.key) ?? { ...this.initialView(meta), ...this.strongest() };
    VIEWS.set(meta.key, this.view);
    this.span = Math.max(meta.maximum - meta.minimum, 1e-9);
    this.canvas.setAttribute("aria-label", meta.alt);
    this.fillControls();
    this.draw();
  }

  // A volume whose map is shown opens where the map is strongest.
  strongest() {
    const { meta, map } = this.image;
    if (meta.depth === 1 || !map || meta.map.mode === "off") return {};
    const { rows, columns, depth } = meta.map;
    let best = 0;
    for (let k = 1; k < map.length; k += 1) if (map[k] > map[best]) best = k;
    const at = (cell, cells, size) => Math.min(size - 1, Math.floor(((cell + 0.5) * size) / cells));
    return {
      slice: at(Math.floor(best / (rows * columns)), depth, meta.depth),
      row: at(Math.floor(best / columns) % rows, rows, Math.floor(meta.height * meta.map.span_y)),
      column: at(best % columns, columns, Math.floor(meta.width * meta.map.span_x)),
    };
  }

  initialView(meta) {
    return {
      mode: meta.map ? meta.map.mode : "off",
      beside: true,
      reference: false,
      predicted: true,
      planes: meta.depth > 1,
      row: Math.floor((meta.height - 1) / 2),
      column: Math.floor((meta.width - 1) / 2),
      drag: "window",
      opacity: 0.5,
      threshold: 0.4,
      low: meta.low,
      high: meta.high,
      invert: false,
      zoom: 1,
      x: 0.5,
      y: 0.5,
      slice: Math.floor((meta.depth - 1) / 2),
    };
  }

  // ------------------------------------------------------------------ controls

  part(selector) {
    return this.root.querySelector(selector);
  }

  fillControls() {
    const { meta } = this.image;
    const hide = (selector, hidden) => {
      for (const node of this.root.querySelectorAll(selector)) {
        node.classList.toggle("hidden", hidden);
      }
    };
    hide(".map-only", !meta.map);
    hide(".reference-only", !meta.reference);
    hide(".predicted-only", !meta.predicted);
    hide(".pick-only", !meta.pick);
    hide(".slice-only", meta.depth === 1);
    hide(".preset-only", meta.windows.length < 2);
    this.part("fieldset").disabled = !meta.map;
    this.part("[name=slice]").max = meta.depth;
    const preset = this.part("[name=preset]");
    preset.replaceChildren(
      ...meta.windows.map((window, index) => {
        const option = document.createElement("option");
        option.value = String(index);
        option.textContent = window.label;
        return option;
      }),
    );
    this.part(".note").textContent = meta.map ? meta.map.note : meta.note;
    if (meta.map) {
      this.part(".legend .low").textContent = `−${meta.map.scale.toPrecision(2)}`;
      this.part(".legend .high").textContent = `+${meta.map.scale.toPrecision(2)}`;
    }
    this.reflect();
  }

  reflect() {
    const { view } = this;
    const { meta } = this.image;
    for (const name of ["mode", "drag"]) {
      for (const radio of this.root.querySelectorAll(`[name=${name}]`)) {
        radio.checked = radio.value === view[name];
      }
    }
    this.part("[name=beside]").checked = view.beside;
    for (const name of ["reference", "predicted", "planes"]) {
      this.part(`[name=${name}]`).checked = view[name];
    }
    const middle = (view.low + view.high) / 2;
    const width = view.high - view.low;
    this.slider("opacity", view.opacity * 100, `${Math.round(view.opacity * 100)} %`);
    this.slider("threshold", view.threshold * 100, `${Math.round(view.threshold * 100)} %`);
    this.slider("level", ((middle - meta.minimum) / this.span) * 1000, short(middle));
    this.slider("width", (width / this.span) * 1000, short(width));
    this.slider("slice", view.slice + 1, `${view.slice + 1} of ${meta.depth}`);
    this.part("[data-do=invert]").setAttribute("aria-pressed", String(view.invert));
    this.canvas.style.cursor = { pan: "grab", pick: "cell" }[view.drag] ?? "crosshair";
  }

  slider(name, value, text) {
    const input = this.part(`[name=${name}]`);
    input.value = String(value);
    input.nextElementSibling.textContent = text;
    input.setAttribute("aria-valuetext", text);
  }

  listen() {
    const { canvas, root } = this;
    const bar = root.querySelector(".viewer");
    bar.addEventListener("input", (event) => this.changed(event.target));
    bar.addEventListener("click", (event) => {
      const action = event.target.dataset?.do;
      if (action) this.act(action);
    });
    canvas.addEventListener("pointerdown", (event) => this.pressed(event));
    canvas.addEventListener("pointermove", (event) => this.moved(event));
    this.released = (event) => {
      const grip = this.grip;
      this.grip = null;
      if (grip && !grip.moved && event.composedPath().includes(this.canvas)) this.clicked(event);
    };
    window.addEventListener("pointerup", this.released);
    canvas.addEventListener("dblclick", () => this.act("fit"));
    canvas.addEventListener("pointerleave", () => {
      this.part(".probe").textContent = "";
    });
    canvas.addEventListener(
      "wheel",
      (event) => {
        if (!event.ctrlKey && !event.metaKey) return; // the page keeps its scrolling
        event.preventDefault();
        this.zoomBy(Math.exp(-event.deltaY / 300), event);
      },
      { passive: false },
    );
    canvas.addEventListener("keydown", (event) => this.typed(event));
    canvas.addEventListener("keyup", (event) => this.peeked(event, false));
    canvas.addEventListener("blur", () => this.peeked({ key: "m" }, false));
  }

  changed(control) {
    const { view } = this;
    const { meta } = this.image;
    const value = Number(control.value);
    if (control.name === "mode" || control.name === "drag") view[control.name] = control.value;
    else if (control.type === "checkbox") view[control.name] = control.checked;
    else if (control.name === "opacity") view.opacity = value / 100;
    else if (control.name === "threshold") view.threshold = value / 100;
    else if (control.name === "slice") view.slice = value - 1;
    else if (control.name === "preset") {
      view.low = meta.windows[value].low;
      view.high = meta.windows[value].high;
    } else {
      const width = control.name === "width" ? (value / 1000) * this.span : view.high - view.low;
      const middle =
        control.name === "level"
          ? meta.minimum + (value / 1000) * this.span
          : (view.low + view.high) / 2;
      this.setWindow(middle, width);
    }
    if (control.name === "threshold") this.forgetMap();
    this.reflect();
    this.draw();
  }

  act(action) {
    const { view } = this;
    if (action === "in") this.zoomBy(1.25);
    if (action === "out") this.zoomBy(0.8);
    if (action === "invert") view.invert = !view.invert;
    if (action === "fit") Object.assign(view, { zoom: 1, x: 0.5, y: 0.5 });
    if (action === "reset") {
      const { mode, beside, reference, predicted, planes } = view;
      const kept = { mode, beside, reference, predicted, planes };
      Object.assign(view, this.initialView(this.image.meta), kept);
      this.forgetMap();
    }
    this.reflect();
    this.draw();
  }

  forgetMap() {
    this.overlay = this.paths = null;
    for (const key of [...this.cuts.keys()]) if (key.startsWith("map")) this.cuts.delete(key);
  }

  // A press without a drag: names a pixel of a segmentation, or moves the crosshair of a volume.
  clicked(event) {
    const place = this.voxel(event);
    if (!place) return;
    const { meta } = this.image;
    if (this.view.drag === "pick" && meta.pick) {
      const pixel = [place.row * meta.step, place.column * meta.step];
      this.send("pixel", meta.depth > 1 ? [place.slice, ...pixel] : pixel);
    } else if (this.inPlanes()) {
      Object.assign(this.view, place);
      this.reflect();
      this.draw();
    }
  }

  pressed(event) {
    event.preventDefault();
    this.canvas.focus({ preventScroll: true });
    const pan = this.view.drag === "pan" || event.shiftKey || event.button !== 0;
    this.grip = { x: event.clientX, y: event.clientY, pan, far: 0, moved: false };
    this.canvas.setPointerCapture(event.pointerId);
  }

  moved(event) {
    if (!this.grip) {
      this.probe(event);
      return;
    }
    const dx = event.clientX - this.grip.x;
    const dy = event.clientY - this.grip.y;
    this.grip.far += Math.abs(dx) + Math.abs(dy);
    this.grip.moved = this.grip.far > STILL;
    Object.assign(this.grip, { x: event.clientX, y: event.clientY });
    if (this.grip.pan) this.pan(dx, dy);
    else if (this.view.drag === "window") this.nudgeWindow(dx, dy);
  }

  nudgeWindow(dx, dy) {
    const { view } = this;
    const step = this.span / 600;
    this.setWindow((view.low + view.high) / 2 + dy * step, view.high - view.low + dx * step);
    this.reflect();
    this.draw();
  }

  setWindow(middle, width) {
    const wide = Math.max(width, this.span / 1000);
    this.view.low = middle - wide / 2;
    this.view.high = middle + wide / 2;
  }

  pan(dx, dy) {
    const { scale, width, height } = this.layout();
    this.view.x = clamp(this.view.x - dx / (scale * width), 0, 1);
    this.view.y = clamp(this.view.y - dy / (scale * height), 0, 1);
    this.draw();
  }

  zoomBy(factor, event) {
    const before = event ? this.position(event) : null;
    this.view.zoom = clamp(this.view.zoom * factor, 0.5, 20);
    if (before) {
      const after = this.position(event);
      this.view.x = clamp(this.view.x + before.u - after.u, 0, 1);
      this.view.y = clamp(this.view.y + before.v - after.v, 0, 1);
    }
    this.draw();
  }

  typed(event) {
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const arrow = arrows[event.key];
    if (arrow && event.shiftKey) this.nudgeWindow(12 * arrow[0], 12 * arrow[1]);
    else if (arrow) this.pan(-40 * arrow[0], -40 * arrow[1]);
    else if (event.key === "+" || event.key === "=") this.zoomBy(1.25);
    else if (event.key === "-") this.zoomBy(0.8);
    else if (event.key === "0") this.act("fit");
    else if (event.key === "PageUp" || event.key === "PageDown") {
      this.turn(event.key === "PageUp" ? 1 : -1);
    }
    else if (!this.peeked(event, true)) return;
    event.preventDefault();
    event.stopPropagation();
  }

  turn(step) {
    this.view.slice = clamp(this.view.slice + step, 0, this.image.meta.depth - 1);
    this.reflect();
    this.draw();
  }

  peeked(event, down) {
    if (event.key !== "m" && event.key !== "M") return false;
    if (this.peek !== down) {
      this.peek = down;
      this.draw();
    }
    return true;
  }

  // ------------------------------------------------------------------ geometry

  inPlanes() {
    return this.image.meta.depth > 1 && this.view.planes;
  }

  // The three planes of a volume side by side, at one scale; units are columns of the image.
  planeLayout() {
    const { view } = this;
    const { meta } = this.image;
    const box = this.part(".stage").getBoundingClientRect();
    const shown = Math.max(box.width, 200);
    const wide = shown / 3;
    const tall = clamp(wide, 240, Math.min(600, window.innerHeight * 0.66));
    const high = meta.height * meta.aspect;
    const deep = meta.depth * meta.aspect_z;
    const sizes = { axial: [meta.width, high], coronal: [meta.width, deep], sagittal: [high, deep] };
    const fit = Math.min(...Object.values(sizes).map(([w, h]) => Math.min(wide / w, tall / h)));
    const scale = fit * view.zoom;
    const across = (view.column + 0.5) / meta.width;
    const down = (view.row + 0.5) / meta.height;
    const up = 1 - (view.slice + 0.5) / meta.depth;
    const cross = { axial: [across, down], coronal: [across, up], sagittal: [down, up] };
    const panels = PLANES.map((plane, index) => {
      const [width, height] = sizes[plane].map((side) => side * scale);
      const [u, v] = view.zoom > 1 ? cross[plane] : [0.5, 0.5];
      const x = index * wide + wide / 2 - u * width;
      const y = tall / 2 - v * height;
      return { plane, left: index * wide, x, y, width, height, cross: cross[plane] };
    });
    return { panels, wide, tall, shown, scale };
  }

  // The voxel under the pointer, or null outside the image.
  voxel(event) {
    const { meta } = this.image;
    const at = (share, size) => clamp(Math.floor(share * size), 0, size - 1);
    if (!this.inPlanes()) {
      const { u, v } = this.position(event);
      if (u < 0 || v < 0 || u >= 1 || v >= 1) return null;
      return { slice: this.view.slice, row: at(v, meta.height), column: at(u, meta.width) };
    }
    const box = this.canvas.getBoundingClientRect();
    const px = event.clientX - box.left;
    const { panels, wide } = this.planeLayout();
    const panel = panels[clamp(Math.floor(px / wide), 0, 2)];
    const u = (px - panel.x) / panel.width;
    const v = (event.clientY - box.top - panel.y) / panel.height;
    if (u < 0 || v < 0 || u >= 1 || v >= 1) return null;
    const { slice, row, column } = this.view;
    if (panel.plane === "axial") {
      return { slice, row: at(v, meta.height), column: at(u, meta.width) };
    }
    const height = at(1 - v, meta.depth);
    if (panel.plane === "coronal") return { slice: height, row, column: at(u, meta.width) };
    return { slice: height, row: at(u, meta.height), column };
  }

  layout() {
    const { meta } = this.image;
    const box = this.part(".stage").getBoundingClientRect();
    // An unmarked image stays in view beside the marked one, unless the reader says otherwise.
    const panels = this.view.beside && this.view.mode !== "off" && meta.map ? 2 : 1;
    const width = meta.width;
    const height = meta.height * meta.aspect;
    const shown = Math.max(box.width, 200);
    const wide = shown / panels;
    const tall = clamp((wide * height) / width, 240, Math.min(600, window.innerHeight * 0.66));
    const scale = Math.min(wide / width, tall / height) * this.view.zoom;
    return { panels, wide, tall, scale, width, height, shown };
  }

  position(event) {
    const { wide, tall, scale, width, height, panels } = this.layout();
    const box = this.canvas.getBoundingClientRect();
    const px = (event.clientX - box.left) % (panels === 2 ? wide : Infinity);
    const u = this.view.x + (px - wide / 2) / (scale * width);
    const v = this.view.y + (event.clientY - box.top - tall / 2) / (scale * height);
    return { u, v };
  }

  probe(event) {
    const { meta, pixels, map } = this.image;
    const place = this.voxel(event);
    let text = "";
    if (place) {
      const { slice, row, column } = place;
      const at = ((slice * meta.height + row) * meta.width + column) * meta.channels;
      text = meta.depth > 1 ? `slice ${slice + 1}, ` : "";
      text += `${column}, ${row}: ${short(pixels[at] * meta.slope + meta.intercept)} ${meta.unit}`;
      if (map) text += `, map ${map[this.cell(meta.map, place)].toPrecision(2)}`;
    }
    this.part(".probe").textContent = text;
  }

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

  // ------------------------------------------------------------------- drawing

  draw() {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.paint());
  }

  paint() {
    if (!this.image) return;
    if (this.inPlanes()) {
      this.paintPlanes();
      return;
    }
    const { panels, wide, tall, scale, width, height, shown } = this.layout();
    const ratio = window.devicePixelRatio || 1;
    const { context: c, view } = this;
    this.blank(shown, tall, ratio);
    const base = this.baseImage(scale * ratio);
    for (let panel = 0; panel < panels; panel += 1) {
      c.save();
      c.beginPath();
      c.rect(panel * wide, 0, wide, tall);
      c.clip();
      const x = panel * wide + wide / 2 - view.x * width * scale;
      const y = tall / 2 - view.y * height * scale;
      c.imageSmoothingEnabled = scale * ratio < 6;
      c.drawImage(base, x, y, width * scale, height * scale);
      const plain = view.mode === "off" || (panels === 2 && panel === 0) || this.peek;
      if (this.image.map && !plain) this.paintMap(x, y, width * scale, height * scale);
      for (const layer of this.outlinesShown()) {
        this.paintLines(this.outlineOf(layer), x, y, width * scale, height * scale, 0.95);
      }
      this.paintLetters(panel * wide, wide, tall);
      c.restore();
    }
    if (panels === 2) {
      c.fillStyle = "#33424a";
      c.fillRect(wide - 0.5, 0, 1, tall);
    }
    this.paintScaleBar(tall, scale);
    this.part(".zoom").textContent = `${Math.round(view.zoom * 100)} %`;
  }

  blank(shown, tall, ratio) {
    const { canvas, context: c } = this;
    if (canvas.width !== Math.round(shown * ratio) || canvas.height !== Math.round(tall * ratio)) {
      canvas.width = Math.round(shown * ratio);
      canvas.height = Math.round(tall * ratio);
      canvas.style.height = `${tall}px`;
    }
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.fillStyle = "#000";
    c.fillRect(0, 0, shown, tall);
  }

  // Outlines of the study and of the model that the reader wants to see.
  outlinesShown() {
    if (this.peek) return [];
    return ["predicted", "reference"].filter((name) => this.image[name] && this.view[name]);
  }

  paintPlanes() {
    const { panels, wide, tall, shown, scale } = this.planeLayout();
    const ratio = window.devicePixelRatio || 1;
    const { context: c, view } = this;
    const { meta } = this.image;
    this.blank(shown, tall, ratio);
    for (const { plane, left, x, y, width, height, cross } of panels) {
      c.save();
      c.beginPath();
      c.rect(left, 0, wide, tall);
      c.clip();
      c.imageSmoothingEnabled = true;
      c.drawImage(this.planeImage(plane), x, y, width, height);
      if (this.image.map && view.mode === "heat" && !this.peek) {
        c.globalAlpha = view.opacity;
        c.drawImage(this.planeHeat(plane), x, y, width, height);
        c.globalAlpha = 1;
      }
      const size = this.planeSize(plane);
      if (this.image.map && view.mode === "contour" && !this.peek) {
        const lines = this.planeLines("map", plane);
        this.paintLines(lines, x, y, width, height, clamp(view.opacity * 2, 0, 1), size);
      }
      for (const layer of this.outlinesShown()) {
        this.paintLines(this.planeLines(layer, plane), x, y, width, height, 0.95, size);
      }
      c.strokeStyle = CROSS;
      c.lineWidth = 1;
      c.setLineDash([4, 4]);
      c.beginPath();
      c.moveTo(x + cross[0] * width, 0);
      c.lineTo(x + cross[0] * width, tall);
      c.moveTo(left, y + cross[1] * height);
      c.lineTo(left + wide, y + cross[1] * height);
      c.stroke();
      c.setLineDash([]);
      this.paintLetters(left, wide, tall, this.planeLetters(plane));
      c.restore();
    }
    c.fillStyle = "#33424a";
    c.fillRect(wide - 0.5, 0, 1, tall);
    c.fillRect(2 * wide - 0.5, 0, 1, tall);
    this.paintScaleBar(tall, scale);
    this.part(".zoom").textContent = `${Math.round(view.zoom * 100)} %`;
    this.part("[name=planes]").setAttribute(
      "aria-description",
      `Slice ${view.slice + 1}, row ${view.row + 1}, column ${view.column + 1} of ` +
        `${meta.depth}, ${meta.height}, ${meta.width}`,
    );
  }

  planeSize(plane) {
    const { width, height, depth } = this.image.meta;
    return { axial: [width, height], coronal: [width, depth], sagittal: [height, depth] }[plane];
  }

  // The voxel shown at column i and row j of a plane; the head is up.
  planeVoxel(plane, i, j) {
    const { slice, row, column } = this.view;
    if (plane === "axial") return { slice, row: j, column: i };
    const height = this.image.meta.depth - 1 - j;
    return plane === "coronal" ? { slice: height, row, column: i } : { slice: height, row: i, column };
  }

  planeIndex(plane) {
    const { slice, row, column } = this.view;
    return { axial: slice, coronal: row, sagittal: column }[plane];
  }

  planeLetters(plane) {
    const { orientation } = this.image.meta;
    if (!orientation || plane === "axial") return orientation;
    const isAxial = "RL".includes(orientation.left) && "AP".includes(orientation.top);
    if (!isAxial) return null;
    const ends = { top: "H", bottom: "F" };
    if (plane === "coronal") return { ...ends, left: orientation.left, right: orientation.right };
    return { ...ends, left: orientation.top, right: orientation.bottom };
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
    const key = ["image", plane, this.planeIndex(plane), view.low, view.high, view.invert].join();
    return this.cut(key, () => {
      this.fillTable();
      const [width, height] = this.planeSize(plane);
      const canvas = new OffscreenCanvas(width, height);
      const context = canvas.getContext("2d", { alpha: false });
      const picture = context.createImageData(width, height);
      const words = new Uint32Array(picture.data.buffer);
      for (let j = 0; j < height; j += 1) {
        for (let i = 0; i < width; i += 1) {
          const { slice, row, column } = this.planeVoxel(plane, i, j);
          words[j * width + i] = this.lut[pixels[(slice * meta.height + row) * meta.width + column]];
        }
      }
      context.putImageData(picture, 0, 0);
      return canvas;
    });
  }

  planeHeat(plane) {
    const { meta, map } = this.image;
    const key = ["map heat", plane, this.planeIndex(plane), this.view.threshold].join();
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
    const key = [`${name} lines`, plane, this.planeIndex(plane), this.view.threshold].join();
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
    const unit = columns / width;
    c.save();
    c.translate(x, y);
    c.scale(width / columns, height / rows);
    c.globalAlpha = alpha;
    c.lineJoin = "round";
    for (const { path, colour, dash, weight } of lines) {
      c.setLineDash(dash.map((part) => part * unit));
      c.strokeStyle = "rgba(0,0,0,0.65)";
      c.lineWidth = (weight + 2) * unit;
      c.stroke(path);
      c.strokeStyle = `rgb(${colour})`;
      c.lineWidth = weight * unit;
      c.stroke(path);
    }
    c.restore();
  }

  paintLetters(left, wide, tall, given) {
    const orientation = given === undefined ? this.image.meta.orientation : given;
    if (!orientation) return;
    const c = this.context;
    c.font = "600 14px sans-serif";
    c.textAlign = "center";
    c.textBaseline = "middle";
    const places = {
      left: [left + 14, tall / 2],
      right: [left + wide - 14, tall / 2],
      top: [left + wide / 2, 14],
      bottom: [left + wide / 2, tall - 14],
    };
    for (const [side, [x, y]] of Object.entries(places)) {
      const letter = orientation[side];
      if (!letter) continue;
      c.strokeStyle = "rgba(0,0,0,0.8)";
      c.lineWidth = 4;
      c.strokeText(letter, x, y);
      c.fillStyle = "#f4f7f6";
      c.fillText(letter, x, y);
    }
  }

  paintScaleBar(tall, scale) {
    const { spacing } = this.image.meta;
    if (!spacing) return;
    const perMillimetre = scale / spacing;
    const length = [1, 2, 5, 10, 20, 50, 100, 200].findLast((mm) => mm * perMillimetre < 150) ?? 1;
    const c = this.context;
    c.fillStyle = "rgba(0,0,0,0.55)";
    c.fillRect(8, tall - 32, length * perMillimetre + 62, 24);
    c.fillStyle = "#f4f7f6";
    c.fillRect(14, tall - 21, length * perMillimetre, 2);
    c.fillRect(14, tall - 25, 1.5, 10);
    c.fillRect(14 + length * perMillimetre - 1.5, tall - 25, 1.5, 10);
    c.font = "12px sans-serif";
    c.textAlign = "left";
    c.textBaseline = "middle";
    c.fillText(`${length} mm`, 20 + length * perMillimetre, tall - 20);
  }

  // The displayed image: the level of the pyramid that fits, through a 65,536-entry table.
  baseImage(scale) {
    const { meta } = this.image;
    const { view } = this;
    let step = 0;
    while (scale * 2 ** (step + 1) <= 1 && (meta.width >> (step + 1)) >= SMALLEST_LEVEL) step += 1;
    const key = [view.low, view.high, view.invert, view.slice, step].join();
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
    const factor = 255 / (view.high - view.low);
    const flip = view.invert !== meta.inverted;
    for (let i = 0; i < 65536; i += 1) {
      let grey = clamp((i * meta.slope + meta.intercept - view.low) * factor, 0, 255) | 0;
      if (flip) grey = 255 - grey;
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
}

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

function short(value) {
  const size = Math.abs(value);
  return size >= 100 ? value.toFixed(0) : size >= 1 ? value.toFixed(2) : value.toFixed(3);
}
