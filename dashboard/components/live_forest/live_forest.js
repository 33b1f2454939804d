// A forest plot that follows a slider: drawn as SVG in one go, a few milliseconds for thirty rows.

const SVG = "http://www.w3.org/2000/svg";
const ROW = 27;
const TOP = 30;
const BOTTOM = 30;
const GAP = 16;
const LEAST = 120; // pixels that the intervals keep, however long the texts
const MARK = 5;
const CAP = 4;

export default function (component) {
  const { data, parentElement } = component;
  const root = parentElement.querySelector(".live-forest");
  const redraw = () => draw(root, data);
  root.shown?.disconnect();
  root.shown = new ResizeObserver(() => {
    if (root.clientWidth !== root.drawn) redraw();
  });
  root.shown.observe(root);
  redraw();
  const mine = root.shown;
  return () => mine.disconnect();
}

function draw(root, { alt, rows, ticks, line, colour }) {
  const svg = root.querySelector("svg");
  const width = (root.drawn = root.clientWidth);
  if (!width) return;
  const measure = ruler(root);
  const [left, right] = ["label", "text"].map((name) =>
    Math.max(...rows.map((row) => measure(row[name]))),
  );
  const bottom = TOP + ROW * rows.length;
  const from = left + GAP;
  const span = Math.max(width - from - right - 2 * GAP, LEAST);
  const x = (share) => (from + share * span).toFixed(1);
  const parts = ticks.flatMap(({ at, text }) => [
    stroke(x(at), TOP, x(at), bottom, { stroke: colour, "stroke-opacity": 0.25 }),
    words(text, x(at), bottom + 18, "middle"),
  ]);
  if (line !== null) {
    parts.push(
      stroke(x(line.at), TOP, x(line.at), bottom, { stroke: colour, "stroke-dasharray": "2 3" }),
      words(line.text, x(line.at), TOP - 8, "middle", 11),
    );
  }
  rows.forEach((row, at) => parts.push(drawn(row, TOP + ROW * (at + 0.5), x, from, colour)));
  svg.setAttribute("height", bottom + BOTTOM);
  svg.setAttribute("width", Math.ceil(from + span + right + 2 * GAP)); // wider than the page: scrolls
  svg.setAttribute("aria-label", alt);
  svg.replaceChildren(...parts);
}

function drawn(row, y, x, from, colour) {
  const group = made("g");
  const name = made("title");
  name.textContent = `${row.label}: ${row.text}`;
  const end = Number(x(1)) + GAP;
  group.append(
    name,
    words(row.label, from - GAP, y + 4, "end"),
    words(row.text, end, y + 4, "start"),
  );
  if (row.value === null) return group;
  const line = { stroke: colour, "stroke-width": 1.8 };
  if (row.low !== null && row.high !== null) {
    group.append(stroke(x(row.low), y, x(row.high), y, line));
    for (const limit of [row.low, row.high]) {
      group.append(stroke(x(limit), y - CAP, x(limit), y + CAP, line));
    }
  }
  const side = { x: x(row.value) - MARK, y: y - MARK, width: 2 * MARK, height: 2 * MARK };
  group.append(made("rect", { ...side, class: "mark", stroke: colour, "stroke-width": 2 }));
  return group;
}

function ruler(root) {
  const context = (root.context ??= document.createElement("canvas").getContext("2d"));
  context.font = `13px ${getComputedStyle(root).fontFamily}`;
  return (text) => context.measureText(text).width;
}

function stroke(x1, y1, x2, y2, style) {
  return made("line", { x1, y1, x2, y2, ...style });
}

function words(text, x, y, anchor, size = 13) {
  const node = made("text", { x, y, "text-anchor": anchor, "font-size": size });
  node.textContent = text;
  return node;
}

function made(name, attributes = {}) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}
