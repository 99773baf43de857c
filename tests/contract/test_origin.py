"""One origin: every address that a service shows to the world is led to that service, everything else to nobody."""

import importlib
from pathlib import Path

import pytest
from fastapi.routing import iter_route_contexts

from deploy.embedded.wiring import Secrets, Wiring
from shared.db.migrate import SERVICES
from tests.support.deployed import led_to

CLINIC = Path(__file__).parents[2] / "deploy" / "clinics" / "harbor.toml"
INSIDE = ("/live", "/ready", "/metrics", "/openapi.json")
PREFIX = {"intake": "/enquiry"}
"""Where a service's own pages are that would clash with another's."""

PRODUCERS = {"/api/v1/leads", "/api/v1/leads/bulk", "/api/v1/consent-texts"}
"""What of a service's API is called from outside; staff's calls go from service to service."""


@pytest.fixture(scope="module")
def wiring(tmp_path_factory):
    secrets = Secrets.keep(tmp_path_factory.mktemp("origin"))
    return Wiring(
        environment="test",
        databases=dict.fromkeys(SERVICES, "postgresql://nobody@127.0.0.1:1/none"),
        kafka="127.0.0.1:1",
        kafka_idempotent=True,
        kafka_fetch_wait_ms=500,
        ports=dict.fromkeys((*SERVICES, "sandbox"), 1),
        smtp_port=1,
        clinic_file=CLINIC,
        secrets=secrets,
    )


def addresses(name, wiring, monkeypatch):
    """The paths of a service, with something in the place of each parameter."""
    for variable, value in wiring.variables(name).items():
        monkeypatch.setenv(variable, value)
    app = importlib.import_module(f"services.{name}.app").create()
    for route in iter_route_contexts(app.routes):
        yield str(route.path).replace("{", "x").replace("}", "x").replace(":path", "")


def expected(name, path):
    if path.startswith("/assets/"):
        return {"dashboard"}
    if path in INSIDE or (path.startswith("/api/") and path not in PRODUCERS):
        return {"404"}
    if name == "identity" and path == "/":
        return {"dashboard"}
    if name in PREFIX and path in ("/", "/es", "/thanks"):
        return {f"{name}/"}
    return {name}


@pytest.mark.parametrize("name", SERVICES)
def test_every_address_of_a_service_is_led_there(name, wiring, monkeypatch):
    seen = list(addresses(name, wiring, monkeypatch))
    assert len(seen) > 5
    wrong = {}
    for path in seen:
        public = f"{PREFIX[name]}{path}" if expected(name, path) == {f"{name}/"} else path
        if led_to(public) not in expected(name, path):
            wrong[public] = led_to(public)
    assert wrong == {}, f"deploy/caddy/Caddyfile does not lead these to {name}"


def test_two_services_never_claim_one_address(wiring, monkeypatch):
    owners: dict[str, str] = {}
    for name in SERVICES:
        for path in addresses(name, wiring, monkeypatch):
            if expected(name, path) == {name}:
                assert owners.setdefault(path, name) == name, path
