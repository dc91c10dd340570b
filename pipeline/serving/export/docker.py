"""A folder to build a container from that serves a model: MLflow's Dockerfile, and the model."""

import tempfile
from pathlib import Path

from mlflow.models.flavor_backend_registry import get_flavor_backend

from pipeline.errors import Failure
from pipeline.plugins import first_line
from pipeline.serving.export.traced import quiet
from pipeline.serving.open_model import open_model

_BEFORE = "# Copy model to image"
_SMALLER = """\
# The usual torch for Linux brings the libraries of CUDA. Its build for CPUs alone is smaller; this line is untried:
# RUN pip install {torch} --index-url INDEX  (the index of CPU builds that pytorch.org names)
"""


def write_docker(uri: str, path: Path) -> None:
    """Write a folder with a Dockerfile and what it copies; nothing is built.

    Args:
        uri: Of a model of Headway's.
        path: The folder, which is there only when it is whole.

    Raises:
        UserError: There is no such model.
        Failure: The folder cannot be written.
    """
    model = open_model(uri)
    try:
        with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as beside:
            made = Path(beside) / "made"
            with quiet():
                backend = get_flavor_backend(str(model.folder), docker_build=True, env_manager=None)
                backend.generate_dockerfile(str(model.folder), str(made))
            (copied,) = (made / "model_dir").iterdir()
            torch = next(it for it in (copied / "requirements.txt").read_text().split() if it.startswith("torch=="))
            file = made / "Dockerfile"
            text = file.read_text().replace(f"COPY {copied.relative_to(made)} ", "COPY model ")
            file.write_text(text.replace(_BEFORE, f"{_SMALLER.format(torch=torch)}\n{_BEFORE}"))
            copied.replace(made / "model")
            copied.parent.rmdir()
            if path.exists():
                path.rmdir()
            made.replace(path)
    except OSError as error:
        raise Failure(f"--docker {path} cannot be written: {error.strerror or error}") from None
    except Exception as error:  # MLflow raises whatever it meets
        raise Failure(f"--docker {path}: MLflow makes no Dockerfile of {uri}: {first_line(error)}") from error
