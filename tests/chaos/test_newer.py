"""The next version that a rolling restart brings: it can be written from today's source, and both read each other."""

import json
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

from deploy.embedded.stack import ROOT
from shared.contracts.intake import LeadClosed
from tests.chaos.newer import Version, next_after

READS_AND_WRITES = """
import sys
from shared.contracts.intake import LeadClosed
from shared.db.migrate import migrations_of
read = LeadClosed.model_validate_json(sys.stdin.read())
assert (read.added_in_2, read.added_in_3) == (None, None)
assert [file.name for file in migrations_of("intake")][-2:] == ["9002_patients.sql", "9003_patients.sql"]
print(read.model_copy(update={"added_in_3": "intake"}).model_dump_json())
"""


def test_the_next_version_reads_what_this_one_writes_and_is_read_by_it(tmp_path: Path) -> None:
    second = next_after(Version(1, ROOT), tmp_path / "2", {"intake": ["patients"]})
    third = next_after(second, tmp_path / "3", {"intake": ["patients"]})
    event = LeadClosed(patient_id=uuid4(), reason="test")
    done = subprocess.run(
        [sys.executable, "-c", READS_AND_WRITES], cwd=third.home, input=event.model_dump_json(),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["added_in_3"] == "intake"
    assert LeadClosed.model_validate_json(done.stdout) == event
