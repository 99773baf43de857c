"""The twelve who come: who they are, and which way each of them goes. A way ends in a sentence that says where."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from passage.demo import clinic
from passage.demo.patient import Patient
from passage.demo.staff import Refused
from passage.demo.ways_treated import MONDAY, ate_before, no_ride, revoked, treated

CURTAIN = (14, 10, 30)
"""The last moment of the play: a Monday morning, so that clocks run which a visitor can still meet."""


@dataclass(frozen=True, slots=True)
class Role:
    """One of the cast. `code` names the branch, `branch` says it in words."""

    code: str
    branch: str
    name: str
    phone: str
    play: Callable[[Patient], Awaitable[str]]
    language: str = "en"

    @property
    def email(self) -> str:
        """Their mailbox in the sandbox."""
        return f"{self.name.split()[0].lower()}@patients.example"


async def alternative(p: Patient) -> str:
    """Something else first."""
    await p.until(p.stage.at(8, 9))
    p.tell("writes to the clinic in Spanish")
    await p.writes("Llevo dos años con ansiedad y no he probado terapia.")
    talk = await clinic.book(p, at_least=p.stage.at(9, 14), provider="rios")
    await p.until(datetime.fromisoformat(talk["ends_at"]))
    p.tell("has talked with Dr Ríos")
    await clinic.fill_in(p, born="1991-09-12", hopes="Dormir sin miedo")
    await clinic.decide(
        p, "alternative", by="rios", alternative="emdr", reason="Therapy was never tried", referral="L. Hughes, EMDR",
        follow_up_on=f"{p.stage.at(60, 9):%Y-%m-%d}",
    )  # fmt: skip
    await clinic.close_task(p, "notifications", "call-with-answer", outcome="called")
    return "EMDR recommended first; asked again in six weeks"


async def more_information(p: Patient) -> str:
    """A question before a decision."""
    await p.until(p.stage.at(9, 9))
    p.tell("writes to the clinic")
    await p.writes("My therapist thinks this could be for me.")
    talk = await clinic.book(p, at_least=p.stage.at(10, 9), provider="osei")
    await p.until(datetime.fromisoformat(talk["ends_at"]))
    p.tell("has talked with Dr Osei")
    await clinic.fill_in(p, born="1968-02-20", hopes="To garden again")
    await clinic.decide(
        p, "more_information", question="A letter from the cardiologist, please.", wanted=["history"]
    )  # fmt: skip
    return "Dr Osei asked for the cardiologist's letter"


async def hard_flag(p: Patient) -> str:
    """A contraindication that no software decides about."""
    await p.until(p.stage.at(10, 9))
    p.tell("calls; the front desk writes it down")
    call = {"name": p.name, "phone": p.phone, "email": p.email, "message": "My sister told me about you."}
    said = {**call, "consent_sms": True, "consent_email": True}
    p.id = (await _taken_call(p, said))["patient_id"]
    talk = await clinic.book(p, at_least=p.stage.at(11, 9), provider="osei")
    await p.until(datetime.fromisoformat(talk["ends_at"]))
    p.tell("has talked with Dr Osei")
    await clinic.fill_in(p, born="1959-11-03", hopes="To feel less alone", conditions=("CI_ANEURYSM",))
    await p.until(p.stage.at(*MONDAY))
    try:
        await clinic.decide(p, "approve", route="im", sessions=4)
    except Refused as refused:
        p.tell(f"approval refused: {refused.code.replace('_', ' ')}")
        return "an aneurysm: no approval without the provider's own reason"
    raise LookupError("a hard flag was approved without a reason")


async def _taken_call(p: Patient, said: dict[str, object]) -> dict[str, str]:
    taken: dict[str, str] = await p.stage.staff["dana"].ask(
        "intake", "POST", "/api/v1/calls", said, key=f"demo-{p.phone[1:]}"
    )
    return taken


async def no_show(p: Patient) -> str:
    """A first talk to which nobody came."""
    await p.until(p.stage.at(11, 9))
    p.tell("writes to the clinic")
    await p.writes("Do you have something next week?")
    talk = await clinic.book(p, at_least=p.stage.at(14, 9), provider="rios")
    begins = datetime.fromisoformat(talk["starts_at"])
    p.tell(f"booked for {begins.astimezone(p.stage.clinic.tz):%A, %H:%M}")
    await p.until(begins + timedelta(minutes=20))
    await p.stage.staff["dana"].ask("scheduling", "POST", f"/api/v1/appointments/{talk['id']}/no-show")
    return "did not come; the front desk calls"


async def stop(p: Patient) -> str:
    """No more texts, at once."""
    await p.until(p.stage.at(*CURTAIN))
    p.tell("writes to the clinic")
    await p.writes("Please call me, I do not like texts.")
    await p.reads_text("STOP")
    await p.texts("STOP")
    p.tell("texts STOP")
    await p.reads_text("no more texts")
    return "texts ended at once; a person calls"


async def two_doors(p: Patient) -> str:
    """One person, two doors, one card."""
    await p.until(p.stage.at(*CURTAIN))
    p.tell("writes to the clinic")
    await p.writes("I have tried everything.")
    p.tell("calls too, to be sure")
    taken = await _taken_call(p, {"name": p.name, "phone": p.phone, "message": "I wrote a minute ago."})
    if taken["patient_id"] != p.id:
        raise LookupError("two contacts became two patients")
    return "wrote and called: one patient, one card"


async def reschedule(p: Patient) -> str:
    """A patient moves the first talk by themselves."""
    await p.until(p.stage.at(10, 9))
    p.tell("writes to the clinic")
    await p.writes("Evenings are hard, mornings are fine.")
    link = await clinic.booking_link(p)
    first = await p.chooses(link, at_least=p.stage.at(14, 14))
    p.tell(f"books {first:%A %H:%M} over the link")
    await p.until(p.stage.at(11, 10))
    moved = await p.chooses(link, at_least=p.stage.at(15, 14), ending="move")
    return f"moved to {moved.astimezone(p.stage.clinic.tz):%A %H:%M} over the same link"


async def provider_ill(p: Patient) -> str:
    """A provider is away for a day."""
    await p.until(p.stage.at(11, 9))
    p.tell("writes to the clinic")
    await p.writes("I would like to talk to somebody.")
    talk = await clinic.book(p, at_least=p.stage.at(15, 10), provider="osei")
    await p.until(p.stage.at(*MONDAY))
    p.tell("Dr Osei is ill tomorrow: Vagaro says so")
    start = p.stage.at(15, 8)
    away = {"kind": "time_off", "provider": "osei", "name": "Dr Amara Osei, away"}
    await p.stage.outside.vagaro(**away, starts_at=start.isoformat(), minutes=600)
    await clinic.task(p, "calendar-conflict")
    await clinic.move(p, talk, at=talk["starts_at"], reason="clinic", provider="rios")
    return "talks to Dr Ríos instead, at the same time"


CAST = (
    Role("treated", "approved and treated to the last session", "Jonah Price", "+18015550148", treated),
    Role("alternative", "alternative recommended", "Marisol Vega", "+18015550102", alternative, "es"),
    Role("more-information", "more information needed", "Anneke Visser", "+18015550103", more_information),
    Role("hard-flag", "a hard flag", "Walter Brandt", "+18015550104", hard_flag),
    Role("no-ride", "no ride at the cut-off", "Tamika Brooks", "+18015550105", no_ride),
    Role("ate", "ate before arrival", "Daniel Okoye", "+18015550106", ate_before),
    Role("no-show", "no-show", "Lily Nakamura", "+18015550107", no_show),
    Role("stop", "STOP", "Owen Castillo", "+18015550108", stop),
    Role("two-doors", "contact over two doors", "Grace Kim", "+18015550109", two_doors),
    Role("reschedule", "reschedule", "Ben Turner", "+18015550110", reschedule),
    Role("provider-ill", "provider ill for a day", "Helena Novak", "+18015550111", provider_ill),
    Role("revoked", "revoked approval", "Carmen Ortiz", "+18015550112", revoked),
)
