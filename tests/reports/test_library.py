"""The library in the pages is plotly.js of the installed version, and draws all that our figures are made of."""

import gzip
import json
import re
from importlib.resources import files

from plotly.offline import get_plotlyjs_version

from pipeline.reports import render
from pipeline.reports.page import LIBRARY
from tests.analysis.made import report_data, unpacked
from tests.reports.test_render import SPACE, trials

STATIC = files("pipeline.reports") / "static"


def test_it_is_of_the_version_that_plotly_for_python_carries_and_its_licence_lies_beside_it() -> None:
    source = gzip.decompress((STATIC / LIBRARY).read_bytes()).decode()
    assert (
        re.search(r"^\* plotly\.js \(cartesian - minified\) v(.*)$", source, re.MULTILINE)[1] == get_plotlyjs_version()
    )  # type: ignore[index]
    assert (STATIC / "plotly.LICENSE").read_text().startswith("MIT License\n\nCopyright (c) 2016-")


def test_it_has_every_kind_of_trace_that_is_drawn() -> None:
    data = report_data({"a": 0.7, "b": 0.6}, {"a": 0.8, "b": 0.6}, trials=trials(40), space=SPACE)
    figures = json.loads(unpacked(render(data), "figures")).values()
    kinds = {trace["type"] for figure in figures for trace in figure["data"]}
    source = gzip.decompress((STATIC / LIBRARY).read_bytes()).decode()
    assert {"scatter", "bar", "heatmap"} <= kinds
    assert all(f'name:"{kind}"' in source or f'name: "{kind}"' in source for kind in kinds), kinds
