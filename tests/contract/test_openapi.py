"""The checked-in descriptions of the HTTP APIs: whole, and with examples that are allowed.

`tests/service/test_access.py` holds that they are what the routes say.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jsonschema
import pytest

from passage import openapi
from shared.http.describing import ACCESS, JSON
from shared.http.problems import MEDIA_TYPE

Document = dict[str, Any]
KEPT: dict[str, Document] = {
    file.stem: json.loads(file.read_text()) for file in sorted(openapi.FILES.folder.glob("*.json"))
}


def operations(document: Document) -> Iterator[tuple[str, Document]]:
    for path, methods in document["paths"].items():
        yield from ((f"{method.upper()} {path}", operation) for method, operation in methods.items())


def test_what_is_out_of_date_is_named(tmp_path):
    (tmp_path / "gone.json").write_text("{}")
    (tmp_path / "intake.json").write_text("old")
    files = replace(openapi.FILES, folder=tmp_path)
    assert files.stale({"intake.json": "new", "added.json": ""}) == ["added.json", "gone.json", "intake.json"]


@pytest.mark.parametrize("name", KEPT)
def test_every_operation_says_what_it_does_and_who_may(name):
    for where, operation in operations(KEPT[name]):
        assert operation[ACCESS]["kind"], where
        if operation[ACCESS]["kind"] in ("staff", "producer"):
            [asked] = operation["security"]
            assert set(asked) <= KEPT[name]["components"]["securitySchemes"].keys(), where


@pytest.mark.parametrize("name", KEPT)
def test_every_example_is_what_its_schema_allows(name):
    document, seen = KEPT[name], 0
    for where, operation in operations(document):
        for body in [operation.get("requestBody", {}), *operation["responses"].values()]:
            for kind, content in body.get("content", {}).items():
                shown = [it["value"] for it in content.get("examples", {}).values()]
                shown += [content["example"]] if "example" in content else []
                assert kind in (JSON, MEDIA_TYPE) or not shown, where
                for value in shown:
                    jsonschema.validate(value, {**content["schema"], "components": document["components"]})
                    seen += 1
    assert seen > 3 or name == "identity"


def test_a_producer_reads_every_refusal_of_its_door():
    answers = KEPT["intake"]["paths"]["/api/v1/leads"]["post"]["responses"]
    codes = {
        code: (status, it["value"]["remedy"])
        for status, body in answers.items()
        for code, it in body["content"].get(MEDIA_TYPE, {}).get("examples", {}).items()
    }
    assert {code: status for code, (status, _) in codes.items()} == {
        "no_idempotency_key": "400",
        "no_api_key": "401",
        "bad_api_key": "401",
        "idempotency_key_reused": "409",
        "too_large": "413",
        "invalid": "422",
        "unusable_contact": "422",
        "too_many": "429",
        "busy": "503",
    }
    assert all(remedy for _, remedy in codes.values())
