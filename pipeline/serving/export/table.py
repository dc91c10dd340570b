"""Rows of a table from the tensors of its columns, as `pipeline.data.encodings.rows` makes them of a frame.

Legend of shapes: B rows, W numbers of a text, R columns of numbers and dates, F values of a row.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pipeline.data.encodings.rows import CATEGORICAL, DATE, FREE_TEXT, NUMERIC
from pipeline.data.encodings.values import NumberFormat
from pipeline.serving.specification import SourceSpec

_DAY = 86_400  # seconds
_FEATURES = ("year", "month", "weekday", "hour", "day_of_year", "days")
_UNBOUNDED = (-torch.inf, torch.inf)


class TableRows(nn.Module):
    """Encodes the rows of a table.

    Args:
        source: The table.
    """

    def __init__(self, source: SourceSpec) -> None:
        super().__init__()
        about = source.encoding or {}
        self._kinds = [it["kind"] for it in about["columns"]]
        self._gaps = NumberFormat.of(about).numbers(["", *(about.get("missing") or ())])
        raw = [it for it in about["columns"] if it["kind"] in (NUMERIC, DATE)]
        dates = [it["name"] for it in raw if it["kind"] == DATE]
        texts = [it for it in about["columns"] if it["kind"] == FREE_TEXT]
        self._marked = [place for place, it in enumerate(raw) if it["marked"]]
        # Where each number of a row is found among the raw ones, the features of dates, and the texts.
        begins = {it["name"]: place for place, it in enumerate(raw) if it["kind"] == NUMERIC}
        begins |= {name: len(raw) + place * len(_FEATURES) for place, name in enumerate(dates)}
        end = len(raw) + len(dates) * len(_FEATURES)
        for it in texts:
            begins[it["name"]] = end
            end += it["width"]
        places, spans = list[int](), list[tuple[float, float, float, float]]()
        for it in about["columns"]:
            begin = begins.get(it["name"], 0)
            if it["kind"] == NUMERIC:
                places.append(begin)
                spans.append((*it.get("clip", _UNBOUNDED), it["mean"], it["std"]))
            for feature in it["features"] if it["kind"] == DATE else ():
                places.append(begin + _FEATURES.index(feature["of"]))
                spans.append((*feature.get("clip", _UNBOUNDED), feature["mean"], feature["std"]))
            if it["kind"] == FREE_TEXT:
                places += range(begin, begin + it["width"])
                spans += [(*_UNBOUNDED, 0.0, 1.0)] * it["width"]
        self._places = places
        self.numeric: Tensor
        self.spans: Tensor
        self.register_buffer("numeric", torch.tensor([it["kind"] == NUMERIC for it in raw], dtype=torch.bool))
        self.register_buffer("spans", torch.tensor(spans, dtype=torch.float64).reshape(-1, 4).t().contiguous())

    def forward(self, columns: Sequence[Tensor]) -> Tensor:
        """Encode rows.

        Args:
            columns: Of numbers, NaN where missing, and of dates in seconds since 1970, float64 [B]; of texts float32
                [B, W]; codes of categories, int64 [B]: in their order.

        Returns:
            float32 [B, F].
        """
        of = list(zip(self._kinds, columns, strict=True))
        found, texts = list[Tensor](), [it for kind, it in of if kind == FREE_TEXT]
        raw = [it for kind, it in of if kind in (NUMERIC, DATE)]
        if raw:
            numbers = torch.stack(raw, 1)  # [B, R]
            for gap in self._gaps:
                numbers = numbers.where(~(self.numeric & (numbers == gap)), torch.nan)
            missing = numbers.isnan()
            dates = [it for kind, it in of if kind == DATE]
            pool = torch.cat([numbers, *map(features_of, dates), *(it.double() for it in texts)], 1)
        elif texts:
            pool = torch.cat(texts, 1).double()
        if self._places:
            low, high, mean, std = self.spans
            own = pool[:, self._places]
            standardised = (own.clamp(low, high) - mean) / std
            found.append(standardised.where(~own.isnan(), 0.0))
        if self._marked:
            found.append(missing[:, self._marked].double())
        if codes := [it for kind, it in of if kind == CATEGORICAL]:
            found.append(torch.stack(codes, 1).double())
        return torch.cat(found, 1).float()


def features_of(seconds: Tensor) -> Tensor:
    """What a network is told of dates, see `pipeline.data.encodings.dates.features_of`.

    The year of a day is Howard Hinnant's `civil_from_days`, for years that begin in March.

    Args:
        seconds: Since 1970, float64 [B], NaN where missing.

    Returns:
        Year, month, weekday, hour, day of the year and days since 1970, float64 [B, 6], NaN where missing.
    """
    there = seconds.nan_to_num(0.0)
    days = (there / _DAY).floor()
    shifted = days + 719_468  # since the 1st of March of the year 0
    era = (shifted / 146_097).floor()
    day = shifted - era * 146_097
    of_era = ((day - (day / 1460).floor() + (day / 36_524).floor() - (day / 146_096).floor()) / 365).floor()
    of_year = day - (365 * of_era + (of_era / 4).floor() - (of_era / 100).floor())
    since_march = ((5 * of_year + 2) / 153).floor()
    month = since_march + 3 - 12 * (since_march > 9).double()
    year = of_era + 400 * era + (month < 3).double()
    first = 365 * (year - 1970) + ((year - 1969) / 4).floor() - ((year - 1901) / 100).floor()
    first = first + ((year - 1601) / 400).floor()
    weekday = days + 3 - 7 * ((days + 3) / 7).floor()
    features = [year, month, weekday, (there - days * _DAY) / 3600, days - first + 1, there / _DAY]
    return torch.stack(features, 1).where(~seconds.isnan()[:, None], torch.nan)
