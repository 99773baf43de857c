"""The picture of who says what to whom is what the code declares."""

import re
from dataclasses import replace

from passage import diagram
from shared.contracts.base import SOURCES
from shared.contracts.readers import read_from

ARROW = re.compile(r'^  (\w+) -- "([^"]+)" --> (\w+)$', re.MULTILINE)


def test_the_page_is_up_to_date():
    assert diagram.main(["--check"]) == 0, "run python -m passage.diagram --write"


def test_a_page_that_is_not_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(diagram, "PAGE", replace(diagram.PAGE, folder=tmp_path))
    assert diagram.main(["--check"]) == 1
    assert diagram.main(["--write"]) == 0
    assert diagram.main(["--check"]) == 0
    assert "passage.diagram --write" in capsys.readouterr().err


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
