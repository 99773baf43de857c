"""Topics are created from the declaration in `shared/contracts/topics.py`, never by a producer's first message.

How long one that is there keeps its records follows the declaration; how many partitions it has never changes.
"""

import asyncio
from collections.abc import Collection, Sequence
from time import monotonic
from typing import Any

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import IncompatibleBrokerVersion, KafkaError, TopicAlreadyExistsError, for_code

from shared.contracts.topics import TOPICS, Topic

log = structlog.get_logger()
RETENTION = "retention.ms"
SET_ON_TOPIC = 1
"""Where a setting comes from, in Kafka's protocol: DYNAMIC_TOPIC_CONFIG."""


class WrongTopic(RuntimeError):
    """A topic is there, but not as declared."""


async def create_topics(
    bootstrap: str,
    *,
    prefix: str = "",
    topics: Sequence[Topic] = TOPICS,
    replication: int = 1,
    in_sync: int | None = None,
) -> list[str]:
    """Create the topics that are missing, with `prefix` before each name; gives the names created.

    Those that are there keep their records from now on for as long as is declared.

    Raises:
        WrongTopic: one is there with another number of partitions, which would send keys elsewhere.
        KafkaError: the broker refused one.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, client_id="passage-topics")
    await admin.start()
    try:
        wanted = {prefix + topic.name: topic for topic in topics}
        present = set(await admin.list_topics())
        there = {name: topic for name, topic in wanted.items() if name in present}
        await _check(admin, there)
        await _keep_as_declared(admin, there)
        missing = [_new(name, topic, replication, in_sync) for name, topic in wanted.items() if name not in present]
        if missing:
            _refuse_failures(await admin.create_topics(missing))
            await _until_visible(admin, wanted.keys())
        return [new.name for new in missing]
    finally:
        await admin.close()


async def create_topics_when_there(bootstrap: str, *, seconds: float, **asked: Any) -> list[str]:
    """The same, with patience for a broker that is still starting.

    Raises:
        KafkaError, OSError: after so many seconds it still does not serve.
    """
    deadline = monotonic() + seconds
    while True:
        try:
            return await create_topics(bootstrap, **asked)
        except (KafkaError, OSError):
            if monotonic() > deadline:
                raise
            await asyncio.sleep(1)


async def _until_visible(admin: AIOKafkaAdminClient, names: Collection[str]) -> None:
    """What was created is known everywhere a moment later."""
    while not set(names) <= set(await admin.list_topics()):  # noqa: ASYNC110  only asking tells
        await asyncio.sleep(0.02)


async def delete_topics(bootstrap: str, names: Sequence[str]) -> None:
    """Forget topics and all they hold."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, client_id="passage-topics")
    await admin.start()
    try:
        await admin.delete_topics(list(names))
    finally:
        await admin.close()


def _new(name: str, topic: Topic, replication: int, in_sync: int | None) -> NewTopic:
    configs = {RETENTION: str(topic.retention_ms)}
    if in_sync is not None:
        configs["min.insync.replicas"] = str(in_sync)
    return NewTopic(name, topic.partitions, replication, topic_configs=configs)


async def _check(admin: AIOKafkaAdminClient, present: dict[str, Topic]) -> None:
    if not present:
        return
    for found in await admin.describe_topics(list(present)):
        has, declared = len(found["partitions"]), present[found["topic"]].partitions
        if has != declared:
            raise WrongTopic(f"topic {found['topic']} has {has} partitions instead of {declared}: it can't be changed")


async def _keep_as_declared(admin: AIOKafkaAdminClient, present: dict[str, Topic]) -> None:
    changed = []
    for name, found in (await _settings(admin, present)).items():
        declared = str(present[name].retention_ms)
        if found[RETENTION][0] != declared:
            # The broker forgets what is not named again: whatever else was set on the topic stays so.
            own = {setting: value for setting, (value, source) in found.items() if source == SET_ON_TOPIC}
            changed.append(ConfigResource(ConfigResourceType.TOPIC, name, {**own, RETENTION: declared}))
    if not changed:
        return
    try:
        answers = await admin.alter_configs(changed)
    except IncompatibleBrokerVersion:
        return  # the embedded broker: it forgets its topics when it stops, and never forgets a record by its age
    for code, message, _, name in (one for answer in answers for one in answer.resources):
        if code:
            raise for_code(code)(f"{name}: {message}")
        log.info("topic_retention_changed", topic=name, now_ms=present[name].retention_ms)


async def _settings(admin: AIOKafkaAdminClient, names: Collection[str]) -> dict[str, dict[str, tuple[str, int]]]:
    """Topic → setting → its value and where that comes from."""
    if not names:
        return {}
    asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    found: dict[str, dict[str, tuple[str, int]]] = {}
    answers: list[Any] = await admin.describe_configs(asked)
    for code, message, _, name, entries in (one for answer in answers for one in answer.resources):
        if code:
            raise for_code(code)(f"{name}: {message}")
        found[name] = {setting: (value, source) for setting, value, _, source, *_ in entries}
    return found


def _refuse_failures(answer: object) -> None:
    for name, code, *detail in getattr(answer, "topic_errors", ()):
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            raise error(f"{name}: {detail}")
