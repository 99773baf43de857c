"""What the clinic's people do for a patient, each over the service's own API with their own token."""

from datetime import datetime, timedelta
from typing import Any

from passage.demo.patient import Patient, link_in
from passage.demo.staff import LATER, Refused
from passage.demo.waiting import seen

CALM = {"systolic": 122, "diastolic": 78, "heart_rate": 70, "spo2": 98}
Json = dict[str, Any]


async def book(p: Patient, *, at_least: datetime, provider: str, by: str = "dana") -> Json:
    """The first consultation that is free from a moment on; the appointment."""
    dana = p.stage.staff[by]
    query = f"kind=consultation&mode=video&provider={provider}&from={at_least:%Y-%m-%d}&days=5&patient_id={p.id}"
    offers = (await dana.ask("scheduling", "GET", f"/api/v1/offers?{query}"))["offers"]
    for offer in offers:
        if datetime.fromisoformat(offer["starts_at"]) < at_least:
            continue
        wanted = {"patient_id": p.id, "starts_at": offer["starts_at"], "mode": "video", "provider_id": provider}
        try:
            booked: Json = await dana.ask("scheduling", "POST", "/api/v1/consultations", wanted)
        except Refused as refused:
            if refused.status != 409:
                raise
        else:
            return booked
    raise LookupError(f"no time for {p.name} with {provider} from {at_least:%a %H:%M} on")


async def booking_link(p: Patient) -> str:
    """The link over which they book by themselves."""
    path = f"/api/v1/patients/{p.id}/booking-link"
    return link_in((await p.stage.staff["dana"].ask("scheduling", "POST", path))["url"], "booking")


async def telling_link(p: Patient) -> str:
    """The link to the page on which they tell what a decision needs."""
    path = f"/api/v1/charts/{p.id}/link"
    return link_in((await p.stage.staff["dana"].ask("assessment", "POST", path))["url"], "telling")


async def save(p: Patient, kind: str, content: Json, by: str = "osei") -> None:
    """A section of the chart, on top of what stands there."""
    chart = await read_chart(p)
    section = chart["sections"][kind]
    body = {"version": section["version"] if section else 0, "content": content}
    await p.stage.staff[by].ask("assessment", "PUT", f"/api/v1/charts/{p.id}/{kind}", body)


async def read_chart(p: Patient) -> Json:
    """The chart as a provider sees it."""
    found: Json = await p.stage.staff["osei"].ask("assessment", "GET", f"/api/v1/charts/{p.id}")
    return found


async def fill_in(p: Patient, *, born: str, hopes: str, conditions: tuple[str, ...] = ()) -> None:
    """History, goals and what was tried, as a provider writes them down in the consultation."""
    await save(p, "history", {"born": born, "conditions": [{"code": code} for code in conditions]})
    await save(p, "goals", {"hopes": hopes})
    trial = {"kind": "antidepressant", "name": "Sertraline", "dose": "100 mg", "outcome": "none"}
    await save(p, "tried", {"trials": [trial]})


async def decide(p: Patient, action: str, *, by: str = "osei", **said: Any) -> Json:
    """Complete the assessment and sign a decision about exactly that version."""
    provider = p.stage.staff[by]
    made = await provider.ask("assessment", "POST", f"/api/v1/charts/{p.id}/complete")
    bound = {"assessment_id": made["assessment_id"], "assessment_version": made["version"]}
    body = {"action": action, **bound, "assessment_hash": made["hash"], **said}
    signed: Json = await provider.ask("assessment", "POST", f"/api/v1/charts/{p.id}/decision", body, signing=True)
    return signed


async def appointments(p: Patient, only: str = "") -> list[Json]:
    """Everything booked for them, in order of time; with `only` the one with that id."""
    path = f"/api/v1/patients/{p.id}/appointments"
    found: list[Json] = (await p.stage.staff["dana"].ask("scheduling", "GET", path))["appointments"]
    return [one for one in found if only in ("", one["id"])]


async def planned(p: Patient, count: int) -> list[Json]:
    """Their sessions, as soon as so many are booked."""

    async def look() -> list[Json]:
        found = [one for one in await appointments(p) if one["session"] and one["state"] == "booked"]
        return found if len(found) == count else []

    return await seen(look, f"{count} sessions of {p.name}")


async def approved(p: Patient, *, sessions: int = 4, by: str = "osei") -> list[Json]:
    """From a filled chart to booked sessions by injection."""
    await decide(p, "approve", by=by, route="im", sessions=sessions)
    return await planned(p, sessions)


async def move(p: Patient, appointment: Json, *, at: str, reason: str, provider: str = "") -> Json:
    """Move an appointment; with `provider` to somebody else."""
    body = {"starts_at": at, "reason": reason} | ({"provider_id": provider} if provider else {})
    path = f"/api/v1/appointments/{appointment['id']}/reschedule"
    moved: Json = await p.stage.staff["dana"].ask("scheduling", "POST", path, body)
    return moved


async def cancel(p: Patient, appointment: Json, *, reason: str, note: str, by: str) -> None:
    path = f"/api/v1/appointments/{appointment['id']}/cancel"
    await p.stage.staff[by].ask("scheduling", "POST", path, {"reason": reason, "note": note})


async def task(p: Patient, kind: str) -> Json:
    """What somebody has to do about them, as soon as it is on the list."""

    async def look() -> Json:
        return next((one for one in await p.stage.tasks(p.id) if one["kind"] == kind), {})

    return await seen(look, f"the task {kind} about {p.name}")


async def close_task(p: Patient, service: str, kind: str, *, outcome: str) -> None:
    """The front desk did it."""
    found = await task(p, kind)
    path = f"/api/v1/tasks/{found['id']}/close"
    await p.stage.staff["dana"].ask(service, "POST", path, {"outcome": outcome})


async def arrive(p: Patient, session: Json, *, fasting: bool) -> Json:
    """Check in as soon as the gates at the door have heard what they wait for; then the first vitals."""
    tran, day = p.stage.staff["tran"], f"/api/v1/appointments/{session['id']}"
    here: Json = await tran.ask(
        "scheduling", "POST", f"{day}/check-in", {"fasting": fasting, "pregnancy": True}, later=LATER | {409}
    )
    await measure(p, session, "baseline")
    return here


async def measure(p: Patient, session: Json, phase: str) -> None:
    """Vitals, all within the clinic's limits."""
    body = {"appointment_id": session["id"], "phase": phase, **CALM}
    await p.stage.staff["tran"].ask("assessment", "POST", f"/api/v1/charts/{p.id}/vitals", body)


async def dose(p: Patient, session: Json, *, later: frozenset[int] = LATER | {409}) -> None:
    """The medicine, by whom the session was planned with."""
    by = p.stage.staff[session["provider_id"]]
    await by.ask("scheduling", "POST", f"/api/v1/appointments/{session['id']}/dose", later=later)


async def treat(p: Patient, session: Json) -> None:
    """A whole session, from the door to the way home."""
    number, of = session["session"]["number"], session["session"]["of"]
    await p.until(datetime.fromisoformat(session["starts_at"]))
    p.tell(f"session {number} of {of}: at the door, every gate holds")
    await arrive(p, session, fasting=True)
    await p.until(datetime.fromisoformat(session["session"]["dose_at"]))
    await dose(p, session)
    p.tell(f"session {number} of {of}: given, observed for two hours")
    if number == 1:
        felt = {"appointment_id": session["id"], "effect": "dizziness", "severity": "mild"}
        await p.stage.staff["tran"].ask("assessment", "POST", f"/api/v1/charts/{p.id}/side-effects", felt)
    await p.until(datetime.fromisoformat(session["session"]["dose_at"]) + timedelta(minutes=122))
    await measure(p, session, "discharge")
    path = f"/api/v1/appointments/{session['id']}/discharge"
    await p.stage.staff["tran"].ask("scheduling", "POST", path, {"escort_present": True}, later=LATER | {409})
    p.tell(f"session {number} of {of}: home with a companion")
