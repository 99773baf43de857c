"""A clinic's own OIDC issuer, as far as services look at it: discovery, keys, tokens. Not ours, as it may well be."""

import time
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


class Issuer:
    """Signs whatever a test wants to show to a service."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._key = ECKey.generate_key("P-256", {"kid": "tests", "use": "sig", "alg": "ES256"})
        self.app = Starlette(
            routes=[Route("/.well-known/openid-configuration", self._metadata), Route("/jwks", self._keys)]
        )

    def token(self, person: str, audience: str, *, step_up: bool = False, **claims: Any) -> str:
        """A token for `person` of the clinic file, good at the service `audience` for ten minutes."""
        now = int(time.time())
        content = {
            "iss": self.url,
            "sub": person,
            "aud": f"passage:{audience}",
            "iat": now,
            "exp": now + 600,
            "auth_time": now,
            "amr": ["pwd", "otp"],
            "acr": "step-up" if step_up else "mfa",
            **claims,
        }
        return jwt.encode({"alg": "ES256", "kid": "tests"}, content, self._key)

    async def _metadata(self, _: Request) -> JSONResponse:
        places = {"authorization_endpoint": f"{self.url}/authorize", "jwks_uri": f"{self.url}/jwks"}
        return JSONResponse({"issuer": self.url, **places})

    async def _keys(self, _: Request) -> JSONResponse:
        return JSONResponse({"keys": [self._key.as_dict(private=False)]})
