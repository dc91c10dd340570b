"""Exponents of growth."""

import numpy as np
import pandas as pd

_EXPONENTS = np.arange(0.3, 2.01, 0.01)


def fitted(table: pd.DataFrame) -> dict[str, float]:
    """Exponents of processor time and memory over the upper half of a range (of its logarithm); both ends of memory."""
    medians = table.groupby("at")[["cpu_seconds", "memory_mib"]].median()
    upper = medians[medians.index >= np.sqrt(medians.index.min() * medians.index.max())]
    slopes = {
        column: float(np.polyfit(np.log(upper.index), np.log(upper[column]), 1)[0]) if len(upper) > 1 else float("nan")
        for column in upper
    }
    ends = {"memory_first_mib": medians["memory_mib"].iloc[0], "memory_last_mib": medians["memory_mib"].iloc[-1]}
    return {"time": slopes["cpu_seconds"], "memory": slopes["memory_mib"], **ends}


def above_fixed(costs: pd.Series) -> tuple[float, float]:
    """The fixed part and the exponent of fixed + x^exponent * cost, by relative least squares.

    Args:
        costs: By size, of at least three; a fixed part below 0 or a falling cost is none.
    """
    sizes, values = costs.index.to_numpy(float), costs.to_numpy(float)
    found = []
    for exponent in _EXPONENTS:
        powers = (sizes / sizes.max()) ** exponent
        both = np.column_stack([np.ones_like(powers), powers]) / values[:, None]
        fixed, cost = np.linalg.lstsq(both, np.ones_like(values), rcond=None)[0]
        if fixed < 0:
            fixed, cost = 0.0, ((both[:, 1] @ np.ones_like(values)) / (both[:, 1] @ both[:, 1]))
        error = float(np.sum((both @ [fixed, cost] - 1) ** 2))
        found.append((error if cost > 0 else float("inf"), float(fixed), float(exponent)))
    _, fixed, exponent = min(found)
    return fixed, exponent
