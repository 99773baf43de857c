"""One stack for the whole story, in a checkout of its own, as an operator has one.

The files are the story's chapters, in the order of their names. `make test-compose` tells it; it takes minutes.
"""

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import history
from tests.support.composed import BUILD_SECONDS, Composed, why_not

HERE = Path(__file__).parent
LONG = "PASSAGE_TEST_COMPOSE" in os.environ
WHY_NOT = why_not()


@dataclass(frozen=True)
class Releases:
    """Commits in `root`; `before` is None where the past is not known."""

    root: Path
    before: str | None
    today: str

    def pull(self, commit: str) -> None:
        """What `git pull` does."""
        history.git(self.root, "checkout", "--quiet", "--detach", commit)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.timeout(1500))
            if WHY_NOT:
                item.add_marker(pytest.mark.skip(reason=WHY_NOT))
            elif not LONG and "stack" in getattr(item, "fixturenames", ()):
                item.add_marker(pytest.mark.skip(reason="takes minutes: `make test-compose` runs it"))


@pytest.fixture
def say(capfd: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """For what a run has measured; it is seen also when all goes well."""

    def told(text: str) -> None:
        with capfd.disabled():
            sys.stdout.write(f"\n{text}\n")

    return told


@pytest.fixture(scope="session")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Releases:
    """This folder as it stands, in a clone that has no environment of its own, and what came before it."""
    root = tmp_path_factory.mktemp("composed") / "passage"
    today = history.checkout(root)
    return Releases(root, history.release_before(), today)


@pytest.fixture(scope="session")
def stack(releases: Releases, request: pytest.FixtureRequest) -> Iterator[Composed]:
    """It runs. It begins with the release before, where one is known, and the first chapter brings it to today's; told
    without that chapter, the story begins with today's.
    """
    upgraded = any(item.path.name == "test_1_upgrade.py" for item in request.session.items)
    releases.pull((upgraded and releases.before) or releases.today)
    made = Composed.in_a_checkout(releases.root)
    try:
        made.compose("build", seconds=BUILD_SECONDS)
        made.up()
        yield made
    finally:
        releases.pull(releases.today)
        made.down()
