"""Settings of the manual: `make docs` builds it from the pages of this folder and from the code, without a network."""

import sys
from importlib.metadata import version as version_of
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent / "_extensions"), str(Path(__file__).parents[1])]

project = "Headway"
author = "the authors of Headway"
version = release = version_of("headway")

extensions = ["myst_parser", "sphinx.ext.autodoc", "from_code", "other_pages"]
exclude_patterns = ["_*"]
source_suffix = {".md": "markdown"}

myst_heading_anchors = 4  # the addresses that GitHub gives headings

default_role = "code"  # docstrings have single backticks
autodoc_member_order = "bysource"
# Types that have no page here.
nitpick_ignore_regex = [
    ("py:class", r"(collections|headway|np|numpy|pandas|pathlib|pd|pipeline|plotly|sklearn|torch)\..*"),
    ("py:class", r"Figure|OpenModel|Path"),
]

html_theme = "furo"
html_title = "Headway"
html_show_copyright = False
html_copy_source = html_show_sourcelink = False
