"use strict";
const root = document.documentElement;
const places = [...document.querySelectorAll(".plot")];
const scrollers = [...document.querySelectorAll(".scroll")];
const all = selector => [...document.querySelectorAll(selector)];
const colour = name => getComputedStyle(root).getPropertyValue(name).trim();
const drawn = new Set();
let figures;

// Figures

const brush = document.createElement("canvas").getContext("2d");
const width = (text, font) => { brush.font = font; return brush.measureText(text).width; };
const unescape = text => text.replace(/&lt;/g, "<").replace(/&gt;/g, ">").replace(/&amp;/g, "&");

// A text in lines that fit into a width, where it has spaces.
function lines(text, most, font) {
  const found = [""];
  for (const word of text.split(" ")) {
    const longer = `${found.at(-1)} ${word}`.trim();
    if (found.at(-1) && width(unescape(longer), font) > most) found.push(word); else found[found.length - 1] = longer;
  }
  return found;
}

// Room for labels and titles. plotly.js would find it by drawing a figure several times, which takes four times as long.
function make_room(data, layout) {
  const font = `${layout.font.size}px ${layout.font.family}`, line = 1.3 * layout.font.size;
  const margin = layout.margin = {l: 8, r: 16, t: 8, b: 8, ...layout.margin};
  for (const [name, side] of [["yaxis", "l"], ["xaxis", "b"]]) {
    const along = name === "yaxis" ? layout.height : layout.width - margin.l;
    const axis = layout[name] ||= {};
    axis.automargin = false;
    if (axis.visible === false) continue;
    const values = axis.ticktext || data.flatMap(trace => trace[name[0]] || []);
    const labels = [...new Set(values.filter(it => typeof it === "string"))].flatMap(it => unescape(it).split("<br>"));
    const across = Math.max(...labels.map(it => width(it, font)), name === "yaxis" && !labels.length ? 36 : 0);
    const turned = name === "xaxis" && across * labels.length > 0.9 * layout.width && !axis.ticktext;
    const rows = Math.max(1, ...values.map(it => `${it}`.split("<br>").length));
    margin[side] = Math.max(margin[side], 10 + (name === "yaxis" || turned ? across : rows * line));
    if (axis.title?.text) {
      const own = lines(axis.title.text, 0.8 * along - 20, font);
      axis.title.text = own.join("<br>");
      margin[side] += 8 + own.length * line;
    }
  }
}

// How far labels lie outside of their figure, by side; where that is not foreseen, as of numbers on an axis.
function beyond(place) {
  const box = place.getBoundingClientRect(), over = {l: 0, r: 0, t: 0, b: 0};
  for (const text of place.querySelectorAll(".xtick text, .ytick text, .g-xtitle text, .g-ytitle text, .annotation-text")) {
    const own = text.getBoundingClientRect();
    if (!own.width) continue;
    const found = {l: box.left - own.left, r: own.right - box.right, t: box.top - own.top, b: own.bottom - box.bottom};
    for (const side in over) over[side] = Math.max(over[side], found[side]);
  }
  return over;
}

function draw(place) {
  const {data, layout} = structuredClone(figures[place.dataset.figure]);
  const ink = colour("--ink");
  layout.font = {...layout.font, color: ink};
  layout.hoverlabel = {...layout.hoverlabel, bgcolor: colour("--card"), font: {...layout.hoverlabel?.font, color: ink}};
  for (const trace of data) {
    if (trace.type === "heatmap") trace.textfont = {color: ink};
    if (trace.type === "bar" && trace.texttemplate) {  // full colours are dark enough for no white, pale ones are the page's
      trace.insidetextfont = {color: [trace.marker.color].flat().map(it => it.startsWith("rgba") ? ink : "#14181d")};
    }
  }
  layout.width = place.clientWidth;
  make_room(data, layout);
  const displayModeBar = matchMedia("(hover: hover)").matches ? "hover" : false;
  const shown = () => Plotly.react(place, data, layout, {displaylogo: false, displayModeBar, modeBarButtons: [["toImage"]]});
  drawn.add(place);
  shown();
  const over = beyond(place), margin = layout.margin;
  if (Object.values(over).every(it => it < 1)) return;
  layout.margin = Object.fromEntries(Object.entries(over).map(([side, it]) => [side, margin[side] + Math.max(it, 0) + 2]));
  shown();
}

async function unpacked(id) {
  const letters = atob(document.getElementById(id).textContent), packed = new Uint8Array(letters.length);
  for (let place = 0; place < letters.length; place++) packed[place] = letters.charCodeAt(place);
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
  const sized = new ResizeObserver(entries => entries.forEach(({target}) =>
    drawn.has(target) && !root.classList.contains("paper") && target.clientWidth
      && target.clientWidth !== target.layout.width && draw(target)));
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
