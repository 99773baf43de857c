"""Files that are written from the code and checked in beside it: `--write` renews them, `--check` compares."""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Written:
    """What `python -m <module>` writes into `folder`: the files of these patterns, all of them and no others."""

    module: str
    folder: Path
    patterns: tuple[str, ...]

    def kept(self) -> dict[str, str]:
        """The files that are there: their texts by their paths under `folder`."""
        files = sorted(file for pattern in self.patterns for file in self.folder.glob(pattern))
        return {file.relative_to(self.folder).as_posix(): file.read_text(encoding="utf-8") for file in files}

    def stale(self, now: Mapping[str, str]) -> list[str]:
        """The paths of files that are missing, too many, or differ."""
        kept = self.kept()
        return sorted(path for path in {*now, *kept} if now.get(path) != kept.get(path))

    def write(self, now: Mapping[str, str]) -> None:
        """Renew the files; what is no longer said is deleted."""
        for path in self.kept().keys() - now.keys():
            (self.folder / path).unlink()
        for path, text in now.items():
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / path).write_text(text, encoding="utf-8")

    def parser(self, says: str | None) -> argparse.ArgumentParser:
        """What the command can be asked for."""
        parser = argparse.ArgumentParser(description=says)
        mode = parser.add_mutually_exclusive_group(required=True)
        mode.add_argument("--check", action="store_true", help="compare the files with the code")
        mode.add_argument("--write", action="store_true", help="renew the files")
        return parser

    def check(self, now: Mapping[str, str]) -> int:
        """Name what is not up to date; the exit code is 1 where anything is."""
        stale = self.stale(now)
        sys.stderr.writelines(f"not up to date: {path}; run python -m {self.module} --write\n" for path in stale)
        return 1 if stale else 0

    def main(self, says: str | None, now: Callable[[], Mapping[str, str]], arguments: Sequence[str] | None) -> int:
        """The whole command; gives the exit code."""
        options = self.parser(says).parse_args(arguments)
        if not options.write:
            return self.check(now())
        self.write(now())
        return 0
