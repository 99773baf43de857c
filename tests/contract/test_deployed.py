"""What the operator's files promise: the compose file, the alerts and the dashboard, read without Docker."""

import importlib
import json
import re
from pathlib import Path

import pytest

from deploy.compose.secrets import make
from deploy.sandbox.settings import SandboxSettings
from passage.cli import app
from shared.db.migrate import SERVICES
from shared.http.server import GRACE_SECONDS
from shared.settings import ServiceSettings
from shared.telemetry.metrics import REGISTRY
from tests.support.deployed import ROOT, alerts, compose, variables
from tests.support.runbook import FILE, procedures, sections

OURS = (*SERVICES, "sandbox")
JOBS = {"migrations", "topics", "passage"}
DRAIN_SECONDS = GRACE_SECONDS + 10 + 5
"""Requests, then the consumer's batch in hand, then the pool (`shared/http/server.py`, `shared/service.py`)."""

BY_PROMETHEUS = {"up", "ALERTS", "process_resident_memory_bytes", "process_cpu_seconds_total"}
COMMAND = re.compile(r"`(?:docker compose|docker|passage|deploy/compose/)[^`]*`")
NAMES_ELSEWHERE = {
    "Procedures", "Set aside", "Consumer lag", "Events applied per second", "Memory",
    "outbox", "transactions", "backup",
}  # fmt: skip
"""Of the board's pages, Grafana's panels and the runbook's own parts."""
METRIC = re.compile(r"\b(passage_\w+|process_\w+|up|ALERTS)\b")


def service(name):
    return compose()["services"][name]


def settings_class(name):
    if name == "sandbox":
        return SandboxSettings
    module = importlib.import_module(f"services.{name}.settings")
    return next(
        one
        for one in vars(module).values()
        if isinstance(one, type)
        and issubclass(one, ServiceSettings)
        and one.model_config["env_prefix"] == f"PASSAGE_{name.upper()}_"
    )


def seconds(text):
    assert text.endswith("s")
    return int(text[:-1])


@pytest.mark.parametrize("name", OURS)
def test_every_variable_and_secret_of_a_service_is_one_of_its_settings(name):
    fields, common = settings_class(name).model_fields, ServiceSettings.model_fields
    prefix = f"PASSAGE_{name.upper()}_"
    secrets = [one["target"].upper() for one in service(name)["secrets"] if isinstance(one, dict)]
    for variable in [*service(name)["environment"], *secrets]:
        own = variable.startswith(prefix) and variable.removeprefix(prefix).lower() in fields
        shared = variable.removeprefix("PASSAGE_").lower() in common
        assert own or shared, f"{name} knows no {variable}"


@pytest.mark.parametrize("name", sorted(compose()["services"]))
def test_every_container_is_bounded_comes_back_and_can_do_little(name):
    told = service(name)
    limits = told["deploy"]["resources"]["limits"]
    assert {"cpus", "memory", "pids"} <= set(limits)
    assert told["cap_drop"] == ["ALL"]
    assert told.get("logging", {}).get("options", {}).get("max-size")
    assert ":" in told["image"]
    assert not told["image"].endswith(":latest")
    if name not in JOBS:
        assert told["restart"] == "unless-stopped"
        assert "stop_grace_period" in told
    if name in (*OURS, *JOBS, "kafka", "caddy", "prometheus", "grafana"):
        assert told["read_only"] is True


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_more_time_to_stop_than_it_needs(name):
    assert seconds(service(name)["stop_grace_period"]) > DRAIN_SECONDS


def test_nothing_but_caddy_is_published_beyond_this_machine():
    for name, told in compose()["services"].items():
        if name != "caddy":
            assert all(port.startswith("127.0.0.1:") for port in told.get("ports", [])), name
    for closed in ("front", "data", "watching"):
        assert compose()["networks"][closed]["internal"] is True


@pytest.mark.parametrize("name", ["intake", "assessment", "notifications", "dashboard", "caddy", "prometheus"])
def test_who_speaks_with_others_elsewhere_has_a_way_out(name):
    """Vendors, the clinic's own issuer, who gives certificates, and the Alertmanager that tells a person."""
    asked = service(name)["networks"]
    assert [one for one in asked if not compose()["networks"][one].get("internal")], name


def test_services_wait_for_the_database_and_not_for_good_for_a_broker():
    for name in SERVICES:
        wanted = service(name)["depends_on"]
        assert wanted["migrations"] == {"condition": "service_completed_successfully"}
        assert wanted["topics"]["required"] is False
        assert "kafka" not in wanted
    assert service("topics")["depends_on"] == {"kafka": {"condition": "service_started"}}, "one that keeps ending is up"
    assert "--patience" in service("topics")["command"]
    assert "restart" not in service("topics"), "once: the services wait for its end"


def test_nothing_depends_on_what_a_profile_brings():
    optional = {name for name, told in compose()["services"].items() if "profiles" in told}
    assert optional == {"grafana", "sandbox", "passage"}
    for name, told in compose()["services"].items():
        assert not optional & set(told.get("depends_on", {})), name


def test_make_secrets_makes_every_secret_once_and_nobody_else_may_look(tmp_path):
    folder, env = tmp_path / "secrets", tmp_path / ".env"
    make(folder, env, domain="")
    assert {file.name for file in folder.iterdir()} == set(compose()["secrets"])
    assert folder.stat().st_mode & 0o777 == 0o700
    assert env.stat().st_mode & 0o777 == 0o600
    before = {file: file.read_bytes() for file in [*folder.iterdir(), env]}
    assert make(folder, env, domain="") == []
    assert {file: file.read_bytes() for file in [*folder.iterdir(), env]} == before


@pytest.mark.parametrize("domain", ["", "clinic.example"])
def test_the_environment_that_is_made_says_only_what_the_compose_file_reads(domain, tmp_path):
    make(tmp_path / "secrets", tmp_path / ".env", domain=domain)
    said = dict(
        line.split("=", 1) for line in (tmp_path / ".env").read_text().splitlines() if line and not line.startswith("#")
    )
    assert set(said) - {"COMPOSE_PROFILES"} <= variables()
    assert said["PASSAGE_ORIGIN"].startswith("https://clinic.example" if domain else "http://passage.localhost")
    vendors = [tmp_path / "secrets" / name for name in ("twilio_token", "vagaro_token", "eligibility_key")]
    assert all(bool(file.read_text()) is not bool(domain) for file in vendors), "a real vendor's token can't be made up"


@pytest.mark.parametrize("name", ["intake", "notifications"])
def test_secrets_are_read_from_files_and_an_empty_one_is_none(name, tmp_path, monkeypatch):
    folder = tmp_path / "secrets"
    make(folder, tmp_path / ".env", domain="")
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    for one in service(name)["secrets"]:
        source, target = (one, one) if isinstance(one, str) else (one["source"], one["target"])
        (mounted / target).write_text((folder / source).read_text() + "\n")
    for variable, value in service(name)["environment"].items():
        monkeypatch.setenv(variable, "" if "${" in value else value)
    monkeypatch.setenv("PASSAGE_SECRETS_DIR", str(mounted))
    monkeypatch.setenv("PASSAGE_NOTIFICATIONS_TWILIO_ACCOUNT", "AC0")
    monkeypatch.setenv("PASSAGE_NOTIFICATIONS_TWILIO_FROM", "+18015550100")
    monkeypatch.setenv("PASSAGE_NOTIFICATIONS_SMTP_HOST", "mail")
    monkeypatch.setenv("PASSAGE_NOTIFICATIONS_URLS", "{}")
    monkeypatch.setenv("PASSAGE_CLINIC_FILE", "/clinics/harbor.toml")
    found = settings_class(name)()
    assert found.database_url.get_secret_value() == (folder / f"{name}_database_url").read_text()
    assert (found.kafka, found.port) == ("kafka:9092", 8000)
    if name == "intake":
        assert found.twilio_auth_token.get_secret_value() == (folder / "twilio_token").read_text()
        (mounted / "passage_intake_twilio_auth_token").write_text("\n")
        assert settings_class(name)().twilio_auth_token is None, "an empty file must never be a key of no characters"


def exported():
    names = set(BY_PROMETHEUS)
    for family in REGISTRY.collect():
        names |= {family.name, f"{family.name}_total", f"{family.name}_bucket", f"{family.name}_count"}
    return names


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_an_alert_asks_for_what_is_measured_and_the_runbook_says_what_to_do(rule):
    assert set(METRIC.findall(re.sub(r"\{[^}]*\}", "", rule["expr"]))) <= exported()
    assert rule["labels"]["severity"] in ("page", "ticket")
    file, _, anchor = rule["annotations"]["runbook"].partition("#")
    headings = [line[3:].strip().lower() for line in (ROOT / file).read_text().splitlines() if line.startswith("## ")]
    assert anchor == rule["alert"].lower()
    assert anchor in headings


def test_the_runbook_has_a_section_for_each_alert_and_for_nothing_else():
    assert set(sections("Alerts")) == {rule["alert"] for rule in alerts()}


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_an_alerts_section_says_what_it_means_what_to_look_at_and_what_to_do(rule):
    text = sections("Alerts")[rule["alert"]]
    assert text.startswith(f"*{rule['labels']['severity']}.* **Means**: ")
    assert re.findall(r"(?m)^- \*\*(\w+)\*\*", text) == ["Look", "Do"]
    look, do = text.split("- **Look**")[1].split("- **Do**")
    assert COMMAND.search(look), "there is something to look at"
    assert COMMAND.search(do) or re.search(r"\*[A-Z][a-z ]+\*", do), "a command, or a procedure"


def test_the_runbook_knows_no_procedure_and_no_command_that_is_not_there():
    text = FILE.read_text()
    for script in set(re.findall(r"deploy/compose/[a-z-]+", text)):
        assert (ROOT / script).is_file(), script
    targets = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text()))
    assert set(re.findall(r"`make ([a-z-]+)", text)) <= targets
    headings = {*sections("Alerts"), *sections("Procedures")}
    assert set(re.findall(r"\*([A-Z][A-Za-z ]+)\*(?!\*)", text)) - headings <= NAMES_ELSEWHERE
    known = {command.name or command.callback.__name__ for command in app.registered_commands}
    known |= {group.name for group in app.registered_groups}
    assert set(re.findall(r"`passage ([a-z]+)", text)) <= known


def test_every_procedure_is_commands_that_the_story_of_the_compose_stack_follows():
    story = "".join(file.read_text() for file in (ROOT / "tests" / "compose").glob("test_*.py"))
    for heading, commands in procedures().items():
        assert commands, heading
        assert f'"{heading}"' in story, f"tests/compose follows no {heading!r}"


def test_grafanas_dashboard_shows_what_is_measured():
    folder = ROOT / "deploy" / "grafana"
    dashboard = json.loads((folder / "dashboards" / "passage.json").read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert len(expressions) > 15
    for expression in expressions:
        assert set(METRIC.findall(re.sub(r"\{[^}]*\}", "", expression))) <= exported(), expression
    source = {target["datasource"]["uid"] for panel in dashboard["panels"] for target in panel["targets"]}
    assert source == {"prometheus"}
    assert "uid: prometheus" in (folder / "provisioning" / "datasources" / "prometheus.yml").read_text()
    mounted = [line for line in service("grafana")["volumes"] if line.startswith("./")]
    assert all((ROOT / Path(line.split(":")[0])).is_dir() for line in mounted)


def test_prometheus_asks_every_service():
    told = (ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text()
    assert set(re.findall(r"job_name: (\w+)", told)) == set(SERVICES)
    assert set(re.findall(r"names: \[(\w+)\], type: A, port: 8000", told)) == set(SERVICES)
