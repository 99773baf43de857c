"""Stopping a stack that runs in another terminal, and forgetting one."""

import fcntl
import json
import os
import shutil
import signal
import time
from pathlib import Path

from deploy.embedded.postgres import folder_elsewhere
from passage.context import NotConfigured

PATIENCE_SECONDS = 40.0


def down(state: Path) -> str:
    """Ask the supervisor to end, and wait until it has.

    Raises:
        NotConfigured: it does not end.
    """
    if not _runs(state):
        return "nothing runs here"
    facts = state / "stack.json"
    if not facts.exists():
        raise NotConfigured("the stack is still starting: press Ctrl-C where it starts")
    os.kill(json.loads(facts.read_text())["pids"]["supervisor"], signal.SIGTERM)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while _runs(state):
        if time.monotonic() > deadline:
            raise NotConfigured("it was asked to stop and still runs")
        time.sleep(0.1)
    return "stopped"


def reset(state: Path) -> str:
    """Delete the stack's folder.

    Raises:
        NotConfigured: the stack runs.
    """
    if _runs(state):
        raise NotConfigured("the stack runs: stop it first (`make down`, or Ctrl-C where it runs)")
    if not state.exists():
        return "nothing to forget"
    if not (state / "lock").exists():
        raise NotConfigured(f"{state} is not a stack's folder")
    shutil.rmtree(folder_elsewhere(state / "postgres"), ignore_errors=True)
    shutil.rmtree(state)
    return "everything here is forgotten"


def _runs(state: Path) -> bool:
    lock = state / "lock"
    if not lock.exists():
        return False
    with lock.open("r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
