"""The Kubernetes objects: valid by Kubernetes' schemas or their controllers', and in step with what the code says."""

import json

import kubernetes_validate
import pytest
import yaml
from pydantic import ValidationError

from shared.contracts.readers import READS, read_from
from shared.contracts.topics import TOPICS, events_of
from shared.db.migrate import SERVICES
from shared.settings import ServiceSettings
from tests.contract.test_deployed import settings_class
from tests.support.custom_resources import CUSTOM
from tests.support.deployed import ROOT, led_to

BASE = ROOT / "deploy" / "kubernetes" / "base"
VERSION = "1.34"
KUSTOMIZATION = yaml.safe_load((BASE / "kustomization.yaml").read_text())
OBJECTS = [
    found for name in KUSTOMIZATION["resources"] for found in yaml.safe_load_all((BASE / name).read_text()) if found
]


def of(kind):
    return {one["metadata"]["name"]: one for one in OBJECTS if one["kind"] == kind}


def pods():
    return {name: one["spec"]["template"]["spec"] for kind in ("Deployment", "Job") for name, one in of(kind).items()}


@pytest.mark.parametrize(
    "thing",
    [one for one in OBJECTS if one["kind"] not in CUSTOM],
    ids=lambda one: f"{one['kind']}-{one['metadata']['name']}",
)
def test_an_object_is_what_kubernetes_takes(thing):
    kubernetes_validate.validate(thing, VERSION, strict=True)


@pytest.mark.parametrize(
    "thing",
    [one for one in OBJECTS if one["kind"] in CUSTOM],
    ids=lambda one: f"{one['kind']}-{one['metadata']['name']}",
)
def test_a_custom_resource_says_what_its_controller_knows(thing):
    CUSTOM[thing["kind"]].model_validate(thing)


@pytest.mark.parametrize(
    ("kind", "right", "wrong", "told"),
    [
        ("ScaledObject", "lagThreshold", "lagTreshold", "triggers.0.metadata.lagTreshold"),
        ("ScaledObject", "scaleTargetRef", "scaleTarget", "spec.scaleTargetRef"),
        ("ScaledObject", "cooldownPeriod", "coolDownPeriod", "spec.coolDownPeriod"),
        ("ScaledObject", '"500"', "500", "triggers.0.metadata.lagThreshold"),
        ("HTTPRoute", "backendRefs", "backendRef", "rules.1.backendRef"),
        ("HTTPRoute", "PathPrefix", "Prefix", "path.type"),
        ("HTTPRoute", "parentRefs", "parents", "spec.parentRefs"),
    ],
)
def test_a_custom_resource_with_a_slip_is_seen(kind, right, wrong, told):
    thing = json.loads(json.dumps(next(iter(of(kind).values()))).replace(right, wrong))
    with pytest.raises(ValidationError) as found:
        CUSTOM[kind].model_validate(thing)
    places = [".".join(map(str, error["loc"])) for error in found.value.errors()]
    assert any(told in place for place in places), places


def test_every_file_is_listed_and_every_service_has_its_objects():
    assert set(KUSTOMIZATION["resources"]) == {file.name for file in BASE.iterdir()} - {"kustomization.yaml"}
    for kind in ("Deployment", "Service", "PodDisruptionBudget"):
        assert set(of(kind)) == set(SERVICES), kind
    assert set(of("ScaledObject")) == set(SERVICES) - {"identity"}


@pytest.mark.parametrize("name", [*SERVICES, "migrations", "topics"])
def test_a_pod_can_do_little(name):
    pod = pods()[name]
    [box] = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    assert box["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert box["resources"]["limits"]["memory"]


@pytest.mark.parametrize("name", SERVICES)
def test_requests_are_led_to_whoever_can_answer_them_though_kafka_is_away(name):
    [box] = pods()[name]["containers"]
    assert box["readinessProbe"]["httpGet"]["path"] == "/ready?requests=true"
    assert box["livenessProbe"]["httpGet"]["path"] == box["startupProbe"]["httpGet"]["path"] == "/live"


@pytest.mark.parametrize("name", SERVICES)
def test_every_variable_is_a_setting_of_its_service(name):
    [box] = pods()[name]["containers"]
    fields, prefix = settings_class(name).model_fields, f"PASSAGE_{name.upper()}_"
    assert box["command"] == ["python", "-m", f"services.{name}"]
    for one in box.get("env", []):
        assert one["name"].removeprefix(prefix).lower() in fields, one
    for variable in of("ConfigMap")["passage"]["data"]:
        known = variable.removeprefix("PASSAGE_").lower() in ServiceSettings.model_fields
        assert known or variable == "PASSAGE_SECRETS_DIR", variable


@pytest.mark.parametrize("name", sorted(READS))
def test_a_service_is_scaled_by_what_it_reads(name):
    spec = of("ScaledObject")[name]["spec"]
    declared = {topic.name: topic.partitions for topic in TOPICS}
    asked = {trigger["metadata"]["topic"] for trigger in spec["triggers"]}
    assert {events_of(source) for source in read_from(name)} <= asked <= set(declared)
    assert {trigger["metadata"]["consumerGroup"] for trigger in spec["triggers"]} == {f"passage.{name}"}
    assert spec["maxReplicaCount"] <= min(declared[topic] for topic in asked)


def test_the_gateway_leads_where_caddy_leads():
    rules = of("HTTPRoute")["passage"]["spec"]["rules"]
    assert all(len(rule["matches"]) <= 8 for rule in rules), "the Gateway API's limit"
    for rule in rules:
        who = rule["backendRefs"][0]["name"] if "backendRefs" in rule else "404"
        for match in rule["matches"]:
            kind, value = match["path"]["type"], match["path"]["value"]
            path = value if kind == "Exact" else f"{value.rstrip('/')}/x"
            if path == "/sign-in/x" or not path.startswith("/enquiry"):
                assert led_to(path).rstrip("/") == who, path
            else:
                assert led_to(path) == "intake/"
