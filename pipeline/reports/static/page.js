"use strict";
const root = document.documentElement;
const places = [...document.querySelectorAll(".plot")];
const scrollers = [...document.querySelectorAll(".scroll")];
const all = selector => [...document.querySelectorAll(selector)];
const colour = name => getComputedStyle(root).getPropertyValue(name).trim();
const drawn = new Set();
let figures;

// Figures

function draw(place) {
  const {data, layout} = structuredClone(figures[place.dataset.figure]);
  const ink = colour("--ink");
  layout.font = {...layout.font, color: ink};
  layout.hoverlabel = {...layout.hoverlabel, bgcolor: colour("--card"), font: {...layout.hoverlabel?.font, color: ink}};
  data.filter(trace => trace.type === "heatmap").forEach(trace => { trace.textfont = {color: ink}; });
  layout.width = place.clientWidth;
  const displayModeBar = matchMedia("(hover: hover)").matches ? "hover" : false;
  drawn.add(place);
  Plotly.react(place, data, layout, {displaylogo: false, displayModeBar, modeBarButtons: [["toImage"]]});
}

async function unpacked(id) {
  const packed = Uint8Array.from(atob(document.getElementById(id).textContent), letter => letter.charCodeAt(0));
  return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}

function begin(library, data) {
  const script = document.createElement("script");
  script.textContent = library;
  document.head.append(script);
  figures = JSON.parse(data);
  const missing = place => !drawn.has(place) && place.clientWidth;
  const seen = new IntersectionObserver(entries => entries.forEach(
    entry => entry.isIntersecting && missing(entry.target) && draw(entry.target)), {rootMargin: "600px"});
  const sized = new ResizeObserver(entries => entries.forEach(({target, contentRect}) =>
    drawn.has(target) && !root.classList.contains("paper") && contentRect.width
      && contentRect.width !== target.layout.width && draw(target)));
  places.forEach(place => { seen.observe(place); sized.observe(place); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawn.forEach(draw));
}

// What prints a page as soon as it is loaded, as Chromium does from the command line, finds figures that can be drawn: an
// image that is on its way holds the load event up, and is followed by another until all is unpacked.
function hold() {
  if (!root.classList.contains("waiting")) return;
  const image = new Image();
  image.onload = image.onerror = hold;
  image.src = `data:,${performance.now()}`;
}

if (places.length) {
  hold();
  Promise.all(["plotly", "figures"].map(unpacked)).then(found => begin(...found)).catch(error => {
    document.querySelector("main").prepend(`Figures need a browser of 2023 or later (${error}).`);
  }).finally(() => root.classList.remove("waiting"));
}

// Tables that go on beside the screen

const watched = new ResizeObserver(entries => entries.forEach(({target}) => {
  const scrolls = target.scrollWidth > target.clientWidth + 1;
  target.tabIndex = scrolls ? 0 : -1;
  target.previousElementSibling.classList.toggle("on", scrolls);
}));
scrollers.forEach(place => watched.observe(place));

// Paper: all is open, figures are as wide as it, and a table that is wider is made smaller

let folded = [];
addEventListener("beforeprint", () => {
  folded = all("details:not([open])");
  folded.forEach(it => { it.open = true; });
  root.classList.add("paper");
  if (figures) places.forEach(draw);
  scrollers.forEach(place => {
    const table = place.firstElementChild;
    if (table.scrollWidth > place.clientWidth) table.style.zoom = place.clientWidth / table.scrollWidth;
  });
});
addEventListener("afterprint", () => {
  root.classList.remove("paper");
  folded.forEach(it => { it.open = false; });
  all(".scroll > table").forEach(table => { table.style.zoom = ""; });
  if (figures) drawn.forEach(place => place.clientWidth && draw(place));
});
