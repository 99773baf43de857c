"""The description of an API: what the framework knows of its routes, and what they say of who may use them.

The promise: every operation names its proof and its roles as `shared.http.access` declares them, begins with what it
does, and shows a body as it could really be sent.
"""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI

from shared.contracts.examples import example
from shared.http.access import Access, Route, declared
from shared.http.problems import MEDIA_TYPE, SCHEMA, Problem

JSON = "application/json"
SCHEMES: dict[str, dict[str, str]] = {
    "producer": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "The key that the clinic's operations give a producer of leads.",
    },
    "staff": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A token of the clinic's issuer for this service, of a person in the clinic's file.",
    },
}
PROBLEM = {"$ref": "#/components/schemas/Problem"}
ACCESS = "x-passage-access"
"""Who may: `{"kind": …, "roles": […], "step_up": …}`. No roles named: every member of staff."""


class Described(FastAPI):
    """An application whose description is complete."""

    def openapi(self) -> dict[str, Any]:
        if not self.openapi_schema:
            _complete(super().openapi(), declared(self))
        return super().openapi()


def answers(*problems: Problem) -> dict[int | str, dict[str, Any]]:
    """A route's `responses`: each refusal that it may give, as a program will read it."""
    found: dict[int | str, dict[str, Any]] = {}
    for problem in problems:
        content: dict[str, Any] = {MEDIA_TYPE: {"schema": PROBLEM, "examples": {}}}
        answer = found.setdefault(problem.status, {"description": problem.title, "content": content})
        answer["content"][MEDIA_TYPE]["examples"][problem.code] = {
            "summary": problem.title,
            "value": problem.body(None),
        }
    return found


def _complete(document: dict[str, Any], routes: list[Route]) -> None:
    accesses = {(route.path, route.method.lower()): route.access for route in routes if len(route.accesses) == 1}
    used: set[str] = set()
    components = document.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = SCHEMA
    for path, operations in document.get("paths", {}).items():
        for method, operation in operations.items():
            used.update(_told(operation, accesses.get((path, method))))
            for content in _contents(operation):
                if "example" not in content and "examples" not in content:
                    content["example"] = example(content.get("schema", {}), document)
    components["securitySchemes"] = {name: SCHEMES[name] for name in sorted(used)}


def _told(operation: dict[str, Any], access: Access | None) -> list[str]:
    """Say what it does and who may; gives the proofs that it asks for."""
    does, _, rest = str(operation.get("description", "")).partition("\n")
    if does:
        operation["summary"] = does
    operation.pop("description", None)
    if rest.strip():
        operation["description"] = rest.strip()
    if access is None:  # a route that names nobody fails the tests by its name; it is described all the same
        return []
    operation[ACCESS] = {"kind": access.kind, "roles": sorted(access.roles), "step_up": access.step_up}
    asked: list[str] = [name for name in SCHEMES if name == access.kind]
    operation["security"] = [{name: []} for name in asked]
    return asked


def _contents(operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The JSON that goes in, and that comes out when all is well."""
    bodies = [operation.get("requestBody", {})]
    bodies += [body for status, body in operation.get("responses", {}).items() if status.startswith("2")]
    yield from (body["content"][JSON] for body in bodies if body.get("content", {}).get(JSON, {}).get("schema"))
