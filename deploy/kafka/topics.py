"""Topics are created from the declaration in `shared/contracts/topics.py`, never by a producer's first message."""

import asyncio
from collections.abc import Collection, Sequence

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from shared.contracts.topics import TOPICS, Topic


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

    Raises:
        WrongTopic: one is there with another number of partitions, which would send keys elsewhere.
        KafkaError: the broker refused one.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, client_id="passage-topics")
    await admin.start()
    try:
        wanted = {prefix + topic.name: topic for topic in topics}
        present = set(await admin.list_topics())
        await _check(admin, {name: topic for name, topic in wanted.items() if name in present})
        missing = [_new(name, topic, replication, in_sync) for name, topic in wanted.items() if name not in present]
        if missing:
            _refuse_failures(await admin.create_topics(missing))
            await _until_visible(admin, wanted.keys())
        return [new.name for new in missing]
    finally:
        await admin.close()


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
    configs = {"retention.ms": str(topic.retention_ms)}
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


def _refuse_failures(answer: object) -> None:
    for name, code, *detail in getattr(answer, "topic_errors", ()):
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            raise error(f"{name}: {detail}")
