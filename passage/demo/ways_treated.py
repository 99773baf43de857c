"""The ways of those who are approved: to the last session, a held one, a closed gate, an approval that ended."""

from datetime import datetime, timedelta

from passage.demo import clinic
from passage.demo.browser import Person
from passage.demo.patient import Patient, link_in
from passage.demo.staff import LATER, Refused
from passage.demo.waiting import seen

MONDAY = (14, 9, 20)
"""Day, hour and minute at which most of what goes wrong is found out."""


async def treated(p: Patient) -> str:
    """All of it, in order: the way that the others leave."""
    await p.until(p.stage.at(0, 9))
    p.tell("writes to the clinic, is answered by text and mail")
    await p.writes("I have tried two medications and nothing has helped so far.")
    await p.reads_text("Thank you")
    talk = await clinic.book(p, at_least=p.stage.at(0, 14), provider="osei")
    await p.reads_mail("Your first talk")
    p.tell("tells history and goals on the phone, signs the consent")
    link = await clinic.telling_link(p)
    await p.tells(link, consent="im", tried="Sertraline", hopes="To sleep, and to work again", born="1980-04-02")
    card = {"status": "unknown", "payer": "Mountain Health", "payer_id": "62308", "member_id": "MH-55013-K"}
    await clinic.save(p, "insurance", card, by="dana")
    await p.until(datetime.fromisoformat(talk["ends_at"]))
    p.tell("approved for four sessions by Dr Osei")
    sessions = await clinic.approved(p)
    visit = link_in(await p.reads_mail("Your 4 visits"), "visit")
    p.tell("names who takes them home; she says yes")
    for session in sessions:
        page = await p.names("Karin Price", visit, session["id"])
        await p.answers(visit, session["id"], solids=True, fluids=True)
        if session is sessions[0]:
            await _says_yes(link_in(page.html, "escort"))
    for session in sessions:
        await clinic.treat(p, session)
    return "four sessions of four, each time home with a companion"


async def _says_yes(link: str) -> None:
    escort = Person()
    page = await escort.open(link)
    await escort.send(page, page.form(), answer="yes")
    await escort.close()


async def _begins(p: Patient, day: int, hour: int, words: str, born: str) -> list[clinic.Json]:
    """Through the first talk to four booked sessions: the approval is signed on that day at that hour."""
    await p.until(p.stage.at(day - 1, 9))
    p.tell("writes to the clinic")
    await p.writes(words)
    talk = await clinic.book(p, at_least=p.stage.at(day - 1, 14), provider="rios")
    await p.until(datetime.fromisoformat(talk["ends_at"]))
    p.tell("has talked with Dr Ríos")
    await clinic.fill_in(p, born=born, hopes="To get out of bed")
    await p.until(p.stage.at(day, hour))
    p.tell("approved for four sessions")
    return await clinic.approved(p, by="rios")


async def no_ride(p: Patient) -> str:
    """Nobody to take them home, and the cut-off comes."""
    sessions = await _begins(p, 11, 11, "I live alone and I am tired of being tired.", "1987-05-30")
    await p.until(p.stage.at(14, 7, 35))

    async def held() -> bool:
        called = any(task["kind"] == "transport-missing" for task in await p.stage.tasks(p.id))
        return called and (await clinic.appointments(p, sessions[0]["id"]))[0]["state"] == "held"

    await seen(held, "the held session")
    return "session held, a person calls: no ride, no session"


async def ate_before(p: Patient) -> str:
    """Breakfast, an hour before the door."""
    [first, *_] = await _begins(p, 10, 10, "Could this help after years of pain?", "1979-01-15")
    link = await clinic.telling_link(p)
    await p.tells(link, consent="im", hopes="To get out of bed", born="1979-01-15")
    visit = link_in(await p.reads_mail("Your 4 visits"), "visit")
    await p.names("Ngozi Okoye", visit, first["id"])
    start = datetime.fromisoformat(first["starts_at"])
    await p.until(start - timedelta(minutes=25))
    p.tell("taps: no, I did not keep to it")
    await p.answers(visit, first["id"], solids=False, fluids=True)
    await p.until(start)
    await clinic.arrive(p, first, fasting=False)
    try:
        await clinic.dose(p, first, later=LATER)
    except Refused:
        p.tell("at the door: the fasting gate stays closed")
    else:
        raise LookupError("somebody who ate was dosed")
    by = str(first["provider_id"])
    await clinic.cancel(p, first, reason="fasting", note="Ate an hour before.", by=by)
    return "not dosed; today's session cancelled, the next ones stand"


async def revoked(p: Patient) -> str:
    """What ends an approval, ends it when it is written down."""
    # An hour after who has no ride: of two that are planned at once, either may get the earlier time.
    await _begins(p, 11, 12, "My sister was helped by you.", "1992-07-08")
    await p.until(p.stage.at(*MONDAY))
    p.tell("calls: she is pregnant; the front desk writes it down")
    history = {"born": "1992-07-08", "conditions": [{"code": "CI_PREGNANCY"}]}
    await clinic.save(p, "history", history, by="dana")

    async def none_left() -> bool:
        return not [one for one in await clinic.appointments(p) if one["session"] and one["state"] == "booked"]

    await seen(none_left, "the end of her sessions")
    return "the approval ended, and with it all four sessions"
