"""The operator's scripts where no engine is: a `docker` that writes down what it is asked, and in which order."""

import os
import subprocess

import pytest

from tests.support.deployed import ROOT

ENGINE = """#!/usr/bin/env bash
echo "$*" >>"$ASKED"
case "$*" in
    "compose config") printf 'name: clinic\\nservices:\\n  intake:\\n    image: passage:0.1.0\\n' ;;
    "image inspect passage:0.1.0") [ -n "$BUILT" ] ;;
    *"select count"*) echo 0 ;;
esac
"""


@pytest.fixture
def operator(tmp_path):
    """Runs a script in a folder that has nothing but the operator's files; gives what the engine was asked."""
    scripts = tmp_path / "clinic" / "deploy" / "compose"
    scripts.parent.mkdir(parents=True)
    scripts.symlink_to(ROOT / "deploy" / "compose")
    engine = tmp_path / "bin" / "docker"
    engine.parent.mkdir()
    engine.write_text(ENGINE)
    engine.chmod(0o755)
    asked = tmp_path / "asked"

    def run(script, *arguments, built):
        path = f"{engine.parent}{os.pathsep}{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "ASKED": str(asked), "BUILT": "yes" if built else ""}
        command = [str(scripts / script), *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return asked.read_text().splitlines()

    return run


@pytest.mark.parametrize("built", [False, True])
def test_a_backup_is_restored_on_a_machine_on_which_nothing_was_built_yet(operator, tmp_path, built):
    backup = tmp_path / "passage-1.dump"
    backup.write_text("a dump")
    asked = operator("restore", str(backup), built=built)
    roles = next(number for number, one in enumerate(asked) if one.endswith("passage roles"))
    assert ("compose build" in asked[:roles]) is not built
    assert asked[-1] == "compose up -d --wait"
