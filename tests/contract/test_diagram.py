"""The picture of who says what to whom is what the code declares."""

import re
from dataclasses import replace

import pytest

from passage import diagram
from passage.access import ROOT
from shared.contracts.base import SOURCES
from shared.contracts.readers import READS, read_from
from shared.contracts.registry import EVENTS

EVENT = re.compile(r"\b[A-Z][a-z]+(?:[A-Z][a-z]+)+\b")
PUBLISHES = re.compile(r"Publishes\W(.*?)(?=\n\n|\n\||Consumes)", re.DOTALL)
CONSUMES = re.compile(r"Consumes\W(.*?)(?=\n\n|\n\||\*\*Owns)", re.DOTALL)
ARROW = re.compile(r'^  (\w+) -- "([^"]+)" --> (\w+)$', re.MULTILINE)


def test_the_page_is_up_to_date():
    assert diagram.main(["--check"]) == 0, "run python -m passage.diagram --write"


def test_a_page_that_is_not_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(diagram, "PAGE", replace(diagram.PAGE, folder=tmp_path))
    assert diagram.main(["--check"]) == 1
    assert diagram.main(["--write"]) == 0
    assert diagram.main(["--check"]) == 0
    assert "passage.diagram --write" in capsys.readouterr().err


def test_what_is_declared_and_never_said_is_told_apart():
    """A reader who waits for it would wait for ever."""
    rows = dict(re.findall(r"^\| (\w+) \| (.*) \| [\w, ]* \|$", diagram.PAGE.kept()[diagram.NAME], re.MULTILINE))
    silent = {name for name, says in rows.items() if says.endswith(diagram.NOT_YET)}
    assert silent == {"OutcomeMeasured", "SlotOffered"}


@pytest.mark.parametrize("source", SOURCES)
def test_a_services_page_names_what_it_says_and_what_it_hears(source):
    page = (ROOT / "services" / source / "README.md").read_text(encoding="utf-8")
    [says], [hears] = PUBLISHES.findall(page), CONSUMES.findall(page)
    declared = {event.__name__ for event in EVENTS[source]}
    assert set(EVENT.findall(says)) & declared == diagram.made_by(source) & declared
    assert set(EVENT.findall(hears)) == {event.__name__ for event in READS[source]}


def test_every_arrow_is_in_the_table_of_readers():
    drawn = {
        (source, reader): names.split("<br/>")
        for source, names, reader in ARROW.findall(diagram.PAGE.kept()[diagram.NAME])
    }
    told = {
        (source, reader): [event.__name__ for event in events]
        for reader in ("intake", "assessment", "scheduling", "notifications")
        for source, events in read_from(reader).items()
    }
    of_services = {ends: names for ends, names in drawn.items() if ends[0] in SOURCES}
    assert {ends: set(names) for ends, names in of_services.items()} == {e: set(names) for e, names in told.items()}
    assert "outside([programs outside]) -- " in diagram.PAGE.kept()[diagram.NAME]
