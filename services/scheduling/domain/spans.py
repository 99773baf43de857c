"""Half-open spans of time `[start, end)`, aware and in UTC; sorted and disjoint wherever a `Spans` is meant."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple


class Span(NamedTuple):
    """From `start` up to, but without, `end`."""

    start: datetime
    end: datetime


Spans = tuple[Span, ...]


def merge(spans: Iterable[Span]) -> Spans:
    """Sorted and disjoint; spans that touch become one, empty ones vanish."""
    merged: list[Span] = []
    for span in sorted(span for span in spans if span.start < span.end):
        if merged and span.start <= merged[-1].end:
            merged[-1] = Span(merged[-1].start, max(merged[-1].end, span.end))
        else:
            merged.append(span)
    return tuple(merged)


def subtract(spans: Spans, busy: Spans) -> Spans:
    """What is left of `spans` without `busy`. Both sorted and disjoint; one pass."""
    left: list[Span] = []
    first = 0
    for span in spans:
        start = span.start
        while first < len(busy) and busy[first].end <= start:
            first += 1
        at = first
        while at < len(busy) and busy[at].start < span.end:
            if start < busy[at].start:
                left.append(Span(start, busy[at].start))
            start = max(start, busy[at].end)
            at += 1
        if start < span.end:
            left.append(Span(start, span.end))
    return tuple(left)


def covers(spans: Sequence[Span], wanted: Span) -> bool:
    """Whether one of `spans` holds all of `wanted`."""
    at = bisect_right(spans, wanted.start, key=_start) - 1
    return at >= 0 and wanted.end <= spans[at].end


def overlap(one: Span, other: Span) -> bool:
    """Whether the two share a moment."""
    return one.start < other.end and other.start < one.end


def _start(span: Span) -> datetime:
    return span.start
