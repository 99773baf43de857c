"""Who says what to whom, as a picture: `docs/events.md`, written from the code's own declarations.

Publishers come from the registry of contracts, consumers from each service's `consumers.py`.
`python -m passage.diagram --write` renews it, `--check` says whether it is what the code says.
"""

import ast
import importlib
from collections.abc import Iterator, Sequence

from passage.access import ROOT
from shared.consuming import Consumes
from shared.contracts.base import SOURCES, Event, Source
from shared.contracts.registry import EVENTS
from shared.contracts.topics import CONTROL, GROUPS, TOPICS, dead_letters_of, events_of
from shared.written import Written

NAME = "events.md"
PAGE = Written("passage.diagram", ROOT / "docs", (NAME,))
READER_OF_ALL = "dashboard"
HEAD = f"""# Who says what to whom

Written from the code (`python -m passage.diagram --write`): what a service publishes is in
`shared/contracts/registry.py`, what it reads in its `consumers.py`. An arrow is one topic's events for one reader, each
applied once, in its patient's order. Besides these, {READER_OF_ALL} reads everything. What is in an event:
`/developers` on a running stack, or [shared/contracts/schemas](../shared/contracts/schemas).
"""
NOT_YET = " *Declared and understood; nothing says it yet.*"


def consumers() -> dict[str, Consumes]:
    """What each consumer group has handlers for; nothing is started."""
    return {group: _consumes(group) for group in GROUPS}


def document(groups: dict[str, Consumes]) -> str:
    """The page."""
    return "\n".join([HEAD, *_picture(groups), "", *_events(groups), *_topics(groups), ""])


def _consumes(group: str) -> Consumes:
    module = importlib.import_module(f"services.{group}.consumers")
    # Intake's are made with the key to its mailbox, which nobody needs who only looks at what is read.
    found: Consumes = module.consumes if hasattr(module, "consumes") else module.consumers(None)
    return found


def _picture(groups: dict[str, Consumes]) -> Iterator[str]:
    yield "```mermaid"
    yield "flowchart TB"
    yield from (f"  {name}[{name}]" for name in SOURCES)
    yield f"  {READER_OF_ALL}([{READER_OF_ALL}])"
    for group, consumes in groups.items():
        yield from (f'  outside([programs outside]) -- "{topic}" --> {group}' for topic in consumes.raw_handlers)
    for source in SOURCES:
        for group, consumes in groups.items():
            read = [event.__name__ for event in EVENTS[source] if _reads(consumes, event, source)]
            if group != READER_OF_ALL and read:
                yield f'  {source} -- "{"<br/>".join(read)}" --> {group}'
    yield from (f"  {source} -. everything .-> {READER_OF_ALL}" for source in SOURCES)
    yield "```"


def _events(groups: dict[str, Consumes]) -> Iterator[str]:
    for source in SOURCES:
        made = made_by(source)
        yield f"## {source.capitalize()} says, on `{events_of(source)}`\n"
        yield "| Event | Which says | Read by |"
        yield "|---|---|---|"
        for event in EVENTS[source]:
            readers = [group for group, consumes in groups.items() if _reads(consumes, event, source)]
            says = _says(event) + ("" if event.__name__ in made else NOT_YET)
            yield f"| {event.__name__} | {says} | {', '.join(readers)} |"
        yield ""


def _topics(groups: dict[str, Consumes]) -> Iterator[str]:
    yield "## Every topic\n"
    yield "| Topic | Partitions | Days | Written by | Read by |"
    yield "|---|---|---|---|---|"
    for topic in TOPICS:
        readers = [group for group, consumes in groups.items() if topic.name in consumes.topics(group)]
        writers: list[str] = [source for source in SOURCES if events_of(source) == topic.name]
        writers += [group for group in GROUPS if dead_letters_of(group) == topic.name]
        if topic.name == CONTROL:
            writers, readers = ["whoever misses an event"], ["the relays"]
        days = topic.retention_ms // 86_400_000
        told = f"{', '.join(writers) or 'programs outside'} | {', '.join(readers) or 'people, by `passage dlq`'}"
        yield f"| `{topic.name}` | {topic.partitions} | {days} | {told} |"


def _reads(consumes: Consumes, event: type[Event], source: Source) -> bool:
    return event.type_from(source) in consumes.handlers


def made_by(source: Source) -> set[str]:
    """What the service's own code makes, by name, and what the kernel makes for all: tasks."""
    files = [*(ROOT / "services" / source).rglob("*.py"), ROOT / "shared" / "tasks.py"]
    trees = [ast.walk(ast.parse(file.read_text(encoding="utf-8"))) for file in files]
    called = [node.func for tree in trees for node in tree if isinstance(node, ast.Call)]
    return {
        one.id if isinstance(one, ast.Name) else one.attr for one in called if isinstance(one, ast.Name | ast.Attribute)
    }


def _says(event: type[Event]) -> str:
    return (event.__doc__ or "").strip().partition("\n")[0]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; the exit code is 1 where the page is not up to date."""
    return PAGE.main(__doc__, lambda: {NAME: document(consumers())}, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
