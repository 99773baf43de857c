"""What the runbook tells the operator to do, done word for word, while the stack is in use."""

import asyncio
import json
import re
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

from shared.db.migrate import SERVICES
from tests.compose.test_1_upgrade import KNOWN, known
from tests.support.runbook import procedures
from tests.support.steady import leads_come_in
from tests.support.visiting import enquire, front_desk_finds, texts
from tests.support.waiting import eventually

ALL_WELL = "all as they should be"
LONG_AGO = """
set session_replication_role = replica;  -- the log is append-only, for its owner too
update {source}.event_log e set at = n.at from (
    select id, timestamptz '2024-02-01 00:00+00' + interval '1 second' * row_number() over (order by id) as at
      from {source}.event_log) n
 where e.id = n.id
"""
PARTITION = """
create table {source}.event_log_2024_02 partition of {source}.event_log
   for values from ('2024-02-01 00:00+00') to ('2024-03-01 00:00+00')
"""
ONLINE = "select count(*) from intake.event_log where at < '2024-03-01 00:00+00'"
AN_OLD_IMAGE = "printf 'FROM {image}\\nLABEL of=yesterday\\n' | docker build --quiet -"


def everybody(stack):
    return [known(stack, statement) for statement in KNOWN]


async def everywhere(stack, seen):
    wanted = set(map(str, seen.accepted.values()))

    def missing():
        return [wanted - set(known(stack, statement)) for statement in KNOWN]

    await eventually(missing, equals=[set()] * len(KNOWN), timeout=90, every=1)


async def accepted_meanwhile(stack, first, *procedures, **values):
    """Follow procedures while leads come in; what was accepted is known everywhere afterwards."""
    async with leads_come_in(stack, first=first) as seen:
        await eventually(lambda: seen.accepted, timeout=30)
        for procedure in procedures:
            await asyncio.to_thread(stack.follow, procedure, **values)
        done = len(seen.accepted)
        await eventually(lambda: len(seen.accepted) > done + 3, timeout=60)
    await everywhere(stack, seen)
    return seen


async def test_1_the_clinics_key_is_rotated_while_leads_come_in(stack, say):
    started = {name: stack.inspect(name, "{{.State.StartedAt}}") for name in SERVICES}
    seen = await accepted_meanwhile(stack, 6_000, "Key rotation")
    say(f"through a rotation of the clinic's key: {seen.told()}")
    assert {name: stack.inspect(name, "{{.State.StartedAt}}") for name in SERVICES} == started, "nothing was restarted"
    keys = json.loads((stack.folder / "secrets" / "clinic_keys").read_text())
    assert (keys["active"], set(keys["keys"])) == ("k2", {"k1", "k2"})
    assert stack.count("select count(*) from intake.patient_keys where kid = 'k1'") == 0
    stack.follow("Retiring a key", KEY="k1")
    copy = stack.folder / "secrets" / "clinic_keys.with-k1"
    assert (set(json.loads(copy.read_text())["keys"]), copy.stat().st_mode & 0o777) == ({"k1", "k2"}, 0o600)
    assert set(json.loads((stack.folder / "secrets" / "clinic_keys").read_text())["keys"]) == {"k2"}
    await front_desk_finds(stack, "Jonah Price")


async def test_2_a_lost_broker_loses_nothing(stack, say):
    before = everybody(stack)
    seen = await accepted_meanwhile(stack, 7_000, "A lost broker")
    say(f"through the loss of the broker's data: {seen.told()}")
    assert all(set(was) <= set(found) for was, found in zip(before, everybody(stack), strict=True))
    await front_desk_finds(stack, "Jonah Price")


async def test_3_a_backup_is_restored_into_an_empty_stack_and_verified(stack):
    stack.follow("Backup")
    doctor = ("run", "--rm", "--no-deps", "-T", "passage", "doctor")
    assert re.search(r"fine +backup +the newest is [\d.]+ (s|min) old", stack.compose(*doctor, check=False))
    backup = str(max((stack.root / "backups").glob("passage-*.dump")))
    before = everybody(stack)
    refused = stack.run("make", "restore", f"FILE={backup}", check=False)
    assert "There is data here already" in refused
    certificates = stack.made("caddy_data")
    said = stack.follow("Restore", BACKUP=backup)
    assert ALL_WELL in said, said
    assert stack.made("caddy_data") == certificates, "who issues them gives a few in a week"
    assert everybody(stack) == before
    await front_desk_finds(stack, "Jonah Price")
    await enquire(stack, "Eli Stone", "(801) 555-0152")
    await eventually(lambda: texts(stack, "+18015550152"), timeout=90)


async def test_4_new_passwords_and_a_new_token_take_a_command_each(stack):
    old = (stack.folder / "secrets" / "intake_database_url").read_text()
    stack.follow("Database passwords")
    assert (stack.folder / "secrets" / "intake_database_url").read_text() != old
    assert stack.inspect("intake", "{{.State.Health.Status}}") == ["healthy"]
    token = stack.folder / "secrets" / "vagaro_token"
    token.chmod(0o644)
    token.write_text("a-new-token-of-the-vendor")
    stack.follow("A vendor's token")
    held = stack.compose("exec", "-T", "intake", "cat", "/run/secrets/passage_intake_vagaro_token")
    assert held == "a-new-token-of-the-vendor"


async def test_5_the_dashboard_gets_more_memory(stack):
    stack.follow("More memory for the dashboard")
    assert stack.inspect("dashboard", "{{.HostConfig.Memory}}") == [str(768 * 2**20)]
    # The roll asks for itself whether it is ready; the engine asks every 15 s.
    health = "{{.State.Health.Status}}"
    await eventually(lambda: stack.inspect("dashboard", health), equals=["healthy"], timeout=60, every=1)


async def test_6_old_months_are_archived_and_come_back(stack, tmp_path):
    for source in ("intake", "assessment", "scheduling", "notifications"):
        stack.select(PARTITION.format(source=source))
        stack.select(LONG_AGO.format(source=source))
    events, folder = stack.count(ONLINE), str(tmp_path / "archive")
    asked = ("deploy/compose/archive", folder, "--months", "12", "--dry-run")
    await eventually(lambda: "stays" not in stack.run(*asked), timeout=120, every=2)  # all of it was applied
    said = stack.follow("Archiving", FOLDER=folder)
    assert f"intake 2024-02: {events} events, would go" in said
    assert f"intake 2024-02: {events} events, archived in" in said
    assert stack.count(ONLINE) == 0
    assert len(list(Path(folder).rglob("*.csv.gz"))) == 4
    said = stack.follow("Bringing archived months back", FOLDER=folder, MONTH="2024-02")
    assert f"intake 2024-02: {events} events, is back from" in said
    assert stack.count(ONLINE) == events
    await eventually(lambda: ALL_WELL in stack.follow("Verify"), timeout=60)


async def test_7_a_full_disk_refuses_what_it_cannot_keep_and_loses_nothing(stack, say, tmp_path):
    backup = stack.run("deploy/compose/backup", str(tmp_path)).strip()
    stack.down()
    stack.compose("down", "--volumes")  # an engine may hold a network for a moment after its last container went
    with a_small_disk(stack) as disk:
        stack.run("deploy/compose/restore", backup, seconds=600)
        async with leads_come_in(stack, first=8_000) as seen:
            await eventually(lambda: seen.accepted, timeout=60)
            disk("dd if=/dev/zero of=/disk/ballast bs=1M; true")
            await eventually(lambda: len(seen.refused) > 6, timeout=120)
            kept = len(seen.accepted)
            disk("rm /disk/ballast")
            old = stack.run("bash", "-c", AN_OLD_IMAGE.format(image=stack.image)).strip()
            said = await asyncio.to_thread(stack.follow, "A full disk")
            assert ALL_WELL in said
            assert f"deleted: {old}" in said
            await eventually(lambda: len(seen.accepted) > kept + 3, timeout=120)
        say(f"through a full disk: {seen.told()}; {Counter(seen.refused)}")
        await everywhere(stack, seen)
        assert ALL_WELL in stack.follow("Verify")
        stack.down()


@contextmanager
def a_small_disk(stack):
    """PostgreSQL's volume is 300 MB, for as long as a container holds it; gives how to run something beside it."""
    volume, holder = f"{stack.name}_postgres", f"{stack.name}-holder"
    size = ("--opt", "type=tmpfs", "--opt", "device=tmpfs", "--opt", "o=size=300m")
    stack.run("docker", "volume", "create", *size, volume)
    there = ("--user", "0", "--volume", f"{volume}:/disk", "--entrypoint", "sleep", stack.image, "infinity")
    stack.run("docker", "run", "--detach", "--name", holder, *there)
    try:
        yield lambda command: stack.run("docker", "exec", holder, "sh", "-c", command)
    finally:
        stack.compose("rm", "--stop", "--force", "postgres")
        stack.run("docker", "rm", "--force", holder)
        stack.run("docker", "volume", "rm", "--force", volume)


def test_8_every_procedure_of_the_runbook_was_followed(stack):
    assert stack.followed == set(procedures())
