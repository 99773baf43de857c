"""A clinic's policy file: what ships is usable, and every mistake is named with its remedy."""

import hashlib
import json
import tomllib
from copy import deepcopy
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from shared.clinic import Clinic, ClinicError, check, load
from shared.clinic.appointments import TREATMENT_TEXT
from shared.clinic.loader import parse, read

CLINICS = Path("deploy/clinics")
HARBOR = CLINICS / "harbor.toml"
ALAMEDA = CLINICS / "alameda.toml"
TODAY = date(2026, 11, 23)


@pytest.fixture
def data() -> dict[str, Any]:
    return deepcopy(read(HARBOR))


def problems(data: dict[str, Any]) -> list[str]:
    with pytest.raises(ClinicError) as refused:
        parse(data, "test.toml")
    return [str(problem) for problem in refused.value.problems]


@pytest.mark.parametrize("path", [HARBOR, ALAMEDA], ids=["harbor", "alameda"])
def test_every_clinic_that_ships_is_usable(path):
    report = check(path, TODAY)
    assert [str(problem) for problem in report.problems] == []
    assert report.usable
    assert report.clinic is not None
    assert len(report.clinic.hash) == 64


def test_the_two_clinics_share_nothing_that_could_be_hard_wired():
    harbor, alameda = load(HARBOR), load(ALAMEDA)
    assert harbor.zone != alameda.zone
    assert harbor.languages[0] != alameda.languages[0]
    assert harbor.hash != alameda.hash


def test_the_demo_staff_is_there_and_one_licence_has_run_out():
    clinic = load(HARBOR)
    assert {"dana", "osei", "lang", "tran", "bell", "ops", "audit", "rios"} == {p.id for p in clinic.people}
    assert clinic.person("osei").licensed_on(TODAY)
    assert clinic.person("osei").prescribes_on(TODAY)
    assert not clinic.person("lang").licensed_on(TODAY)
    assert clinic.person("lang").licensed_on(date(2025, 12, 31)), "the last day of a licence counts"
    assert not clinic.person("dana").licensed_on(TODAY)
    with pytest.raises(KeyError):
        clinic.person("nobody")


def test_the_sessions_add_up_to_their_blocks():
    session = load(HARBOR).appointments.session
    assert session["im"].block == 180
    assert session["lozenge"].block == 200
    assert load(ALAMEDA).appointments.session["im"].block == 195, "a clinic may pad"


def test_the_hash_follows_the_meaning_and_nothing_else(data):
    clinic = parse(data, "a")
    assert clinic.hash == load(HARBOR).hash
    turned = dict(reversed(list(data.items())))
    assert parse(turned, "b").hash == clinic.hash
    data["transport"]["cut_off_hours"] = 13
    assert parse(data, "c").hash != clinic.hash


def test_a_clinic_cannot_be_changed_at_run_time():
    clinic = load(HARBOR)
    with pytest.raises(ValueError, match="frozen"):
        clinic.name = "Other"  # type: ignore[misc]


def test_an_unknown_key_is_refused_with_what_was_meant(data):
    data["transport"]["cutoff_hours"] = 12
    data["colour"] = "red"
    found = problems(data)
    assert any("transport.cutoff_hours: unknown key → did you mean cut_off_hours?" in line for line in found)
    assert any(line.startswith("colour: unknown key → ") and "allowed here: name, zone" in line for line in found)


def test_an_unknown_key_of_a_person_names_the_person(data):
    data["people"][3]["licence"]["expires"] = "2027-01-01"
    assert problems(data) == [
        "people[lang].licence.expires: unknown key → allowed here: number, state, valid_from, valid_until, prescriber"
    ]


@pytest.mark.parametrize(
    ("change", "key", "says"),
    [
        (lambda d: d["rooms"][0].update(kinds=["sauna"]), "rooms[room-1].kinds", "'consultation', 'im' or 'lozenge'"),
        (lambda d: d["people"][0].update(roles=["boss"]), "people[dana].roles", "'front_desk'"),
        (lambda d: d.pop("name"), "name", "is missing"),
        (lambda d: d.update(zone="America/Atlantis"), "zone", '"America/Denver"'),
        (lambda d: d.update(zone=""), "zone", "IANA"),
        (lambda d: d.update(zone="../../etc/passwd"), "zone", "IANA"),
        (lambda d: d["hours"].update(mon=["09:00-12:00", "11:00-13:00"]), "hours.mon", "overlap"),
        (lambda d: d["hours"].update(mon=["9-17"]), "hours.mon[0]", 'write "09:00-17:00"'),
        (lambda d: d["hours"].update(mon=["17:00-09:00"]), "hours.mon[0]", "must end after it starts"),
        (lambda d: d["hours"].update(holidays="XX"), "hours.holidays", "not a known subdivision of US"),
        (lambda d: d["people"].append(d["people"][0]), "people[dana]", "appears 2 times"),
        (lambda d: d["rooms"].append(d["rooms"][0]), "rooms[room-1]", "appears 2 times"),
        (
            lambda d: d["people"][1]["licence"].update(valid_until=date(2020, 1, 1)),
            "people[osei].licence",
            "before valid_from",
        ),
        (lambda d: d["people"][1].pop("licence"), "people[osei].licence", "a provider has no licence"),
        (lambda d: d.update(medical_director="dana"), "medical_director", "one of osei, rios, lang"),
        (lambda d: d["course"].update(gap_min_hours=200), "course", "the gaps must grow"),
        (lambda d: d["course"].update(sessions_default=12), "course", "between sessions_min"),
        (
            lambda d: d["course"].update(sessions_min=8, sessions_default=8, gap_min_hours=72, within_days=20),
            "course",
            "do not fit within_days",
        ),
        (lambda d: d["appointments"]["session"].pop("lozenge"), "appointments", "add its phases"),
        (lambda d: d["appointments"]["session"]["im"].update(observation=30), "appointments.session.im", "65 or more"),
        (lambda d: d["appointments"].update(routes=["iv"]), "appointments.routes", "'im' or 'lozenge'"),
        (
            lambda d: d.update(rooms=d["rooms"][:1]) or d["rooms"][0].update(kinds=["im", "lozenge"]),
            "rooms",
            "consultation",
        ),
        (lambda d: d.update(rooms=[{**r, "kinds": ["consultation"]} for r in d["rooms"]]), "rooms", 'fit for "im"'),
        (lambda d: [p.update(airway=False) for p in d["people"]], "people", "airway-trained"),
        (
            lambda d: d.update(people=[p for p in d["people"] if "monitor" not in p["roles"]]),
            "people",
            "nobody is a monitor",
        ),
        (lambda d: d["vitals"].update(hard_systolic=130), "vitals", "soft_systolic < hard_systolic"),
        (lambda d: d["vitals"].update(repeats="three"), "vitals.repeats", "'three' is refused"),
        (
            lambda d: d["screening"]["rules"][0].update(severity="bad"),
            "screening.rules[CI_ANEURYSM].severity",
            "'crisis'",
        ),
        (lambda d: d["screening"]["rules"].append(d["screening"]["rules"][0]), "screening", "more than once"),
        (lambda d: d["instruments"][0].update(maximum=10), "instruments[phq-9]", "above its maximum"),
        (lambda d: d["instruments"][0].update(bands=[{"from": 3, "label": "x"}]), "instruments[phq-9]", "begin with 0"),
        (lambda d: d.update(phone="801 555 0100"), "phone", "not written as expected"),
        (lambda d: d.update(people="me"), "people", "is refused"),
    ],
)
def test_each_mistake_names_its_key_and_the_remedy(data, change, key, says):
    change(data)
    found = problems(data)
    assert any(line.startswith(key) and says in line for line in found), found


def test_all_mistakes_are_said_at_once(data):
    data["zone"] = "Nowhere"
    data["rooms"][0]["kinds"] = ["sauna"]
    data["hours"]["tue"] = ["late"]
    assert len(problems(data)) == 3


@pytest.mark.parametrize("content", ["name = ", "\x00", "include = 3", 'include = ["packs/none.toml"]'])
def test_a_file_that_cannot_be_read_is_said_so(tmp_path, content):
    path = tmp_path / "clinic.toml"
    path.write_text(content)
    with pytest.raises(ClinicError, match="not a usable clinic file"):
        load(path)
    assert not check(path, TODAY).usable
    assert not check(tmp_path / "missing.toml", TODAY).usable
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ClinicError, match="UTF-8"):
        load(path)


def test_a_clinic_changes_a_rule_of_a_pack_by_its_code():
    rule = load(ALAMEDA).screening.rule("REL_BMI35")
    assert rule.reason.startswith("Aquí")
    assert rule.severity == "review"
    with pytest.raises(KeyError):
        load(ALAMEDA).screening.rule("NOTHING")


def open_keys(clinic: Clinic, tmp_path: Path, signed: str = "") -> list[str]:
    del clinic
    path = tmp_path / "harbor.toml"
    text = HARBOR.read_text().replace('"packs/', f'"{CLINICS.resolve()}/packs/')
    path.write_text(text + signed)
    report = check(path, TODAY)
    assert report.usable, report.problems
    return [item.key for item in report.needs_sign_off]


def test_what_has_no_authority_behind_it_waits_for_a_signature(tmp_path):
    keys = open_keys(load(HARBOR), tmp_path)
    assert "transport.cut_off_hours" in keys
    assert "vitals.hard_systolic" in keys
    assert "gates.risk" in keys
    assert "screening.rules.CI_BP_HAZARD" in keys, "from memory, so it waits too"
    assert "screening.rules.CI_ANEURYSM" not in keys, "published"
    assert "preparation.solids_hours" not in keys, "published, and as published"


def test_a_departure_from_a_published_number_waits_for_a_signature(data):
    data["preparation"]["solids_hours"] = 10
    data["course"]["sessions_max"] = 10
    from shared.clinic.signing import still_open

    said = {item.key: item.why for item in still_open(parse(data, "x"), {})}
    assert said["preparation.solids_hours"] == "departs from 8 (8 h after a fatty meal)"
    assert "course.sessions_max" in said


def test_a_changed_rule_is_the_clinics_own_until_signed():
    assert "screening.rules.REL_BMI35" in {item.key for item in check(ALAMEDA, TODAY).needs_sign_off}
    assert "screening.rules.REL_BMI35" not in {item.key for item in check(HARBOR, TODAY).needs_sign_off}


SIGNED = '\n[sign_off."transport.cut_off_hours"]\nvalue = {}\nby = "{}"\non = {}\n'


def test_a_signature_counts_for_the_value_it_names_and_no_other(tmp_path):
    clinic = load(HARBOR)
    assert "transport.cut_off_hours" not in open_keys(clinic, tmp_path, SIGNED.format(12, "osei", "2026-11-20"))
    assert "transport.cut_off_hours" in open_keys(clinic, tmp_path, SIGNED.format(24, "osei", "2026-11-20"))


@pytest.mark.parametrize(
    ("by", "on", "key", "says"),
    [
        ("transport.cut_off_hours", "rios", "by", "osei signs"),
        ("transport.cut_off_hours", "osei", "on", "no valid licence"),
        ("preparation.solids_hours", "osei", "", "nothing under this key needs a signature"),
    ],
)
def test_a_signature_must_be_the_medical_directors(data, by, on, key, says):
    day = date(2020, 1, 1) if key == "on" else date(2026, 11, 20)
    data["sign_off"] = {by: {"value": 12, "by": on, "on": day}}
    assert any(says in line and f"sign_off.{by}" in line for line in problems(data))


def test_licences_that_end_soon_or_have_ended_are_warned_of():
    said = [str(warning) for warning in check(HARBOR, date(2027, 12, 20)).warnings]
    assert any("Dr Erik Lang's licence ended on 2025-12-31" in line for line in said)
    assert any("Dr Amara Osei's licence ends on 2028-01-31" in line for line in said)
    later = [str(warning) for warning in check(HARBOR, date(2040, 1, 1)).warnings]
    assert any("nobody may prescribe today" in line for line in later)


def test_bands_are_found_by_total_and_impossible_totals_refused():
    phq = next(one for one in load(HARBOR).instruments if one.code == "phq-9")
    assert [phq.band(total) for total in (0, 4, 5, 14, 15, 27)] == [
        "none or minimal", "none or minimal", "mild", "moderate", "moderately severe", "severe",
    ]  # fmt: skip
    with pytest.raises(ValueError, match="between 0 and 27"):
        phq.band(28)


def denver(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=load(HARBOR).tz).astimezone(UTC)


@pytest.mark.parametrize(
    ("came", "due"),
    [
        ("2026-11-23 10:00", "2026-11-23 10:15"),
        ("2026-11-23 17:44", "2026-11-23 17:59"),
        ("2026-11-23 17:50", "2026-11-24 09:00"),  # it closes before somebody could: tomorrow
        ("2026-11-23 22:00", "2026-11-24 09:00"),
        ("2026-11-24 05:00", "2026-11-24 09:00"),
        ("2026-11-25 19:00", "2026-11-27 09:00"),  # Thanksgiving in between
        ("2026-11-28 14:00", "2026-11-30 09:00"),  # Sunday in between
    ],
)
def test_a_contact_is_answered_soon_while_open_and_after_the_next_opening_else(came, due):
    assert load(HARBOR).answer_due(denver(came)) == denver(due)


WORDS = {
    "en": "9b29d2af36df3ca114258198ef6f57c6bbf1de4639cc4c5d43dd372f68dd89d0",
    "es": "20c204a2d215fdf40e893d0f07353e3d0a3ba686fc2b88f275d669f3854ad8dd",
}
"""SHA-256 over the words that patients sign under `TREATMENT_TEXT`, by language."""


def test_other_words_for_treatment_are_another_version_of_the_text():
    found = {}
    for language in WORDS:
        path = Path(f"services/assessment/texts/{language}.consent.toml")
        words = json.dumps(tomllib.loads(path.read_text(encoding="utf-8")), sort_keys=True)
        found[language] = hashlib.sha256(words.encode()).hexdigest()
    assert (TREATMENT_TEXT, found) == ("2026-11", WORDS), "raise TREATMENT_TEXT with the words, then write both here"


def test_a_clinic_has_everybody_sign_again_without_vouching_for_a_release(data):
    assert load(HARBOR).consent.version == TREATMENT_TEXT
    data["consent"] = {"revision": 2}
    assert parse(data, "test.toml").consent.version == f"{TREATMENT_TEXT}.2"


def test_whoever_treats_grown_ups_is_told_of_an_age_that_nobody_knows(data):
    data["screening"]["rules"] = [rule for rule in data["screening"]["rules"] if rule["code"] != "AGE_UNKNOWN"]
    (found,) = problems(data)
    assert "lacks AGE_UNKNOWN" in found
    assert "packs/screening.toml" in found


def test_the_shipped_files_are_plain_toml():
    for path in CLINICS.rglob("*.toml"):
        tomllib.loads(path.read_text(encoding="utf-8"))


def test_a_year_of_hours_is_quick_enough_for_a_planner():
    clinic = load(HARBOR)
    began = datetime.now(UTC)
    for days in range(365):
        clinic.hours.intervals(TODAY + timedelta(days=days))
    assert datetime.now(UTC) - began < timedelta(seconds=2)
