"""An OpenAPI document as operations: who may, what goes in, what comes out, what may be refused."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.dashboard.reference.documents import Document
from services.dashboard.reference.fields import Field, fields, kind
from shared.contracts.examples import example

JSON = "application/json"
PROBLEM = "application/problem+json"
OUTSIDE = ("producer", "vendor", "public", "client", "link")


@dataclass(frozen=True, slots=True)
class Refusal:
    """What may be answered instead; `example` is the whole body."""

    status: str
    code: str
    title: str
    remedy: str
    example: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path. `who` is the access's kind, `roles` those of the staff (none: all of them)."""

    id: str
    method: str
    path: str
    does: str
    more: str
    who: str
    roles: tuple[str, ...]
    step_up: bool
    parameters: tuple[Field, ...]
    body: tuple[Field, ...]
    curl: str
    status: str
    answer: str
    answered: tuple[Field, ...]
    refusals: tuple[Refusal, ...]

    @property
    def outside(self) -> bool:
        """Whether programs that are not of the clinic's staff call it."""
        return self.who in OUTSIDE


def operations(document: Document, base: str) -> list[Operation]:
    """Every operation, those for programs from outside first; `base` is the service's address."""
    found = [
        _operation(document, base, path, method, told)
        for path, methods in document["paths"].items()
        for method, told in methods.items()
    ]
    return sorted(found, key=lambda one: (not one.outside, OUTSIDE.index(one.who) if one.outside else 0))


def _operation(document: Document, base: str, path: str, method: str, told: Mapping[str, Any]) -> Operation:
    access = told.get("x-passage-access", {})
    sent = told.get("requestBody", {}).get("content", {}).get(JSON, {})
    status, answer = next((status, body) for status, body in told["responses"].items() if status.startswith("2"))
    answered = answer.get("content", {}).get(JSON, {})
    return Operation(
        id=f"{method}-{path.strip('/').replace('/', '-').translate(str.maketrans('', '', '{}.'))}",
        method=method.upper(),
        path=path,
        does=told.get("summary", ""),
        more=told.get("description", ""),
        who=access.get("kind", ""),
        roles=tuple(access.get("roles", ())),
        step_up=bool(access.get("step_up")),
        parameters=tuple(_parameter(one, document) for one in told.get("parameters", ())),
        body=tuple(fields(sent.get("schema", {}), document)),
        curl=curl(document, base, path, method, told),
        status=status,
        answer=_pretty(answered["example"]) if answered.get("example") not in (None, {}) else "",
        answered=tuple(fields(answered.get("schema", {}), document)),
        refusals=tuple(_refusals(told["responses"])),
    )


def curl(document: Document, base: str, path: str, method: str, told: Mapping[str, Any]) -> str:
    """The request as a command for a shell."""
    lines, query = [], []
    for one in told.get("parameters", ()):
        value = str(example(one["schema"], document, one["name"].lower().replace("idempotency-", "")))
        if one["in"] == "path":
            path = path.replace(f"{{{one['name']}}}", value)
        elif one["in"] == "query" and one.get("required"):
            query.append(f"{one['name']}={value}")
        elif one["in"] == "header" and one.get("required"):
            lines.append(f"-H {shlex.quote(one['name'] + ': ' + value)}")
    for asked in told.get("security", ()):
        proof = '-H "X-API-Key: $PASSAGE_API_KEY"' if "producer" in asked else '-H "Authorization: Bearer $TOKEN"'
        lines.insert(0, proof)
    sent = told.get("requestBody", {}).get("content", {}).get(JSON, {})
    if "example" in sent:
        lines += ["-H 'Content-Type: application/json'", f"-d {shlex.quote(_pretty(sent['example']))}"]
    verb = "" if method == "get" or (method == "post" and "example" in sent) else f"-X {method.upper()} "
    address = f"{base}{path}{'?' + '&'.join(query) if query else ''}"
    return " \\\n  ".join([f"curl -sS {verb}{shlex.quote(address)}", *lines])


def _parameter(one: Mapping[str, Any], document: Document) -> Field:
    about = one.get("description", "")
    return Field(one["name"], f"{one['in']}: {kind(one['schema'], document)}", bool(one.get("required")), about)


def _refusals(responses: Mapping[str, Any]) -> list[Refusal]:
    return [
        Refusal(status, code, it["value"]["title"], it["value"].get("remedy", ""), _pretty(it["value"]))
        for status, body in responses.items()
        for code, it in body.get("content", {}).get(PROBLEM, {}).get("examples", {}).items()
    ]


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
