"""A registered model from Python, which predicts as `headway predict` does."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headway.session import borrowed
from pipeline.config import project_folder
from pipeline.errors import UserError
from pipeline.plugins import add_to_path
from pipeline.tracking.store import check_store, tracking_uri

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from pipeline.serving.open_model import OpenModel


class Model:
    """A model of Headway's, opened without unpickling anything.

    Attributes:
        uri: What it was loaded from.
        about: What it says of itself: `tasks` (kind, classes ...) and `sources` (columns, shapes ...), by name.
    """

    def __init__(self, uri: str, opened: "OpenModel") -> None:
        from pipeline.serving.open_model import described

        self.uri, self._opened = uri, opened
        self.about: Mapping[str, Any] = described(opened)

    @classmethod
    def load(cls, model: str | Path, *, project: str | Path | None = None) -> "Model":
        """Open a model.

        Args:
            model: `models:/NAME@champion`, `models:/NAME/1`, `models:/m-...`, `runs:/RUN/NAME`; the ID of a run, or its
                beginning, that registered a model; or the folder of a model that was downloaded.
            project: Whose store is asked; by default the nearest folder upward that has MLproject.

        Raises:
            UserError: There is no such model, it is none of Headway's, or it would need unpickling.
            Failure: The store does not answer, or the model cannot be loaded here.
        """
        name = str(model)
        with borrowed():
            from pipeline.serving.open_model import open_folder, open_model

            if Path(name).is_dir():
                return cls(name, open_folder(Path(name)))
            folder = add_to_path(Path(project).expanduser().resolve() if project else project_folder())
            check_store(tracking_uri(folder))
            from pipeline.commands.lookup import model_of_run
            from pipeline.tracking.tracker import Tracker

            tracker = Tracker(folder, None)  # makes its store MLflow's current one
            uri = name if ":/" in name else model_of_run(tracker, name)
            return cls(uri, open_model(uri))

    @property
    def folder(self) -> Path:
        """Its files, as long as it lives."""
        return self._opened.folder

    @property
    def tasks(self) -> list[str]:
        """What it predicts."""
        return list(self.about["tasks"])

    def predict(
        self, rows: "pd.DataFrame | np.ndarray | list | str | Path", *, preference: Mapping[str, float] | None = None
    ) -> "pd.DataFrame":
        """Predict every task of every row.

        Args:
            rows: A frame with the columns that the model reads, B rows; images as numbers [B, F] or in their own shape;
                a list of texts; or the path of what `headway predict --input` takes, whose other columns are kept.
            preference: Of a network that is given one: a share of each task.

        Returns:
            A row for each, with the frame's index: `TASK/label`, `TASK/class` and `TASK/probability/CLASS` of classes,
            `TASK/value` of a regression in the target's own unit, `TASK/tags` of tokens. The same values as of
            `headway predict`.

        Raises:
            UserError: A column is missing, or a value is none that the model reads.
        """
        import pandas as pd

        shares = self._shares(preference)
        if isinstance(rows, str | Path):
            from pipeline.steps.predict import open_rows, scored

            source = Path(rows)
            if not source.exists():
                raise UserError(f"{source}: no such file or folder")
            opened = open_rows(source, self.about["sources"])
            return pd.concat(scored(self._opened, opened, source, shares, _silent, None), ignore_index=True)
        try:
            answers = self._opened.predict(rows, shares)
        except ValueError as error:
            raise UserError(str(error)) from None
        return answers.set_axis(rows.index) if isinstance(rows, pd.DataFrame) else answers

    def __repr__(self) -> str:
        return f"<headway.Model {self.uri}: {', '.join(self.tasks)}>"

    def _shares(self, preference: Mapping[str, float] | None) -> dict[str, Any]:
        """As the model takes them."""
        if preference is None:
            return {}
        from pipeline.steps.predict import shares

        text = ",".join(f"{task}={share!r}" for task, share in preference.items())
        return {"preference": shares(text, self.about.get("preference", {}).get("tasks", []))}


def _silent(*_: Any) -> None:
    pass
