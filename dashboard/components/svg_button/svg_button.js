// Saves a chart of the page as one SVG. Plotly draws in several layers; they are put on top of each
// other, with the colours that the page's theme gives them, so the file stands alone.

const SVG = "http://www.w3.org/2000/svg";
const KEPT = 60_000;

export default function (component) {
  const { data, parentElement } = component;
  const button = parentElement.querySelector("button");
  button.textContent = "Download SVG";
  const press = () => save(data.chart, data.title);
  button.onclick = press;
  return () => {
    // Streamlit also clears up after a call that a newer one overtook: the button is that one's.
    if (button.onclick === press) button.onclick = null;
  };
}

function save(chart, title) {
  const drawn = ":is(.js-plotly-plot, .live-forest)";
  const plot = document.querySelector(`.st-key-${CSS.escape(chart)} ${drawn}`);
  if (!plot) return;
  const text = new XMLSerializer().serializeToString(merged(plot, title));
  const url = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = `${chart}.svg`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), KEPT); // some browsers read it only later
}

function merged(plot, title) {
  const layers = [...plot.querySelectorAll("svg.main-svg")];
  const { width, height } = layers[0].getBoundingClientRect();
  const page = getComputedStyle(document.querySelector(".stApp") ?? document.body);
  const whole = element("svg", {
    xmlns: SVG,
    width,
    height,
    viewBox: `0 0 ${width} ${height}`,
    role: "img",
  });
  const name = element("title", {});
  name.textContent = title;
  whole.append(name, element("rect", { width, height, fill: page.backgroundColor }));
  for (const layer of layers) {
    const group = element("g", {});
    const copy = layer.cloneNode(true);
    const shown = layer.querySelectorAll("text, tspan");
    copy.querySelectorAll("text, tspan").forEach((node, at) => {
      const style = getComputedStyle(shown[at]);
      node.style.fill = style.fill;
      node.style.fontFamily = style.fontFamily;
      node.style.fontSize = style.fontSize;
    });
    group.append(...copy.childNodes);
    whole.append(group);
  }
  return whole;
}

function element(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key !== "xmlns") made.setAttribute(key, String(value));
  }
  return made;
}
