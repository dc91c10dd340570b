"""The page's look and the script that draws its figures when they come into view."""

STYLE = """
:root { --ink:#1d2329; --quiet:#5b6670; --page:#f5f6f8; --card:#ffffff; --line:#e1e5ea; --accent:#2a6fad;
  --good:#0f7a58; --bad:#b53c24; --good-back:#e3f4ee; --bad-back:#fbe9e4; --unclear-back:#eceff2; }
@media (prefers-color-scheme: dark) { :root { --ink:#e6eaee; --quiet:#9aa6b2; --page:#12161b; --card:#1b2128;
  --line:#2c343d; --accent:#6fb1ea; --good:#4cc79f; --bad:#f08a72; --good-back:#16332a; --bad-back:#3a211b;
  --unclear-back:#262d35; } }
* { box-sizing:border-box; }
html { scroll-behavior:smooth; scroll-padding-top:3.5rem; -webkit-text-size-adjust:100%; }
body { margin:0; background:var(--page); color:var(--ink);
  font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif; }
header, main { max-width:1120px; margin:0 auto; padding:0 1rem; }
header { padding-top:2.2rem; }
h1 { font-size:clamp(1.35rem,3.4vw,2.1rem); line-height:1.25; margin:0 0 .7rem; letter-spacing:-.01em;
  text-wrap:pretty; overflow-wrap:anywhere; }
h2 { font-size:1.2rem; margin:0; display:inline; }
.about { color:var(--quiet); margin:.2rem 0; max-width:75ch; }
.cards { display:grid; grid-template-columns:repeat(auto-fit,minmax(215px,1fr)); gap:.8rem; margin:1.2rem 0 .6rem; }
.card { background:var(--card); border:1px solid var(--line); border-radius:12px; padding:.8rem 1rem;
  border-left:6px solid var(--quiet); }
.card.better { border-left-color:var(--good); } .card.worse { border-left-color:var(--bad); }
.card b { display:block; font-size:1.6rem; line-height:1.25; font-variant-numeric:tabular-nums; }
.card.better b { color:var(--good); } .card.worse b { color:var(--bad); }
.card small { display:block; color:var(--quiet); font-size:.86rem; }
.card svg { display:block; width:100%; height:26px; margin:.35rem 0 .2rem; overflow:visible; }
.card line { stroke:var(--quiet); stroke-width:1.5; } .card .span { stroke-width:4; stroke-linecap:round; }
.card circle { fill:var(--quiet); } .card .zero { stroke-dasharray:3 3; }
.card.better .span { stroke:var(--good); } .card.better circle { fill:var(--good); }
.card.worse .span { stroke:var(--bad); } .card.worse circle { fill:var(--bad); }
.card .name { font-weight:600; color:var(--ink); font-size:.95rem; overflow-wrap:anywhere; }
.pill { display:inline-block; padding:.05rem .6rem; border-radius:99px; font-size:.82rem;
  background:var(--unclear-back); }
.pill.better { background:var(--good-back); color:var(--good); }
.pill.worse { background:var(--bad-back); color:var(--bad); }
nav { position:sticky; top:0; z-index:5; background:var(--page); border-bottom:1px solid var(--line); display:flex;
  gap:1.1rem; overflow-x:auto; padding:.6rem max(1rem,calc((100vw - 1088px)/2)); margin-top:1rem;
  scrollbar-width:none; }
nav a { color:var(--quiet); text-decoration:none; white-space:nowrap; font-size:.9rem; }
nav a:hover, nav a:focus-visible { color:var(--accent); }
.section { background:var(--card); border:1px solid var(--line); border-radius:12px; margin:1rem 0;
  padding:.9rem 1.1rem; }
summary { cursor:pointer; }
.section > summary { margin-bottom:.3rem; }
.section:not([open]) > summary { margin-bottom:0; }
summary::marker { color:var(--quiet); }
.more { margin:.8rem 0 .2rem; } .more > summary { color:var(--accent); font-size:.93rem; }
p, ul { max-width:80ch; margin:.5rem 0; } ul { padding-left:1.2rem; }
.panels { display:grid; grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr)); gap:1.2rem;
  margin:.6rem 0; }
.panels.three { grid-template-columns:repeat(auto-fit,minmax(min(100%,300px),1fr)); }
.panel { margin:0; min-width:0; } .panel.wide { grid-column:1/-1; }
.panel figcaption { font-weight:600; font-size:.93rem; margin-bottom:.2rem; overflow-wrap:anywhere; }
.plot { width:100%; overflow:hidden; }
.panel p { color:var(--quiet); font-size:.86rem; margin:.3rem 0; }
.scroll { overflow-x:auto; margin:.6rem 0; }
table { border-collapse:collapse; width:100%; font-size:.92rem; font-variant-numeric:tabular-nums; }
caption { text-align:left; color:var(--quiet); padding-bottom:.3rem; }
th, td { text-align:left; padding:.42rem .8rem .42rem 0; border-bottom:1px solid var(--line); vertical-align:top; }
th { color:var(--quiet); font-weight:600; white-space:nowrap; } tbody tr:last-child td { border-bottom:0; }
td:last-child { min-width:11rem; }
td small { color:var(--quiet); white-space:nowrap; display:block; } td.changed, .changed { font-weight:700; }
.mark { display:inline-block; width:1.15em; text-align:center; print-color-adjust:exact; }
code, pre { font:0.88rem/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace; }
pre { background:var(--page); border:1px solid var(--line); border-radius:8px; padding:.7rem .9rem; overflow-x:auto; }
.nowrap { white-space:nowrap; }
footer, noscript p { color:var(--quiet); text-align:center; padding:1rem; }
@media (max-width:600px) { .section { padding:.7rem .75rem; border-radius:10px; } header { padding-top:1.2rem; }
  main, header { padding-left:.6rem; padding-right:.6rem; } }
@media print { nav { display:none; } .section { break-inside:avoid; border:0; } }
"""

SCRIPT = """
"use strict";
const drawn = new Set();
const value = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
function draw(place) {
  drawn.add(place);
  const {data, layout} = JSON.parse(document.getElementById(place.dataset.figure).textContent);
  const ink = value("--ink");
  layout.font = {...layout.font, color: ink};
  layout.hoverlabel = {...layout.hoverlabel, bgcolor: value("--card"), font: {...layout.hoverlabel?.font, color: ink}};
  data.filter(trace => trace.type === "heatmap").forEach(trace => { trace.textfont = {color: ink}; });
  const displayModeBar = matchMedia("(hover: hover)").matches ? "hover" : false;
  Plotly.react(place, data, layout, {displaylogo: false, displayModeBar, modeBarButtons: [["toImage"]]});
}
async function unpacked(id) {
  const packed = Uint8Array.from(atob(document.getElementById(id).textContent), letter => letter.charCodeAt(0));
  return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}
function begin(library) {
  const script = document.createElement("script");
  script.textContent = library;
  document.head.append(script);
  const places = document.querySelectorAll(".plot");
  const seen = new IntersectionObserver(entries => entries.forEach(
    entry => entry.isIntersecting && !drawn.has(entry.target) && draw(entry.target)), {rootMargin: "600px"});
  const sized = new ResizeObserver(entries => entries.forEach(
    entry => drawn.has(entry.target) && entry.contentRect.width && Plotly.Plots.resize(entry.target)));
  places.forEach(place => { seen.observe(place); sized.observe(place); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawn.forEach(draw));
  addEventListener("beforeprint", () => places.forEach(draw));
}
unpacked("plotly").then(begin).catch(error => document.querySelectorAll(".plot").forEach(
  place => { place.textContent = `This figure needs a browser of 2023 or later (${error}).`; }));
"""
