// A range input that tells its value as it moves, at most every EVERY milliseconds. The server's
// value is taken over only where the server itself has moved it: an answer to an earlier place
// must not pull the handle back.

const EVERY = 60;

export default function (component) {
  const { data, parentElement, setStateValue } = component;
  const root = parentElement.querySelector(".range");
  const input = root.querySelector("input");
  const digits = Math.max(0, Math.ceil(-Math.log10(data.step)));
  root.querySelector("label").textContent = data.label;
  input.step = data.step;
  if (root.dataset.turn !== String(data.turn)) {
    root.dataset.turn = data.turn;
    input.setAttribute("value", data.value); // steps are counted from here: it need not be round
    input.value = data.value;
    show();
  }
  root.tell = () => setStateValue("value", Number(input.value));
  input.oninput = () => {
    show();
    root.waiting ??= setTimeout(() => {
      root.waiting = undefined;
      root.last = performance.now();
      root.tell();
    }, Math.max(0, EVERY - (performance.now() - (root.last ?? -EVERY))));
  };

  function show() {
    const text = Number(input.value).toFixed(digits);
    root.querySelector("output").textContent = text;
    input.setAttribute("aria-valuetext", text);
  }

  const { tell } = root;
  return () => {
    // Streamlit also clears up after a call that a newer one overtook: the slider is that one's.
    if (root.tell !== tell) return;
    clearTimeout(root.waiting);
    root.waiting = undefined;
  };
}
