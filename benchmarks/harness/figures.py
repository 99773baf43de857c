"""A figure is a ratio against a limit or a peer that was measured in turn with it; absolutes drift up to twofold."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of the report.

    `figure` and `base` are medians in `unit`; `ratio` is the median of the rounds' own ratios, and is what `target`
    is held against where there is a base. `met` is None for a figure that has no target.
    """

    name: str
    figure: float
    unit: str
    base: float | None = None
    against: str = ""
    ratio: float | None = None
    target: str = ""
    met: bool | None = None
    note: str = ""


def compared(
    name: str,
    unit: str,
    ours: Sequence[float],
    base: Sequence[float],
    *,
    against: str,
    at_least: float | None = None,
    at_most: float | None = None,
    note: str = "",
) -> Figure:
    """Ours over the base, round by round. Without `at_least` or `at_most` it is only told."""
    ratio = median(one / other for one, other in zip(ours, base, strict=True))
    target, met = _judge(ratio, at_least, at_most, "")
    return Figure(name, median(ours), unit, median(base), against, ratio, target, met, note)


def plain(
    name: str,
    unit: str,
    values: Sequence[float],
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    note: str = "",
) -> Figure:
    """A figure with a limit of its own, such as a start-up time: the median of the rounds."""
    figure = median(values)
    target, met = _judge(figure, at_least, at_most, f" {unit}")
    return Figure(name, figure, unit, target=target, met=met, note=note)


def quantile(values: Sequence[float], share: float) -> float:
    """The value that `share` of the sorted values don't exceed, without interpolation: a p99 is one that was seen."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _judge(value: float, at_least: float | None, at_most: float | None, unit: str) -> tuple[str, bool | None]:
    if at_least is not None:
        return f"≥ {at_least:g}{unit}", value >= at_least
    if at_most is not None:
        return f"≤ {at_most:g}{unit}", value <= at_most
    return "", None
