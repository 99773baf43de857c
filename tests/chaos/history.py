"""What was done and what was heard, line by line, by id: the clients' requests and answers, the nemesis's faults."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any


class History:
    """Kept in memory and, as it grows, in a file."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self.file = file
        self.lines: list[dict[str, Any]] = []
        self._out: IO[str] = file.open("w", encoding="utf-8")

    def note(self, who: str, id_: str, what: str, **more: Any) -> None:
        """Something happened: by whom, to which id."""
        line = {"at": datetime.now(UTC).isoformat(timespec="milliseconds"), "who": who, "id": id_, "what": what, **more}
        self.lines.append(line)
        self._out.write(json.dumps(line, default=str, ensure_ascii=False) + "\n")

    def of(self, id_: str) -> list[dict[str, Any]]:
        """The lines in which an id stands anywhere."""
        return [line for line in self.lines if any(id_ in str(value) for value in line.values())]

    def close(self) -> None:
        """Everything is in the file."""
        self._out.close()
