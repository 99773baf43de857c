"""Programs to copy: what a producer of leads writes. A test takes them from the page and runs them."""

import json

from shared.contracts.submissions import EXAMPLE

KAFKA = '''"""Hand in a contact over Kafka: closed to intake's public key, so that nobody else reads it."""

import asyncio
import json

import httpx
from aiokafka import AIOKafkaProducer
from joserfc import jwe
from joserfc.jwk import ECKey

LEAD = <lead>


async def main() -> None:
    public = httpx.get("<intake>/.well-known/passage-submissions.jwk").raise_for_status().json()
    head = {"alg": "ECDH-ES", "enc": "A256GCM", "kid": public["kid"]}
    letter = jwe.encrypt_compact(head, json.dumps(LEAD).encode(), ECKey.import_key(public))
    async with AIOKafkaProducer(bootstrap_servers="<kafka>", acks="all") as producer:
        # The key is yours: the same key with the same words is the same contact, however often it is sent.
        await producer.send_and_wait("<topic>", letter.encode(), key=b"website-2026-03-09-0042")


asyncio.run(main())
'''


def kafka(intake: str, bootstrap: str, topic: str) -> str:
    """A Python program that writes one contact to the submissions topic."""
    lines = [f"    {json.dumps(name)}: {_literal(value)}," for name, value in EXAMPLE.items()]
    told = {"lead": "\n".join(["{", *lines, "}"]), "intake": intake, "kafka": bootstrap, "topic": topic}
    text = KAFKA
    for name, value in told.items():
        text = text.replace(f"<{name}>", value)
    return text


def _literal(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
