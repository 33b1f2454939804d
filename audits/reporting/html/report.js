// The theme button, the current place in the contents, and what a chart says under the pointer.
const root = document.documentElement;
document.getElementById("theme").addEventListener("click", () => {
  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  root.dataset.theme = (root.dataset.theme || system) === "dark" ? "light" : "dark";
});

const links = new Map([...document.querySelectorAll("nav a")].map((a) => [a.hash.slice(1), a]));
const seen = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting) {
        links.forEach((a) => a.classList.remove("here"));
        links.get(entry.target.id)?.classList.add("here");
      }
    }
  },
  { rootMargin: "0px 0px -80% 0px" },
);
document.querySelectorAll("section").forEach((section) => seen.observe(section));

// The titles stay in the SVG for readers without script; with it, a tip follows at once.
const tip = document.getElementById("tip");
for (const title of document.querySelectorAll(".chart rect > title")) {
  const rect = title.parentNode;
  rect.dataset.tip = title.textContent;
  title.remove();
}
document.addEventListener("pointermove", (event) => {
  const text = event.target.dataset?.tip;
  tip.hidden = !text;
  if (text) {
    tip.textContent = text;
    tip.style.left = `${Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8)}px`;
    tip.style.top = `${Math.min(event.clientY + 16, innerHeight - tip.offsetHeight - 8)}px`;
  }
});
