"""This project's own past, from git: a checkout of it, and the release that an operator would upgrade from."""

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
MIGRATIONS = ("services/*/migrations/*.sql", "shared/db/kernel/*.sql")
AUTHOR = ("-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false")


def git(folder: Path, *arguments: str) -> str:
    """What git says there, stripped."""
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"git {' '.join(arguments)}\n{done.stderr}"
    return done.stdout.strip()


@cache
def release_before() -> str | None:
    """The newest release, else the newest commit, with only some of today's migrations; None where none is known."""
    try:
        commits = [
            *git(ROOT, "tag", "--merged", "HEAD", "--sort=-creatordate", "--list", "v*").split(),
            *git(ROOT, "rev-list", "--first-parent", "HEAD").split(),
        ]
    except (AssertionError, FileNotFoundError):
        return None
    today = {str(file.relative_to(ROOT)) for pattern in MIGRATIONS for file in ROOT.glob(pattern)}
    return next((one for one in commits if (there := _migrations(one)) and there < today), None)


def _migrations(commit: str) -> set[str]:
    specs = [f":(glob){pattern}" for pattern in MIGRATIONS]
    # ls-tree knows no patterns; a grep for anything names every file that is not empty.
    named = git(ROOT, "grep", "--files-with-matches", "--extended-regexp", ".", commit, "--", *specs)
    return {line.partition(":")[2] for line in named.splitlines()}


def checkout(folder: Path) -> str:
    """A clone in `folder` whose newest commit is this folder as it stands, changes included; gives that commit."""
    git(ROOT, "clone", "--quiet", "--shared", "--no-checkout", str(ROOT), str(folder))
    here = ("--git-dir", str(folder / ".git"), "--work-tree", str(ROOT))
    git(ROOT, *here, "add", "--all")
    git(ROOT, *here, *AUTHOR, "commit", "--quiet", "--allow-empty", "--message", "as it stands")
    git(folder, "reset", "--quiet", "--hard")
    return git(folder, "rev-parse", "HEAD")
