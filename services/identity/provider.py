"""OAuth 2 and OpenID Connect, by authlib: code grant with PKCE, refresh with rotation, ID and JWT access tokens.

authlib's grants are synchronous, so what they would look up is put on the request before, and what they would save is
read from it after; `handlers.py` does both in one transaction.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from authlib.oauth2.rfc6749 import AuthorizationServer, OAuth2Request
from authlib.oauth2.rfc6749.errors import InvalidRequestError
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant, RefreshTokenGrant
from authlib.oauth2.rfc6749.models import ClientMixin
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator
from authlib.oidc.core.grants import OpenIDCode
from joserfc.jwk import KeySet

from services.identity.domain.sign_in import ACCESS_SECONDS, SCOPES
from services.identity.keys import ALGORITHM, SigningKeys
from services.identity.repository import Grant
from shared.clinic import Person
from shared.security.tokens import new_secret

AUDIENCES = tuple(f"passage:{name}" for name in ("intake", "assessment", "scheduling", "notifications", "dashboard"))


@dataclass(frozen=True, slots=True)
class User:
    """Who signed in, and how."""

    person: Person
    auth_time: datetime
    amr: tuple[str, ...]
    acr: str

    def get_user_id(self) -> str:
        return self.person.id

    def claims(self) -> dict[str, Any]:
        """Name and roles as the clinic file has them at this moment."""
        return {
            "name": self.person.name,
            "email": self.person.email,
            "email_verified": True,
            "roles": [str(role) for role in self.person.roles],
        }


@dataclass(frozen=True, slots=True)
class Client(ClientMixin):  # type: ignore[misc]  # authlib is untyped
    """A program that people sign in to."""

    client_id: str
    secret: str
    redirect_uris: tuple[str, ...]
    after_logout: tuple[str, ...]

    def get_client_id(self) -> str:
        return self.client_id

    def get_default_redirect_uri(self) -> str:
        return self.redirect_uris[0]

    def get_allowed_scope(self, scope: str | None) -> str:
        return " ".join(name for name in (scope or "openid").split() if name in SCOPES)

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri in self.redirect_uris

    def check_client_secret(self, client_secret: str) -> bool:
        return hmac.compare_digest(self.secret.encode(), client_secret.encode())

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:  # noqa: ARG002  # authlib's signature
        return method in {"client_secret_basic", "client_secret_post"}

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in {"authorization_code", "refresh_token"}


class Stored:
    """A code or refresh token in the shape that authlib reads."""

    def __init__(self, grant: Grant) -> None:
        self.grant = grant
        self.code_challenge = grant.code_challenge
        self.code_challenge_method = grant.code_challenge_method

    def check_client(self, client: Client) -> bool:
        return self.grant.client_id == client.client_id

    def get_redirect_uri(self) -> str | None:
        return self.grant.redirect_uri

    def get_scope(self) -> str:
        return self.grant.scope

    def get_nonce(self) -> str | None:
        return self.grant.nonce

    def get_auth_time(self) -> int:
        return int(self.grant.auth_time.timestamp())

    def get_acr(self) -> str:
        return self.grant.acr

    def get_amr(self) -> list[str]:
        return list(self.grant.amr)


class Request(OAuth2Request):  # type: ignore[misc]  # authlib is untyped
    """A request to the provider, with what the database knows about it."""

    def __init__(self, method: str, path: str, parameters: Mapping[str, str], headers: Mapping[str, str]) -> None:
        # authlib asks for https in the address; whether people reach us by it is settled by `ServiceSettings`.
        super().__init__(method, f"https://issuer{path}", headers=headers)
        self.payload = BasicOAuth2Payload(dict(parameters))
        self.parameters = dict(parameters)
        self.stored: Stored | None = None
        self.stored_user: User | None = None
        self.new_code: str | None = None
        self.new_token: dict[str, Any] | None = None

    @property
    def args(self) -> dict[str, str]:
        return self.parameters

    @property
    def form(self) -> dict[str, str]:
        return self.parameters


@dataclass(frozen=True, slots=True)
class Answer:
    """What the provider says: a JSON document or a redirect."""

    status: int
    body: Any
    headers: dict[str, str]


class CodeGrant(AuthorizationCodeGrant):  # type: ignore[misc]  # authlib is untyped
    def generate_authorization_code(self) -> str:
        return new_secret()

    def save_authorization_code(self, code: str, request: Request) -> None:
        request.new_code = code

    def query_authorization_code(self, _code: str, client: Client) -> Stored | None:
        stored: Stored | None = self.request.stored
        return stored if stored is not None and stored.check_client(client) else None

    def delete_authorization_code(self, authorization_code: Stored) -> None:
        """Used up when it was taken from the table."""

    def authenticate_user(self, _code: Stored) -> User | None:
        user: User | None = self.request.stored_user
        return user


class RefreshGrant(RefreshTokenGrant):  # type: ignore[misc]  # authlib is untyped
    INCLUDE_NEW_REFRESH_TOKEN = True
    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post")

    def authenticate_refresh_token(self, _refresh_token: str) -> Stored | None:
        stored: Stored | None = self.request.stored
        return stored

    def authenticate_user(self, _refresh_token: Stored) -> User | None:
        user: User | None = self.request.stored_user
        return user

    def revoke_old_credential(self, refresh_token: Stored) -> None:
        """Used up when it was taken from the table."""


class S256Only(CodeChallenge):  # type: ignore[misc]  # authlib is untyped
    """PKCE for everybody, confidential clients too, and never "plain"."""

    SUPPORTED_CODE_CHALLENGE_METHOD = ("S256",)

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        data = grant.request.payload.data
        if not data.get("code_challenge") or data.get("code_challenge_method") != "S256":
            raise InvalidRequestError("PKCE with S256 is required.", redirect_uri=redirect_uri)
        super().validate_code_challenge(grant, redirect_uri)


class IdTokens(OpenIDCode):  # type: ignore[misc]  # authlib is untyped
    def __init__(self, issuer: str, keys: SigningKeys) -> None:
        super().__init__(require_nonce=True)
        self._issuer = issuer
        self._keys = keys

    def exists_nonce(self, _nonce: str, _request: Request) -> bool:
        return False  # codes are used once, so a nonce can't come back with another one

    def resolve_client_private_key(self, _client: Client) -> KeySet:
        return self._keys.signing()

    def get_client_algorithm(self, _client: Client) -> str:
        return ALGORITHM

    def get_client_claims(self, client: Client) -> dict[str, Any]:
        return {"iss": self._issuer, "aud": [client.client_id]}

    def generate_user_info(self, user: User, _scope: str) -> dict[str, Any]:
        return {"sub": user.person.id, **user.claims()}


class AccessTokens(JWTBearerTokenGenerator):  # type: ignore[misc]  # authlib is untyped
    """RFC 9068 tokens for all services."""

    def __init__(self, issuer: str, keys: SigningKeys) -> None:
        super().__init__(
            issuer,
            alg=ALGORITHM,
            refresh_token_generator=lambda **_: new_secret(),
            expires_generator=lambda _client, _grant: ACCESS_SECONDS,
        )
        self._keys = keys

    def get_jwks(self) -> KeySet:
        return self._keys.signing()

    def get_audiences(self, _client: Client, _user: User, _scope: str) -> list[str]:
        return list(AUDIENCES)

    def get_auth_time(self, user: User) -> int:
        return int(user.auth_time.timestamp())

    def get_amr(self, user: User) -> list[str]:
        return list(user.amr)

    def get_acr(self, user: User) -> str:
        return user.acr

    def get_extra_claims(self, _client: Client, _grant_type: str, user: User, _scope: str) -> dict[str, Any]:
        return user.claims()


class Provider(AuthorizationServer):  # type: ignore[misc]  # authlib is untyped
    """The provider, for one set of signing keys."""

    def __init__(self, issuer: str, clients: tuple[Client, ...], keys: SigningKeys) -> None:
        super().__init__(scopes_supported=list(SCOPES))
        self.issuer = issuer
        self.keys = keys
        self._clients = {client.client_id: client for client in clients}
        self.register_grant(CodeGrant, [S256Only(required=True), IdTokens(issuer, keys)])
        self.register_grant(RefreshGrant)
        self.register_token_generator("default", AccessTokens(issuer, keys))

    def query_client(self, client_id: str) -> Client | None:
        return self._clients.get(client_id)

    def save_token(self, token: dict[str, Any], request: Request) -> None:
        request.new_token = token

    def create_oauth2_request(self, request: Request) -> Request:
        return request

    def handle_response(self, status: int, body: Any, headers: Any) -> Answer:
        return Answer(status, body, dict(headers))

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Nobody listens."""
