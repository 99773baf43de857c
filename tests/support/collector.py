"""An OpenTelemetry collector that keeps what it is sent, as bytes."""

import gzip
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


@dataclass
class Collector:
    """`told` holds the bodies of exports; strings stand in them readably (protobuf)."""

    told: list[bytes] = field(default_factory=list)

    @property
    def app(self) -> Starlette:
        return Starlette(routes=[Route("/v1/traces", self._take, methods=["POST"])])

    async def _take(self, request: Request) -> Response:
        body = await request.body()
        self.told.append(gzip.decompress(body) if request.headers.get("content-encoding") == "gzip" else body)
        return Response(media_type="application/x-protobuf")
