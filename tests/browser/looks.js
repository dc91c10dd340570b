// What a page shows, as data; looks.py calls these functions.
window.looks = (() => {
  const OUTSIDE = "script, style, noscript, template, nav, button, .skip, .modebar"; // what is no content, or only a screen's
  const TOLERANCE = 1; // pixels
  const shown = element => element.checkVisibility({opacityProperty: true, visibilityProperty: true});
  const scrolls = (element, style = getComputedStyle(element)) =>
    ["auto", "scroll"].includes(style.overflowX) && element.scrollWidth > element.clientWidth;

  function name(element) {
    const kind = element.getAttribute("class") || element.id || "";
    return `<${element.tagName.toLowerCase()} ${kind}> ${(element.textContent || "").trim().slice(0, 40)}`;
  }

  // Text nodes that are seen, each with its element.
  function texts() {
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
    while (walker.nextNode()) {
      const node = walker.currentNode, element = node.parentElement;
      if (node.data.trim() && !element.closest(OUTSIDE) && shown(element)) found.push([node, element]);
    }
    return found;
  }

  function rectangle(node) {
    const range = document.createRange();
    range.selectNodeContents(node);
    return range.getBoundingClientRect();
  }

  const opaque = colour => !["none", "transparent"].includes(colour) && !/[,/] *0\)$/.test(colour);
  function painted(element) { // a shape with ink, or a box
    if (!(element instanceof SVGElement)) return true;
    if (["g", "svg", "text", "tspan", "defs", "title"].includes(element.tagName)) return false;
    const style = getComputedStyle(element);
    const filled = opaque(style.fill) && +style.fillOpacity > 0;
    const stroked = opaque(style.stroke) && +style.strokeOpacity > 0 && parseFloat(style.strokeWidth) > 0;
    return element.tagName === "image" || filled || stroked;
  }

  // The part of the window in which something inside `around` can be seen; null if one can scroll to it.
  function window_of(around) {
    const seen = {left: 0, right: innerWidth, top: -Infinity, bottom: Infinity};
    for (let it = around; it && it !== document.body; it = it.parentElement) {
      const style = getComputedStyle(it);
      if (scrolls(it, style)) return null;
      const clips = style.overflowX !== "visible" || style.overflowY !== "visible";
      if (!clips || it.ownerSVGElement) continue;
      const box = it.getBoundingClientRect();
      [seen.left, seen.right] = [Math.max(seen.left, box.left), Math.min(seen.right, box.right)];
      if (["hidden", "clip"].includes(style.overflowY))
        [seen.top, seen.bottom] = [Math.max(seen.top, box.top), Math.min(seen.bottom, box.bottom)];
    }
    return seen;
  }

  // The plotting area of a figure, outside of which plotly.js shows no points and lines. Dashed lines, which separate
  // one side from the other, may go on there.
  function area_of(element) {
    const plot = element.closest("[clip-path]") && element.closest("g.subplot");
    const id = plot && [...plot.classList].find(it => it !== "subplot");
    return id && element.closest(".js-plotly-plot").querySelector(`.nsewdrag[data-subplot="${id}"]`)?.getBoundingClientRect();
  }

  const excess = (box, within) => Math.max(
    within.left - box.left, box.right - within.right, within.top - box.top, box.bottom - within.bottom);

  return {
    open: () => document.querySelectorAll("details").forEach(it => { it.open = true; }),

    // Scrolls through the page, so that all figures come into view, and waits until they are drawn.
    async draw() {
      const frame = () => new Promise(requestAnimationFrame), started = performance.now();
      const left = () => document.querySelector("[data-figure]:not(.js-plotly-plot)");
      for (let top = 0; left(); top = top < document.body.scrollHeight ? top + innerHeight : 0) {
        scrollTo({top, behavior: "instant"});
        await frame();
        if (performance.now() - started > 60_000) throw Error(`not drawn: ${name(left())}`);
      }
      scrollTo({top: 0, behavior: "instant"});
      await frame();
    },

    // What is to be read; numbers on the axes of a figure depend on its width.
    text: axes => texts().filter(([, element]) => axes || !element.closest(".xtick, .ytick") || isNaN(element.textContent.replace("−", "-")))
      .map(([node]) => node.data).join("\n"),

    // Texts, shapes and boxes of which a part can neither be seen nor be scrolled to.
    cut() {
      const faults = [];
      const look = (box, element, around) => {
        const within = box.width && box.height ? window_of(around) : null;
        const over = within ? excess(box, within) : 0;
        if (over > TOLERANCE) faults.push(`${name(element)}: ${over.toFixed(1)} px`);
      };
      for (const [node, element] of texts()) look(rectangle(node), element, element);
      for (const element of document.querySelectorAll("body *")) {
        if (element.closest(OUTSIDE) || element.closest("defs") || !shown(element) || !painted(element)) continue;
        const area = area_of(element), box = element.getBoundingClientRect();
        if (!area) look(box, element, element.parentElement);
        else if (excess(box, area) > 3 && !getComputedStyle(element).strokeDasharray.includes("px")) faults.push(`${name(element)}: ${excess(box, area).toFixed(1)} px past its scale`);
      }
      return faults;
    },

    // Pairs of texts of a figure that cover each other.
    collisions() {
      const faults = [];
      for (const figure of document.querySelectorAll(".js-plotly-plot")) {
        const boxes = [...figure.querySelectorAll("svg text")].filter(it => shown(it) && it.textContent.trim())
          .map(it => [it, it.getBoundingClientRect()]).filter(([, box]) => box.width);
        boxes.forEach(([one, a], index) => boxes.slice(index + 1).forEach(([two, b]) => {
          const width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
          const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
          const common = Math.max(width, 0) * Math.max(height, 0);
          if (common > 0.2 * Math.min(a.width * a.height, b.width * b.height)) faults.push(`${name(one)} over ${name(two)}`);
        }));
      }
      return faults;
    },

    // Each text in the window's width with its place on the page and its colour: red, green, blue, opacity.
    colours() {
      const brush = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
      return texts().flatMap(([node, element]) => {
        const box = rectangle(node), style = getComputedStyle(element);
        if (!box.width || box.left < 0 || box.right > innerWidth || scrolls(element.parentElement)) return [];
        brush.clearRect(0, 0, 1, 1);
        brush.fillStyle = element instanceof SVGElement ? style.fill : style.color;
        brush.fillRect(0, 0, 1, 1);
        const [red, green, blue, alpha] = brush.getImageData(0, 0, 1, 1).data;
        let opacity = alpha / 255;
        for (let it = element; it; it = it.parentElement) opacity *= +getComputedStyle(it).opacity;
        return [{text: name(element), colour: [red, green, blue, opacity],
          box: [box.left + scrollX, box.top + scrollY, box.right + scrollX, box.bottom + scrollY]}];
      });
    },

    // Marks what the Tab key has to reach: links, folds and what can be scrolled; returns their names.
    stops() {
      const all = [...document.querySelectorAll("nav a, summary, body *")].filter(it => shown(it)
        && (it.matches("nav a, summary") || scrolls(it) && !it.matches("nav, .js-plotly-plot *")));
      return all.map((it, index) => { it.dataset.stop = index; return name(it); });
    },

    // Where the keyboard is: the mark of the element, and whether one sees it.
    focus() {
      const it = document.activeElement, style = getComputedStyle(it);
      const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0 || style.boxShadow !== "none";
      return [it.dataset.stop ?? null, ring, name(it)];
    },

    // Boxes whose colour says something, but of which a printer that leaves out backgrounds shows nothing.
    unprinted: () => [...document.querySelectorAll("body *")].filter(it => {
      const style = getComputedStyle(it);
      return shown(it) && !(it instanceof SVGElement) && !it.textContent.trim() && !it.children.length
        && opaque(style.backgroundColor) && it.getBoundingClientRect().width && style.printColorAdjust !== "exact";
    }).map(name),
  };
})();
