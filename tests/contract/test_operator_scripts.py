"""The operator's scripts where no engine is: a `docker` that writes down what it is asked, and in which order."""

import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.deployed import ROOT, compose

ENGINE = """#!/usr/bin/env bash
echo "$*" >>"$ASKED"
# As `passage keys retire k1` does with the folder that it is given.
retire() {
    file=${1%:/keys*}/clinic_keys
    (set -o noclobber; umask 077; cat "$file" >"$file.with-k1") && echo without >"$file"
}
case "$*" in
    "compose config")
        printf 'name: clinic\\nservices:\\n  intake:\\n    image: passage:0.1.0\\n'
        printf 'secrets:\\n  clinic_keys:\\n    file: %s/clinic/secrets/clinic_keys\\n' "$(dirname "$ASKED")"
        printf 'x-backup-days: "%s"\\n' "$DAYS" ;;
    *" keys retire "*) retire "$(grep -o '[^ ]*:/keys ' <<<"$* ")" ;;
    "image inspect passage:0.1.0") [ -n "$BUILT" ] ;;
    info*) echo / ;;
    *"$FAILS"*) echo "no room" >&2; exit 1 ;;
    *"select count"*) echo 0 ;;
esac
"""


@pytest.fixture
def operator(tmp_path):
    """Runs a script in a folder that has nothing but the operator's files; gives what the engine was asked."""
    scripts = tmp_path / "clinic" / "deploy" / "compose"
    scripts.parent.mkdir(parents=True)
    scripts.symlink_to(ROOT / "deploy" / "compose")
    engine = tmp_path / "bin" / "docker"
    engine.parent.mkdir()
    engine.write_text(ENGINE)
    engine.chmod(0o755)
    asked = tmp_path / "asked"

    def run(script, *arguments, built, days="", fails="nothing"):
        path = f"{engine.parent}{os.pathsep}{os.environ['PATH']}"
        environment = {
            **os.environ,
            "PATH": path,
            "ASKED": str(asked),
            "BUILT": "yes" if built else "",
            "DAYS": days,
            "FAILS": fails,
        }
        command = [str(scripts / script), *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return asked.read_text().splitlines() if asked.exists() else []

    return run


@pytest.mark.parametrize("built", [False, True])
def test_a_backup_is_restored_on_a_machine_on_which_nothing_was_built_yet(operator, tmp_path, built):
    backup = tmp_path / "passage-1.dump"
    backup.write_text("a dump")
    asked = operator("restore", str(backup), built=built)
    roles = next(number for number, one in enumerate(asked) if one.endswith("passage roles"))
    assert ("compose build" in asked[:roles]) is not built
    assert asked[-1] == "compose up -d --wait"


def beside(dump):
    return [dump.name, f"{dump.name}.sha256", f"{dump.stem}.seals.gz"]


def test_old_backups_go_when_a_new_one_was_made_and_never_the_newest(operator, tmp_path):
    folder = tmp_path / "kept"
    folder.mkdir()
    ages = {
        days: folder / f"passage-{datetime.now(UTC) - timedelta(days=days):%Y%m%dT%H%M%SZ}.dump" for days in (3, 29, 31)
    }
    for dump in ages.values():
        for name in beside(dump):
            (folder / name).write_text("old")
    (folder / "notes").write_text("the operator's own")
    asked = operator("backup", str(folder), built=True)
    assert "alter database passage set passage.backed_up_at" in asked[-1], "the doctor and an alert know of it"
    assert all(dump.exists() for dump in ages.values()), "all are kept where nothing else was said"
    made = next(dump for dump in folder.glob("*.dump") if dump not in ages.values())
    operator("backup", str(folder), built=True, days="30")
    kept = {name for dump in (ages[3], ages[29], made, *folder.glob("*.dump")) for name in beside(dump)}
    assert {one.name for one in folder.iterdir()} == kept | {"notes"}
    assert not ages[31].exists()
    for wrong in ("0", "-1", "a week"):
        with pytest.raises(AssertionError, match="PASSAGE_BACKUP_DAYS"):
            operator("backup", str(folder), built=True, days=wrong)


def test_a_backup_that_failed_takes_no_older_one_away_and_tells_of_none(operator, tmp_path):
    folder = tmp_path / "kept"
    folder.mkdir()
    old = folder / "passage-20200101T000000Z.dump"
    old.write_text("the only one")
    with pytest.raises(AssertionError, match="no room"):
        operator("backup", str(folder), built=True, days="30", fails="pg_dump")
    assert old.exists()
    assert not list(folder.glob("*.part"))
    assert "alter database" not in (tmp_path / "asked").read_text()


def test_room_is_made_of_old_images_and_of_what_past_builds_left(operator):
    asked = operator("space", built=True)
    assert not [one for one in asked if "prune" in one], "only looked at"
    freed = [one for one in operator("space", "--free", built=True) if "prune" in one]
    assert freed == [
        "image prune --force --filter label=org.opencontainers.image.title=Passage",
        "builder prune --force",
    ]


def test_data_given_up_for_a_backup_is_the_databases_and_the_brokers_and_nothing_elses(operator):
    asked = operator("give-up-data", built=True)
    assert asked[-1] == "volume rm --force clinic_postgres clinic_kafka"
    assert not [one for one in asked if "--volumes" in one]


def test_a_key_that_is_retired_stays_beside_the_file_for_older_backups(operator, tmp_path):
    file = tmp_path / "clinic" / "secrets" / "clinic_keys"
    file.parent.mkdir()
    file.write_text("with k1")
    file.chmod(0o444)
    operator("keys", "retire", "k1", "--topics-forgot", built=True)
    copy = file.with_name("clinic_keys.with-k1")
    assert (file.read_text(), copy.read_text(), copy.stat().st_mode & 0o777) == ("without\n", "with k1", 0o600)
    file.chmod(0o644)
    file.write_text("another k1")
    with pytest.raises(AssertionError, match="cannot overwrite"):
        operator("keys", "retire", "k1", "--topics-forgot", built=True)
    assert (file.read_text(), copy.read_text()) == ("another k1", "with k1")
    assert {one.name for one in file.parent.iterdir()} == {file.name, copy.name}


def test_what_containers_mount_is_readable_though_it_was_checked_out_under_a_strict_umask(operator, tmp_path):
    mounts = {
        one.split(":")[0].removeprefix("./")
        for told in compose()["services"].values()
        for one in told.get("volumes", [])
        if one.startswith("./")
    } | {"deploy/clinics"}
    here = tmp_path / "clinic"
    for mount in mounts:
        shutil.copytree(ROOT / mount, here / mount)
    for one in [path for mount in mounts for path in [here / mount, *(here / mount).rglob("*")]]:
        one.chmod(0o700 if one.is_dir() or one.name == "start" else 0o600)
    operator("readable", built=True)
    for mount in mounts:
        for one in [here / mount, *(here / mount).rglob("*")]:
            wanted = 0o755 if one.is_dir() or one.name == "start" else 0o644
            assert one.stat().st_mode & 0o777 == wanted, one
