"""The provider with today's keys, shared by all requests of a process."""

import time

import asyncpg

from services.identity import keys
from services.identity.provider import Client, Provider
from services.identity.settings import IdentitySettings
from shared.security.keyring import Keyring

RELOAD_SECONDS = 300.0


class Issuer:
    """Loads the signing keys when they are first needed, and again every five minutes."""

    def __init__(self, settings: IdentitySettings, keyring: Keyring) -> None:
        dashboard = settings.dashboard_url
        self.url = settings.public_url
        self.settings = settings
        self.keyring = keyring
        self.client = Client(
            client_id="dashboard",
            secret=settings.dashboard_secret.get_secret_value(),
            redirect_uris=(f"{dashboard}/auth/callback",),
            after_logout=(f"{dashboard}/",),
        )
        self._provider: Provider | None = None
        self._loaded = 0.0

    async def provider(self, conn: asyncpg.Connection) -> Provider:
        """The provider; needs an open transaction, in which a first or next key may be made."""
        now = time.monotonic()
        if self._provider is None or now - self._loaded > RELOAD_SECONDS:
            found = await keys.load(conn, self.keyring)
            self._provider = Provider(self.url, (self.client,), found)
            self._loaded = now
        return self._provider
