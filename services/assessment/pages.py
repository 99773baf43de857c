"""The patient's page: history, goals, what was tried, consent. Looking changes nothing; no account, no JavaScript."""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from services.assessment.api import problem
from services.assessment.domain.consents import ConsentText
from services.assessment.domain.refusals import Conflicting, Invalid, Refused
from services.assessment.domain.sections import MODELS, dump
from services.assessment.domain.telling import KIND, LISTS, REASONS, STEPS, Step, beside, told
from services.assessment.handlers import consenting, telling
from services.assessment.repository import charts as repository
from shared.contracts.assessment import Route
from shared.errors import Permanent
from shared.http.access import LINK
from shared.http.deps import ServiceDep
from shared.http.problems import BadRequest, NotFound
from shared.http.ratelimit import limit
from shared.uow import UnitOfWork

router = APIRouter(
    include_in_schema=False, dependencies=[Depends(LINK), Depends(limit("patient-page", per_minute=120))]
)
ACTOR = "patient"
BLANK_ROWS = 2
PARAGRAPHS = 9
SAID = frozenset({"saved", "signed", "withdrawn", "changed", "crisis"})


@router.get("/a/{token}")
async def page(request: Request, token: str, service: ServiceDep, step: str = "", said: str = "") -> Response:
    """What is still to tell, or one step of it."""
    async with service.reading() as uow:
        patient_id = await _patient(uow, token)
        shown = said if said in SAID else ""
        if step in STEPS:
            return await _step(request, uow, token, patient_id, _as_step(step), said=shown)
        if (route := _route(step, "consent-")) is not None:
            return await _consent(request, uow, token, patient_id, route)
        return await _overview(request, uow, token, patient_id, said=shown)


@router.post("/a/{token}")
async def send(request: Request, token: str, service: ServiceDep) -> Response:
    """One step: it is kept at once. What cannot be kept comes back with what was typed."""
    form = await request.form()
    step = _text(form, "step")
    try:
        async with service.transaction(actor=ACTOR) as uow:
            patient_id = await _patient(uow, token)
            return _to(token, await _kept(request, uow, patient_id, step, form))
    except (Invalid, Conflicting) as refused:
        async with service.transaction(actor=ACTOR) as uow:
            patient_id = await _patient(uow, token)
            crisis = step in STEPS and await telling.heed_crisis(uow, patient_id, _as_step(step), _fields(form)[1])
            return await _again(request, uow, token, patient_id, step, form, refused, crisis=crisis)
    except Refused as refused:
        raise problem(refused) from refused


async def _patient(uow: UnitOfWork, token: str) -> UUID:
    patient_id = await telling.subject_of(uow, token)
    try:
        await uow.keys.box(patient_id)
    except Permanent:
        raise NotFound("This page is closed.", remedy="Call the clinic if you expected to see it.") from None
    return patient_id


async def _kept(request: Request, uow: UnitOfWork, patient_id: UUID, step: str, form: FormData) -> dict[str, str]:
    """Do what was sent; the query of where to go next."""
    if step in STEPS:
        kind = _as_step(step)
        said, ticked = _fields(form)
        _, crisis = await telling.tell(uow, patient_id, kind, said, ticked, version=_version(form))
        if crisis:
            return {"said": "crisis"}
        if "more" in form:
            return {"step": kind}
        return _after(kind)
    if (route := _route(step, "consent-")) is not None:
        text = _consent_text(request, route)
        name, agreed = _text(form, "name"), _text(form, "agreed") == "yes"
        await consenting.sign(uow, patient_id, text, shown=_text(form, "shown"), name=name[:200], agreed=agreed)
        return {"said": "signed"}
    if (route := _route(step, "withdraw-")) is not None:
        await consenting.withdraw(uow, patient_id, route)
        return {"said": "withdrawn"}
    if step == "changed":
        await telling.something_changed(uow, patient_id, _text(form, "words")[:2000])
        return {"said": "changed"}
    raise BadRequest("This form is not ours.")


def _after(step: Step) -> dict[str, str]:
    later = STEPS[STEPS.index(step) + 1 :]
    return {"step": later[0], "said": "saved"} if later else {"said": "saved"}


def _to(token: str, query: dict[str, str]) -> Response:
    return RedirectResponse(f"/a/{token}?{urlencode(query)}", 303)


async def _again(
    request: Request,
    uow: UnitOfWork,
    token: str,
    patient_id: UUID,
    step: str,
    form: FormData,
    refused: Refused,
    *,
    crisis: bool,
) -> Response:
    status = problem(refused).status
    if step in STEPS:
        return await _step(
            request, uow, token, patient_id, _as_step(step), form=form, refused=refused, status=status, crisis=crisis
        )  # fmt: skip
    if (route := _route(step, "consent-")) is not None:
        typed = _text(form, "name")[:200]
        return await _consent(request, uow, token, patient_id, route, refused=refused, name=typed, status=status)
    return await _overview(request, uow, token, patient_id, refused=refused, status=status)


async def _overview(
    request: Request,
    uow: UnitOfWork,
    token: str,
    patient_id: UUID,
    *,
    said: str = "",
    refused: Refused | None = None,
    status: int = 200,
) -> Response:
    chart = await repository.find(uow.conn, patient_id)
    signed = await consenting.current_of(uow, patient_id)
    offered = [chart.approval.route] if chart and chart.approval else _routes(uow)
    return _render(
        request,
        "telling.html",
        status,
        token=token,
        steps=STEPS,
        told=await repository.steps_told(uow.conn, patient_id),
        routes=[route for route in Route if route in offered or route in signed],
        needed=chart is not None and chart.approval is not None,
        signed={route.value: row.signed_at for route, row in signed.items() if consenting.is_newest(uow, row)},
        said=said,
        refused=refused,
    )


def _routes(uow: UnitOfWork) -> list[Route]:
    return [Route(route) for route in uow.clinic.appointments.routes]


async def _step(
    request: Request,
    uow: UnitOfWork,
    token: str,
    patient_id: UUID,
    step: Step,
    *,
    said: str = "",
    form: FormData | None = None,
    refused: Refused | None = None,
    status: int = 200,
    crisis: bool = False,
) -> Response:
    saved = (await telling.known(uow, patient_id)).get(KIND[step])
    conditions = telling.asked(uow)
    content = dump(saved.section) if saved else _empty(step)
    if form is not None:
        fields, ticked = _fields(form)
        codes = frozenset(rule.code for rule in conditions)
        content = _empty(step) | told(step, fields, ticked, saved.section if saved else None, codes)
        if saved and isinstance(refused, Conflicting):
            content = beside(content, saved.section)
    rows = {
        name: [*content[name], *({} for _ in range(BLANK_ROWS))]
        for name, fields_ in LISTS.items()
        if name in content and fields_
    }
    return _render(
        request,
        "telling_step.html",
        status,
        token=token,
        step=step,
        number=STEPS.index(step) + 1,
        of=len(STEPS),
        before=STEPS[STEPS.index(step) - 1] if step != STEPS[0] else "",
        content=content,
        rows=rows,
        conditions=conditions,
        told={one["code"] for one in content.get("conditions", ())},
        reasons=REASONS,
        version=saved.row.version if saved else 0,
        said=said,
        refused=refused,
        wrong=refused.field or "" if refused else "",
        crisis=crisis,
    )


def _empty(step: Step) -> dict[str, Any]:
    """The fields of a section that nobody has written yet."""
    model = MODELS[KIND[step]]
    lists: dict[str, Any] = {name: [] for name in (*LISTS, "conditions", "reasons") if name in model.model_fields}
    return dict.fromkeys(model.model_fields, "") | lists


async def _consent(
    request: Request,
    uow: UnitOfWork,
    token: str,
    patient_id: UUID,
    route: Route,
    *,
    refused: Refused | None = None,
    name: str = "",
    status: int = 200,
) -> Response:
    if route not in _routes(uow):
        raise NotFound("The clinic doesn't offer this.")
    signed = (await consenting.current_of(uow, patient_id)).get(route)
    text = _consent_text(request, route)
    return _render(
        request,
        "telling_consent.html",
        status,
        token=token,
        route=route.value,
        text=text,
        signed=signed,
        current=signed is not None and consenting.is_newest(uow, signed),
        name=name,
        refused=refused,
        wrong=refused.field or "" if refused else "",
    )


def _consent_text(request: Request, route: Route) -> ConsentText:
    """The words as this reader sees them."""
    pages = request.app.state.pages
    language = pages.language(request)
    clinic = request.app.state.service.clinic
    said = {"clinic": clinic.name}
    keys = [f"consent_{route.value}.p{number}" for number in range(1, PARAGRAPHS + 1)]
    paragraphs = tuple(pages.t(request, key, **said) for key in keys if pages.texts.has(language, key))
    title = pages.t(request, f"consent_{route.value}.title", **said)
    return ConsentText(route, clinic.consent.version, language, title, paragraphs)


def _render(request: Request, template: str, status: int, **context: Any) -> Response:
    shown: Response = request.app.state.pages.render(request, template, status=status, **context)
    return shown


def _as_step(step: str) -> Step:
    return next(one for one in STEPS if one == step)


def _route(step: str, prefix: str) -> Route | None:
    return next((route for route in Route if step == prefix + route.value), None)


def _fields(form: FormData) -> tuple[dict[str, str], list[str]]:
    said = {name: value for name, value in form.items() if isinstance(value, str)}
    return said, [value for value in form.getlist("ticked") if isinstance(value, str)]


def _text(form: FormData, name: str) -> str:
    value = form.get(name, "")
    return value.strip() if isinstance(value, str) else ""


def _version(form: FormData) -> int:
    given = _text(form, "version")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 8 else 0
