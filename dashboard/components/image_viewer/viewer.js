// One image with its map, drawn on a canvas. Nothing is sent back to the server: window, zoom,
// opacity and threshold live in the browser, and stay with the case across page switches.

const VIEWS = new Map();
const INSTANCES = new WeakMap();
const STILL = 4;

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  let viewer = INSTANCES.get(parentElement);
  if (!viewer) {
    viewer = new Viewer(parentElement);
    INSTANCES.set(parentElement, viewer);
  }
  viewer.send = setTriggerValue;
  viewer.show(decode(data));
  const call = (viewer.calls = (viewer.calls ?? 0) + 1);
  return () => {
    // Streamlit also clears up after a call that a newer one overtook: the viewer lives on then.
    if (viewer.calls !== call) return;
    viewer.dispose();
    INSTANCES.delete(parentElement);
  };
}

class Viewer extends Planes {
  constructor(root) {
    super();
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
    this.planes = planesOf(meta);
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
      plane: 0,
      curve: 0,
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
    const own = document.createElement("option");
    own.value = "-1";
    own.textContent = "Set by hand";
    own.hidden = true;
    preset.append(own);
    this.part(".facts").textContent = meta.facts;
    this.part(".facts").classList.toggle("hidden", !meta.facts);
    if (meta.map) {
      const { failed, scale, scale_note: holds, unit } = meta.map;
      this.part(".legend").classList.toggle("hidden", failed);
      this.part(".legend .low").textContent = `−${amount(scale)}`;
      this.part(".legend .high").textContent = `+${amount(scale)} ${unit}`;
      this.part(".legend .holds").textContent = holds ? `(${holds})` : "";
      this.largest = 0;
      for (const value of this.image.map) this.largest = Math.max(this.largest, Math.abs(value));
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
    const from = meta.map ? amount(view.threshold * meta.map.scale) : "";
    this.slider("threshold", view.threshold * 100, `${Math.round(view.threshold * 100)} % (${from})`);
    this.part(".note").textContent = meta.map ? `${meta.map.note}${this.tooLittle()}` : "";
    this.slider("level", ((middle - meta.minimum) / this.span) * 1000, `${short(middle)} ${meta.unit}`);
    this.slider("width", (width / this.span) * 1000, `${short(width)} ${meta.unit}`);
    const kept = meta.windows.findIndex(({ low, high }) => low === view.low && high === view.high);
    this.part("[name=preset]").value = String(kept);
    this.slider("slice", view.slice + 1, `${view.slice + 1} of ${meta.depth}`);
    this.part("[data-do=invert]").setAttribute("aria-pressed", String(view.invert));
    this.canvas.style.cursor = { pan: "grab", pick: "cell" }[view.drag] ?? "crosshair";
  }

  // A map below the limit draws nothing: that is said, and never stretched.
  tooLittle() {
    const { meta } = this.image;
    const reached = this.largest >= this.view.threshold * meta.map.scale;
    if (this.view.mode === "off" || reached) return "";
    return ` Nothing in this map reaches the shown limit (largest ${amount(this.largest)}).`;
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
    canvas.addEventListener("wheel", (event) => this.wheeled(event), { passive: false });
    canvas.addEventListener("keydown", (event) => this.typed(event));
    canvas.addEventListener("keyup", (event) => this.peeked(event, false));
    canvas.addEventListener("blur", () => this.peeked({ key: "m" }, false));
  }

  // The page keeps its scrolling, but for a volume that has the focus.
  wheeled(event) {
    const turns = this.image.meta.depth > 1 && this.canvas.matches(":focus");
    const zooms = event.ctrlKey || event.metaKey;
    if (!zooms && !turns) return;
    event.preventDefault();
    if (zooms) {
      this.zoomBy(Math.exp(-event.deltaY / 300), event);
      return;
    }
    if (this.inPlanes()) this.view.plane = this.gripOf(event).plane;
    this.turn(event.deltaY > 0 ? -1 : 1);
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
      view.curve = value;
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

  // What of the volume the enlarged image is held at when a drag begins.
  gripOf(event) {
    if (!this.inPlanes()) return {};
    const { panel, column } = this.panelAt(event);
    this.view.plane = column; // one plane stands in each
    return { plane: column, share: panel.cross, from: { x: event.clientX, y: event.clientY } };
  }

  pressed(event) {
    event.preventDefault();
    this.canvas.focus({ preventScroll: true });
    const pan = this.view.drag === "pan" || event.shiftKey || event.button !== 0;
    const place = this.gripOf(event);
    this.grip = { x: event.clientX, y: event.clientY, pan, far: 0, moved: false, ...place };
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
    if (this.grip.pan && this.inPlanes()) this.slide(event, this.grip);
    else if (this.grip.pan) this.pan(dx, dy);
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
    const before = event && !this.inPlanes() ? this.position(event) : null;
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
    else if (arrow && this.inPlanes()) this.stepped(...arrow);
    else if (arrow) this.pan(-40 * arrow[0], -40 * arrow[1]);
    else if (event.key === "+" || event.key === "=") this.zoomBy(1.25);
    else if (event.key === "-") this.zoomBy(0.8);
    else if (event.key === "0") this.act("fit");
    else if (event.key === "i" || event.key === "I") this.act("invert");
    else if (event.key === "PageUp" || event.key === "PageDown") {
      this.turn(event.key === "PageUp" ? 1 : -1);
    }
    else if (!this.peeked(event, true)) return;
    event.preventDefault();
    event.stopPropagation();
  }

  stepped(right, down) {
    this.step(right, down);
    this.reflect();
    this.draw();
  }

  // Through the plane that was used last, or through the slices.
  turn(step) {
    const axis = this.inPlanes() ? this.planes[this.view.plane].through : "slice";
    this.shift({ axis, flip: false }, step);
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

  // The voxel under the pointer, or null outside the image.
  voxel(event) {
    const { meta } = this.image;
    const at = (share, size) => clamp(Math.floor(share * size), 0, size - 1);
    if (!this.inPlanes()) {
      const { u, v } = this.position(event);
      if (u < 0 || v < 0 || u >= 1 || v >= 1) return null;
      return { slice: this.view.slice, row: at(v, meta.height), column: at(u, meta.width) };
    }
    return this.planeVoxelAt(event);
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
      const values = [...pixels.subarray(at, at + meta.channels)];
      const told = values.map((value) => short(value * meta.slope + meta.intercept)).join(" ");
      text += `column ${column + 1}, row ${row + 1}: ${told} ${meta.unit}`.trimEnd();
      if (map) text += `, map ${signed(map[this.cell(meta.map, place)])} ${meta.map.unit}`;
    }
    this.part(".probe").textContent = text;
  }

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
      const alone = panels === 2 && panel === 0; // nothing at all is drawn over this one
      for (const layer of alone ? [] : this.outlinesShown()) {
        this.paintLines(this.outlineOf(layer), x, y, width * scale, height * scale, 0.95);
      }
      this.paintLetters(panel * wide, 0, wide, tall, this.image.meta.orientation);
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

  paintLetters(left, above, wide, tall, orientation) {
    if (!orientation) return;
    const c = this.context;
    c.font = "600 14px sans-serif";
    c.textAlign = "center";
    c.textBaseline = "middle";
    const places = {
      left: [left + 14, above + tall / 2],
      right: [left + wide - 14, above + tall / 2],
      top: [left + wide / 2, above + 14],
      bottom: [left + wide / 2, above + tall - 14],
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
}
