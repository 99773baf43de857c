"""Looks for what people said wherever Passage keeps or tells something, in whatever form it may stand there.

A needle is one thing that somebody said. Its forms are what of it would still tell who they are: the words, a name's
parts, a number's digits, and all of these in JSON, URLs, base64 and hex.
"""

import base64
import json
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, quote_plus

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

SHORTEST = 5
"""Shorter words stand by chance in keys and hashes."""
SHORTEST_ENCODED = 8
COLUMNS = """
select n.nspname as schema, c.relname as table
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
 where c.relkind = 'r' and n.nspname not in ('pg_catalog', 'information_schema')
 order by 1, 2
"""


@dataclass(frozen=True, slots=True)
class Needle:
    """`kind` is "name", "phone" or "words": what it is decides into which parts it falls."""

    kind: str
    said: str

    def words(self) -> set[str]:
        """What to look for as words, whatever their case."""
        found = {self.said}
        if self.kind == "name":
            found |= {part for part in re.findall(r"\w+", self.said) if len(part) >= SHORTEST}
        if self.kind == "phone":
            digits = re.sub(r"\D", "", self.said)[-10:]
            area, office, line = digits[:3], digits[3:6], digits[6:]
            found |= {digits, f"1{digits}", f"{area}-{office}-{line}", f"({area}) {office}-{line}", f"{office}-{line}"}
        escaped = {json.dumps(one)[1:-1] for one in found} | {quote(one) for one in found}
        every = found | escaped | {quote_plus(one) for one in found}
        return {one.lower() for one in every if len(one) >= SHORTEST}

    def encoded(self) -> set[str]:
        """What to look for exactly: pieces of base64 at any offset, and hex."""
        raw = self.said.encode()
        if len(raw) < SHORTEST_ENCODED:
            return set()
        found = {raw.hex(), raw.hex().upper()}
        for offset in range(3):
            # the first and last characters hang together with the neighbours
            piece = base64.b64encode(b"\0" * offset + raw).decode().rstrip("=")[offset + 1 if offset else 0 : -1]
            found |= {piece, piece.replace("+", "-").replace("/", "_")}
        return found


@dataclass(frozen=True, slots=True)
class Found:
    """Where something stood that should not."""

    place: str
    said: str
    form: str

    def __str__(self) -> str:
        return f"{self.place}: {self.said!r} as {self.form!r}"


def search(places: Iterable[tuple[str, bytes]], needles: Iterable[Needle]) -> list[Found]:
    """Everything of the needles that stands in one of the places, each once per place."""
    wanted = [
        (needle.said, [(form, form.encode()) for form in needle.words()], [form.encode() for form in needle.encoded()])
        for needle in needles
    ]
    found: dict[tuple[str, str], Found] = {}
    for place, content in places:
        lower = content.lower()
        for said, words, exact in wanted:
            hit = next((form for form, raw in words if raw in lower and _as_word(raw, lower)), None)
            hit = hit or next((raw.decode() for raw in exact if raw in content), None)
            if hit is not None:
                found.setdefault((place, said), Found(place, said, hit))
    return list(found.values())


def _as_word(raw: bytes, lower: bytes) -> bool:
    """Not as a part of a longer word, which would be chance."""
    return re.search(rb"(?<![0-9a-z])" + re.escape(raw) + rb"(?![0-9a-z])", lower) is not None


async def tables(conn: asyncpg.Connection) -> list[tuple[str, bytes]]:
    """Every column of every table of every schema, as what it says."""
    found: dict[str, list[bytes]] = {}
    for table in await conn.fetch(COLUMNS):
        name = f"{table['schema']}.{table['table']}"
        for row in await conn.fetch(f'select * from "{table["schema"]}"."{table["table"]}"'):
            for column, value in row.items():
                raw = value if isinstance(value, bytes) else str(value).encode()
                found.setdefault(f"{name}.{column}", []).append(raw)
    return [(place, b"\n".join(values)) for place, values in found.items()]


async def topics(bootstrap: str) -> list[tuple[str, bytes]]:
    """Everything that the broker keeps: keys, headers, values, from the beginning."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        there = [topic for topic in await admin.describe_topics() if not topic["topic"].startswith("__")]
    finally:
        await admin.close()
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, fetch_max_wait_ms=20)
    await consumer.start()
    try:
        consumer.assign(
            [TopicPartition(one["topic"], part["partition"]) for one in there for part in one["partitions"]]
        )
        await consumer.seek_to_beginning()
        found: dict[str, list[bytes]] = {one["topic"]: [] for one in there}
        silent = 0
        # What is left is asked for several times: an embedded broker's end offsets read low.
        while silent < 5:
            batches = await consumer.getmany(timeout_ms=200)
            silent = 0 if batches else silent + 1
            for place, records in batches.items():
                for record in records:
                    parts = [record.key or b"", record.value or b"", *(key.encode() for key, _ in record.headers)]
                    found[place.topic].extend([*parts, *(value for _, value in record.headers)])
        return [(f"topic {name}", b"\n".join(records)) for name, records in found.items()]
    finally:
        await consumer.stop()


def files(folder: Path, *, apart_from: Mapping[str, str]) -> Iterator[Path]:
    """Every file below the folder, but for those below the paths of `apart_from` (path → the reason)."""
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder).as_posix()
        if path.is_file() and not any(inside == one or inside.startswith(f"{one}/") for one in apart_from):
            yield path


def on_disk(paths: Iterable[Path], needles: Iterable[Needle]) -> list[str]:
    """The files that hold one of the needles' longer forms: changed and deleted rows, indexes and the log ahead too."""
    forms = {one for needle in needles for one in needle.words() if len(one) >= SHORTEST_ENCODED}
    told = subprocess.run(
        ["xargs", "-0", "grep", "-aoHiF", *(part for form in sorted(forms) for part in ("-e", form))],
        input="\0".join(str(path) for path in paths).encode(),
        capture_output=True,
        env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
        check=False,
    )
    return sorted(set(told.stdout.decode(errors="replace").splitlines()))
