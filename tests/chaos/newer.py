"""The next version of Passage, as a rolling restart meets it: today's source with one field more in every event, which
it writes and reads, and one column more in every table, by migrations of its own.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PACKAGES = ("deploy", "passage", "services", "shared")
TABLES = """
select n.nspname as service, c.relname as name
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
 where n.nspname = any($1) and c.relkind in ('r', 'p') and not c.relispartition order by 1, 2
"""
EVERY_EVENT = '''    """A fact. `VERSION` is the major version in the type's name."""

    VERSION: ClassVar[int] = 1
'''
WRITTEN = ".model_dump_json() for p in pending"


@dataclass(frozen=True, slots=True)
class Version:
    """A version's source, and the field that it added. The first is the source under test, which added none."""

    number: int
    home: Path
    field: str = ""


def next_after(version: Version, folder: Path, tables: Mapping[str, Sequence[str]]) -> Version:
    """Write the version after this one into a new folder. `tables`: service → the names of its tables."""
    following = Version(version.number + 1, folder, f"added_in_{version.number + 1}")
    for package in PACKAGES:
        shutil.copytree(version.home / package, folder / package, symlinks=True)
    _patch(
        folder / "shared" / "contracts" / "base.py",
        EVERY_EVENT,
        f"{EVERY_EVENT}    {following.field}: Code | None = None\n",
    )
    _patch(
        folder / "shared" / "eventlog" / "log.py",
        WRITTEN,
        f'.model_copy(update={{"{following.field}": p.origin.service}}){WRITTEN}',
    )
    for service, names in tables.items():
        for name in names:
            file = folder / "services" / service / "migrations" / f"9{following.number:03d}_{name}.sql"
            file.write_text(f"alter table {name} add column {following.field} text;\n", encoding="utf-8")
    return following


def _patch(file: Path, old: str, new: str) -> None:
    source = file.read_text(encoding="utf-8")
    assert source.count(old) == 1, f"{file.name} is not as the next version expects it: {old.strip()!r}"
    file.write_text(source.replace(old, new), encoding="utf-8")
