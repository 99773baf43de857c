"""What services told their logs of their audit's seals, read from files that were kept elsewhere."""

import gzip
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from passage.context import NotConfigured
from shared.audit import seals_told

Told = dict[str, dict[int, str]]
"""Service → number of the seal → its digest in hex."""
STANDARD_INPUT = Path("-")


def told_in(files: Sequence[Path]) -> Told:
    """Every seal that the files tell of; `-` is standard input, `.gz` is unpacked.

    What a collector wrote before a line's JSON, such as the container's name or a time, is passed over.

    Raises:
        NotConfigured: a file can't be read.
    """
    return seals_told(line[line.find("{") :] for file in files for line in _lines(file))


def _lines(file: Path) -> Iterator[str]:
    if file == STANDARD_INPUT:
        yield from sys.stdin
        return
    try:
        yield from _opened(file)
    except (OSError, EOFError) as error:
        raise NotConfigured(f"{file} can't be read ({error})") from None


def _opened(file: Path) -> Iterable[str]:
    if file.suffix == ".gz":
        with gzip.open(file, "rt", encoding="utf-8", errors="replace") as packed:
            yield from packed
    else:
        with file.open(encoding="utf-8", errors="replace") as plain:
            yield from plain
