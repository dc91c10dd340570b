"""The notebook of docs/how_to/notebook.md: made from the page, and run.

`python -m tests.docs.notebook` writes it anew after the page has changed.
"""

import json
import re
import sys
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.docs.pages import DOCS

PAGE = DOCS / "how_to" / "notebook.md"
NOTEBOOK = PAGE.with_suffix(".ipynb")
_ITSELF = " This page is also [a notebook](notebook.ipynb)."
FIGURE = "application/vnd.plotly.v1+json"
_KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def made(page: str) -> str:
    """The notebook of a page, as JSON: text becomes cells of Markdown, and each block of Python a cell of code."""
    assert _ITSELF in page.replace("\n", " ")
    text = re.sub(re.escape(_ITSELF).replace(r"\ ", r"\s"), "", page)
    parts = re.split(r"^```python\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    cells = [_cell(number, part.strip()) for number, part in enumerate(parts)]
    metadata = {"kernelspec": _KERNEL, "language_info": {"name": "python"}}
    return json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}, indent=1) + "\n"


def _cell(number: int, text: str) -> dict[str, Any]:
    """Cells of even number are text."""
    lines = text.splitlines(keepends=True)
    cell = {"cell_type": "code" if number % 2 else "markdown", "id": f"cell-{number}", "metadata": {}, "source": lines}
    return cell | ({"execution_count": None, "outputs": []} if number % 2 else {})


@dataclass
class Executed:
    """A notebook after all its cells were run.

    Attributes:
        notebook: With its outputs, as nbformat reads it.
        updates: HTML by which a cell's output was replaced while the cell ran, in order.
    """

    notebook: Any
    updates: list[str] = field(default_factory=list)

    def shown(self) -> dict[str, list[Mapping[str, Any]]]:
        """The data by MIME type that each cell of code shows, streams left out."""
        cells = [it for it in self.notebook.cells if it.cell_type == "code"]
        return {cell.id: [it.data for it in cell.outputs if "data" in it] for cell in cells}

    def errors(self) -> str:
        """What cells wrote to stderr, where warnings go."""
        outputs = (it for cell in self.notebook.cells for it in cell.get("outputs", ()))
        return "".join(it.text for it in outputs if it.get("name") == "stderr")

    def as_html(self) -> str:
        """The page of Jupyter's own export, which asks for nothing elsewhere.

        Figures are drawn by plotly.js from their data, as Jupyter does in the notebook itself.
        """
        from nbconvert import HTMLExporter
        from plotly.graph_objects import Figure

        exporter, shown = HTMLExporter(), deepcopy(self.notebook)
        for address in ("mathjax_url", "mermaid_js_url", "require_js_url", "jquery_url"):
            setattr(exporter, address, "")
        for output in (it for cell in shown.cells for it in cell.get("outputs", ()) if "data" in it):
            if figure := output.data.pop(FIGURE, None):
                drawn = Figure(figure["data"], figure["layout"])
                output.data["text/html"] = drawn.to_html(figure.get("config"), full_html=False)
        return exporter.from_notebook_node(shown)[0]


def executed(folder: Path, environment: dict[str, str]) -> Executed:
    """Run the notebook in a folder.

    Args:
        folder: The kernel's working directory.
        environment: Of the kernel.

    Raises:
        nbclient.exceptions.CellExecutionError: A cell failed.
    """
    import nbformat
    from nbclient import NotebookClient
    from traitlets.config import Config

    done = Executed(nbformat.read(NOTEBOOK, as_version=4))

    class Client(NotebookClient):
        """Notes what replaces an output: a progress bar leaves nothing behind."""

        def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
            if msg["msg_type"] == "update_display_data":
                done.updates.append(msg["content"]["data"]["text/html"])
            return super().process_message(msg, cell, cell_index)

    with TemporaryDirectory(prefix="headway-") as own:  # a short path: sockets are files in it
        kernel = {"transport": "ipc", "ip": f"{own}/kernel", "connection_file": f"{own}/kernel.json"}
        client = Client(
            done.notebook,
            config=Config({"KernelManager": kernel}),
            timeout=300,
            resources={"metadata": {"path": str(folder)}},
        )
        client.execute(env=environment | {"IPYTHONDIR": own, "JUPYTER_RUNTIME_DIR": own})
    return done


if __name__ == "__main__":
    NOTEBOOK.write_text(made(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    sys.stdout.write(f"{NOTEBOOK} is written\n")
