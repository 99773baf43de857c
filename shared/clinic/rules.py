"""What must be true between the parts of a policy; each part checks itself."""

from collections import Counter
from collections.abc import Iterable

from shared.clinic.calendar import public_holidays
from shared.clinic.errors import Problem
from shared.clinic.model import Clinic
from shared.clinic.opening import WEEKDAYS
from shared.clinic.signing import needing_signature


def problems_of(clinic: Clinic) -> list[Problem]:
    """Every contradiction between the parts, by key."""
    return [
        *_twice("people", (person.id for person in clinic.people)),
        *_twice("rooms", (room.id for room in clinic.rooms)),
        *_twice("instruments", (instrument.code for instrument in clinic.instruments)),
        *_twice("gates", (gate.code for gate in clinic.gates)),
        *_opening(clinic),
        *_people(clinic),
        *_means(clinic),
        *_messages(clinic),
        *_screening(clinic),
        *_signatures(clinic),
    ]


def _twice(key: str, ids: Iterable[str]) -> list[Problem]:
    return [
        Problem(f"{key}[{one}]", f"{one!r} appears {count} times", "give each its own id")
        for one, count in Counter(ids).items()
        if count > 1
    ]


def _opening(clinic: Clinic) -> list[Problem]:
    if not any(getattr(clinic.opening, day) for day in WEEKDAYS):
        return [Problem("hours", "the clinic is never open", 'add a day, as mon = ["09:00-17:00"]')]
    if clinic.opening.holidays is None:
        return []
    try:
        public_holidays(clinic.country, clinic.opening.holidays, 2026)
    except NotImplementedError:
        return [
            Problem(
                "hours.holidays",
                f"{clinic.opening.holidays!r} is not a known subdivision of {clinic.country}",
                'write its code (as "UT"), "national", or leave it out and list the days in hours.closed',
            )
        ]
    return []


def _people(clinic: Clinic) -> list[Problem]:
    found = [
        Problem(
            f"people[{person.id}].licence", "a provider has no licence", "add number, state, valid_from, valid_until"
        )
        for person in clinic.people
        if "provider" in person.roles and person.licence is None
    ]
    director = next((person for person in clinic.people if person.id == clinic.medical_director), None)
    if director is None or "provider" not in director.roles:
        providers = ", ".join(person.id for person in clinic.people if "provider" in person.roles) or "(none yet)"
        found.append(
            Problem(
                "medical_director", f"{clinic.medical_director!r} is no provider of this clinic", f"one of {providers}"
            )
        )
    return found


def _means(clinic: Clinic) -> list[Problem]:
    """Nothing may be offered for which there is no room and nobody to do it."""
    found: list[Problem] = []
    kinds = {kind for room in clinic.rooms for kind in room.kinds}
    found.extend(
        Problem(
            "rooms",
            f'no room is fit for "{route}"',
            f'add "{route}" to a room\'s kinds, or take it out of appointments.routes',
        )
        for route in clinic.appointments.routes
        if route not in kinds
    )
    if "in_person" in clinic.appointments.consultation.modes and "consultation" not in kinds:
        found.append(
            Problem("rooms", "no room is fit for consultations in person", 'add "consultation" to a room\'s kinds')
        )
    if not any("monitor" in person.roles for person in clinic.people):
        found.append(Problem("people", "nobody is a monitor", 'sessions need one: add "monitor" to somebody\'s roles'))
    if not any(person.licence is not None and person.licence.prescriber for person in clinic.people):
        found.append(Problem("people", "nobody may prescribe", "set licence.prescriber = true for whoever may"))
    if clinic.appointments.airway_on_site and not any(person.airway for person in clinic.people):
        found.append(
            Problem("people", "nobody is airway-trained", "set airway = true for whoever is, or airway_on_site = false")
        )
    return found


def _messages(clinic: Clinic) -> list[Problem]:
    """Every language that the clinic speaks has its words, and nobody is asked for a ride after the cut-off."""
    found = [Problem(f"messages.{key}", message) for key, message in clinic.messages.problems()]
    found.extend(
        Problem(f"messages.words.{language}", "is missing", "add the texts, or take the language out of languages")
        for language in clinic.languages
        if language not in clinic.messages.words
    )
    found.extend(
        Problem(
            f"messages.ladder[{step.code}]",
            f"asks {step.hours_before} h before, the answer is needed {clinic.transport.cut_off_hours} h before",
            "ask before transport.cut_off_hours",
        )
        for step in clinic.messages.ladder
        if step.asks == "transport" and (step.hours_before or 0) <= clinic.transport.cut_off_hours
    )
    return found


def _screening(clinic: Clinic) -> list[Problem]:
    """Who asks for grown-ups is told of everybody whose age nobody knows."""
    codes = {rule.code for rule in clinic.screening.rules}
    if "CI_AGE" not in codes or "AGE_UNKNOWN" in codes:
        return []
    remedy = "add the rule as packs/screening.toml has it"
    return [Problem("screening.rules", "has CI_AGE and lacks AGE_UNKNOWN: no flag says that an age is unknown", remedy)]


def _signatures(clinic: Clinic) -> list[Problem]:
    known = {item.key for item in needing_signature(clinic)}
    found: list[Problem] = []
    for key, signature in clinic.sign_off.items():
        if key not in known:
            found.append(Problem(f"sign_off.{key}", "nothing under this key needs a signature", "take the entry out"))
        elif signature.by != clinic.medical_director:
            found.append(
                Problem(
                    f"sign_off.{key}.by",
                    f"{signature.by!r} is not the medical director",
                    f"{clinic.medical_director} signs",
                )
            )
        elif signature.by in {p.id for p in clinic.people} and not clinic.person(signature.by).licensed_on(
            signature.on
        ):
            found.append(
                Problem(
                    f"sign_off.{key}.on", f"no valid licence on {signature.on}", "sign again with a current licence"
                )
            )
    return found
