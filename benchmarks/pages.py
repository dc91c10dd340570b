"""What a report weighs, and how long Chromium takes to draw its figures, against the pages before.

Pages before had the whole plotly.js, and figures that plotly.js fitted into their margins (commit 4f13256). Such a page
is made of the very figures of a report, and both are opened in turns. A page is drawn when all figures that are not
folded away are, while one scrolls through it.

    python -m benchmarks.pages [--trials N] [--repeats K]

It exits with 1 where a page has more than 1 MB, takes more than 0.7 of the time before, or, with 1,000 trials, more
than 2 s. Chromium and Playwright have to be installed. A machine that others share takes longer.
"""

import base64
import gzip
import json
import re
import shutil
import statistics
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
from playwright.sync_api import Browser, sync_playwright

from benchmarks.common import records
from benchmarks.common.project import run
from benchmarks.networks import REPOSITORY

MOST_BYTES, MOST_SHARE, MOST_SECONDS, MANY = 1_000_000, 0.7, 2.0, 1_000

_LESS = "\\u003c"  # could end the element
_BEFORE = """
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
unpacked("plotly").then(library => {
  const script = document.createElement("script");
  script.textContent = library;
  document.head.append(script);
  const places = document.querySelectorAll(".plot");
  const seen = new IntersectionObserver(entries => entries.forEach(
    entry => entry.isIntersecting && !drawn.has(entry.target) && draw(entry.target)), {rootMargin: "600px"});
  const sized = new ResizeObserver(entries => entries.forEach(
    entry => drawn.has(entry.target) && entry.contentRect.width && Plotly.Plots.resize(entry.target)));
  places.forEach(place => { seen.observe(place); sized.observe(place); });
});
"""

_DRAWN = """async () => {
  const places = [...document.querySelectorAll(".plot")].filter(it => !it.closest("details:not([open])"));
  const left = () => places.find(it => !it.querySelector(".main-svg"));
  while (left()) {
    left().scrollIntoView({behavior: "instant"});
    await new Promise(requestAnimationFrame);
  }
  return performance.now() / 1000;
}"""


@click.command()
@click.option("--trials", "many", default=MANY, show_default=True, help="Of the larger study.")
@click.option("--repeats", default=5, show_default=True)
def main(many: int, repeats: int) -> None:
    """Measure a report of the digits with 20 trials and one with many."""
    judged: list[tuple[str, bool]] = []
    with TemporaryDirectory() as place, _chromium() as browser:
        for trials in (20, many):
            page = report(Path(place), trials)
            old = page.with_name("before.html")
            old.write_text(before(page.read_text(encoding="utf-8")), encoding="utf-8")
            times: dict[Path, list[float]] = {page: [], old: []}
            for repeat in range(repeats):
                for it, found in times.items():
                    found.append(drawn(browser, it))
                    click.echo(f"  {repeat + 1}/{repeats} {trials:,} trials, {it.name}: {found[-1]:.2f} s", err=True)
            judged += checks(trials, page.stat().st_size, old.stat().st_size, times[page], times[old])
    sys.exit(0 if records.judged(judged) else 1)


def report(place: Path, trials: int) -> Path:
    """Run a job with so many short trials in a project of its own; the page of its report."""
    folder = place / f"{trials}"
    folder.mkdir()
    shutil.copy(REPOSITORY / "MLproject", folder)
    shutil.copytree(REPOSITORY / "experiments", folder / "experiments")
    values = {"tuning.trials": trials, "tuning.batch": min(trials, 100), "tuning.replicates": 2}
    sets = (word for key, value in values.items() for word in ("--set", f"{key}={value}"))
    run([sys.executable, "-m", "pipeline", "run", "debug", *sets], folder)
    return next(it for it in (folder / ".headway" / "outputs").rglob("report.html"))


def before(page: str) -> str:
    """The page as it was made before: the whole library, and figures that make room by themselves, one by one."""
    from plotly.offline import get_plotlyjs

    library = base64.b64encode(gzip.compress(get_plotlyjs().encode(), mtime=0)).decode()
    body = page[: page.index("<noscript>")].replace('classList.add("waiting")', "classList")
    data = "".join(
        f'<script type="application/json" id="{name}">{json.dumps(_by_itself(it)).replace("<", _LESS)}</script>'
        for name, it in figures(page).items()
    )
    return (
        f'{body}{data}<script type="text/plain" id="plotly">{library}</script><script>{_BEFORE}</script></body></html>'
    )


def figures(page: str) -> dict[str, Any]:
    """What the page's figures are made of, by name."""
    found = re.search(r'<script type="text/plain" id="figures">([^<]*)</script>', page)
    assert found is not None
    return json.loads(gzip.decompress(base64.b64decode(found[1])))


def drawn(browser: Browser, page: Path) -> float:
    """Seconds from the call of a page until all its figures are drawn."""
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    tab.goto(page.as_uri(), wait_until="domcontentloaded")
    seconds = float(tab.evaluate(_DRAWN))
    tab.close()
    return seconds


def checks(
    trials: int, size: int, size_before: int, now: Sequence[float], earlier: Sequence[float]
) -> Iterator[tuple[str, bool]]:
    """What is asked of a page, in words with what was found, and whether it holds.

    Args:
        trials: Of its study.
        size: Bytes.
        size_before: Bytes of the page as it was made before.
        now: Seconds of each turn.
        earlier: Those of the page as it was made before, in the same order.
    """
    share = statistics.median(one / other for one, other in zip(now, earlier, strict=True))
    seconds = statistics.median(now)
    what = f"{trials:,} trials"
    yield f"{what}: {size / 1e6:.2f} MB, before {size_before / 1e6:.2f} MB (at most 1 MB)", size <= MOST_BYTES
    yield f"{what}: drawn in {share:.2f} of the time before (at most {MOST_SHARE})", share <= MOST_SHARE
    if trials >= MANY:
        yield f"{what}: drawn in {seconds:.2f} s (at most {MOST_SECONDS:g} s)", seconds <= MOST_SECONDS


def _by_itself(figure: dict[str, Any]) -> dict[str, Any]:
    axes = {name: {**axis, "automargin": True} for name, axis in figure["layout"].items() if name[1:5] == "axis"}
    return {"data": figure["data"], "layout": {**figure["layout"], **axes}}


@contextmanager
def _chromium() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()


if __name__ == "__main__":
    main()
