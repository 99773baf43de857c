"""Every alert is raised by what it is for and by nothing else: Prometheus' own rule tests, run by its own tool."""

import shutil
import subprocess
from functools import cache

import pytest
import yaml

from tests.support.deployed import ROOT, alerts, compose

FOLDER = ROOT / "deploy" / "prometheus"
CASES = "alerts.test.yml"


def cases():
    return yaml.safe_load((FOLDER / CASES).read_text())["tests"]


@cache
def promtool():
    """The command that runs it, on this machine or in Prometheus' image; None where there is neither."""
    if shutil.which("promtool"):
        return ["promtool"]
    image = compose()["services"]["prometheus"]["image"]
    there = ["docker", "image", "inspect", image]
    if shutil.which("docker") and subprocess.run(there, capture_output=True, timeout=20, check=False).returncode == 0:
        return [
            "docker", "run", "--rm", "--network=none", "-v", f"{FOLDER}:/rules:ro", "-w", "/rules",
            "--entrypoint", "promtool", image,
        ]  # fmt: skip
    return None


@pytest.mark.parametrize("alert", [rule["alert"] for rule in alerts()])
def test_each_alert_has_a_case_in_which_it_is_raised_and_one_in_which_it_is_not(alert):
    asked = [one for case in cases() for one in case["alert_rule_test"] if one["alertname"] == alert]
    assert any(one["exp_alerts"] for one in asked)
    assert any(not one["exp_alerts"] for one in asked)
    assert [one for one in cases()[-1]["alert_rule_test"] if one["alertname"] == alert], "also where nothing is wrong"


def test_prometheus_raises_them_so():
    command = promtool()
    if command is None:
        pytest.skip("there is neither promtool nor Docker with Prometheus' image here")
    done = subprocess.run(
        [*command, "test", "rules", CASES], cwd=FOLDER, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
