"""Who may come in: staff by accounts of the built-in identity provider, producers of leads by API keys."""

from passage.context import NotConfigured, schema_of, settings_of
from services.identity.accounts import Enrolment, NotInClinic, add_user
from services.identity.second_factor import WeakPassword
from services.intake.api.producers import add_api_key
from services.intake.repository.doors import revoke_keys
from shared.clinic import load
from shared.security.keyring import Keyring


async def add(person: str, username: str | None, password: str) -> Enrolment:
    """Make or renew an account.

    Raises:
        NotConfigured: the person is unknown, or the password too weak; the message says which.
    """
    settings = settings_of("identity")
    try:
        async with schema_of("identity") as connection:
            return await add_user(
                connection,
                clinic=load(settings.clinic_file),
                keyring=Keyring.load(settings.clinic_key_file),
                person_id=person,
                password=password,
                username=username,
            )
    except (NotInClinic, WeakPassword, ValueError) as error:
        raise NotConfigured(str(error)) from None


async def let_in(producer: str) -> str:
    """A new API key for a producer of leads; stored as a hash only.

    Raises:
        NotConfigured: not a name for a producer.
    """
    try:
        async with schema_of("intake") as connection:
            return await add_api_key(connection, producer)
    except ValueError as error:
        raise NotConfigured(str(error)) from None


async def shut_out(producer: str) -> int:
    """Take all of a producer's API keys back; how many there were. Running processes believe one for ten seconds more.

    Raises:
        NotConfigured: it has none.
    """
    async with schema_of("intake") as connection:
        taken = await revoke_keys(connection, producer)
    if not taken:
        raise NotConfigured(f"{producer!r} has no API key that could be taken back")
    return taken
