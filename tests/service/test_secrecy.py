"""The search for what people said finds it in whatever form it stands: in tables, on topics, on the disk."""

import base64
import json
from urllib.parse import quote

import pytest
from aiokafka import AIOKafkaProducer

from tests.support import secrecy
from tests.support.secrecy import Needle
from tests.support.world import World

NAME, PHONE = Needle("name", "Zoë Quartermain"), Needle("phone", "(801) 555-0148")
RAW = NAME.said.encode()


@pytest.mark.parametrize(
    "content",
    [
        RAW,
        NAME.said.upper().encode(),
        b"seen: quartermain.",
        json.dumps({"name": NAME.said}).encode(),
        quote(NAME.said).encode(),
        base64.b64encode(RAW),
        base64.b64encode(b"x" + RAW + b"yz"),
        base64.urlsafe_b64encode(b"{}" + RAW),
        RAW.hex().encode(),
    ],
)
def test_a_name_is_found_in_every_form(content: bytes) -> None:
    assert [found.place for found in secrecy.search([("there", content)], [NAME])] == ["there"]


@pytest.mark.parametrize(
    "content", [b"+18015550148", b"tel 801-555-0148", b"8015550148", b"555-0148", b"%28801%29%20555-0148"]
)
def test_a_number_is_found_in_every_form(content: bytes) -> None:
    assert secrecy.search([("there", content)], [PHONE])


@pytest.mark.parametrize("content", [b"the quartermainstay", b"9918015550148", b"801 555", b"Zo\xc3\xab"])
def test_what_is_part_of_something_else_is_not_found(content: bytes) -> None:
    assert secrecy.search([("there", content)], [NAME, PHONE]) == []


async def test_every_kind_of_column_and_every_part_of_a_record_is_looked_through(world: World, tmp_path) -> None:
    await world.topics()
    topic = f"{world.kafka_prefix}passage.intake.v1"
    async with AIOKafkaProducer(bootstrap_servers=world.kafka) as producer:
        await producer.send_and_wait(topic, b"nothing", key=b"nothing", headers=[("x", RAW)])
    async with world.connection() as conn:
        await conn.execute("create schema aside; create table aside.kept (a text[], b bytea, c jsonb, d text)")
        await conn.execute(
            "insert into aside.kept values ($1, $2, $3, 'nothing')", [NAME.said], RAW, json.dumps({"n": NAME.said})
        )
        places = await secrecy.tables(conn)
        await conn.execute("drop schema aside cascade")
    found = {one.place for one in secrecy.search(places, [NAME])}
    assert found == {"aside.kept.a", "aside.kept.b", "aside.kept.c"}
    assert [one.place for one in secrecy.search(await secrecy.topics(world.kafka), [NAME])] == [f"topic {topic}"]
    (tmp_path / "a").write_bytes(b"\0\0" + RAW + b"\0")
    (tmp_path / "b").write_bytes(b"nothing")
    (tmp_path / "c").write_bytes(RAW)
    looked = secrecy.files(tmp_path, apart_from={"c": "told to be left out"})
    assert [line.split(":")[0] for line in secrecy.on_disk(looked, [NAME])] == [str(tmp_path / "a")]
