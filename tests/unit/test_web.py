"""What every page stands on: assets by content, dates as people say them, the reader's language, no inline code."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request

from shared.clinic import load
from shared.http.problems import NotFound
from shared.web.assets import Assets, assets, route
from shared.web.dates import Dates
from shared.web.i18n import Texts
from shared.web.pages import Pages, as_phone

ROOT = Path(__file__).parents[2]
TEMPLATES = sorted([*ROOT.glob("shared/web/templates/*.html"), *ROOT.glob("services/*/templates/**/*.html")])
INLINE = re.compile(r"<style|\sstyle=|<script(?![^>]*\ssrc=)|\son[a-z]+=|javascript:", re.IGNORECASE)
NOW = datetime(2026, 12, 3, 16, 42, tzinfo=UTC)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_no_script_and_no_style_stands_in_a_page(template):
    assert INLINE.findall(template.read_text()) == []


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_nothing_is_loaded_from_elsewhere(template):
    assert re.findall(r'(?:src|href)="(?:https?:)?//', template.read_text()) == []


@pytest.fixture
async def site():
    transport = httpx.ASGITransport(Starlette(routes=[route]))
    async with httpx.AsyncClient(transport=transport, base_url="http://pages") as client:
        yield client


async def test_an_asset_is_cached_for_good_under_its_content(site):
    answer = await site.get(assets().url("css/app.css"))
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-type"].startswith("text/css")


async def test_an_old_pages_address_gets_todays_file_but_keeps_nothing(site):
    answer = await site.get("/assets/0123456789abcdef/css/app.css")
    assert answer.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "name", ["..%2fpages.py", "%2e%2e/%2e%2e/pages.py", "vendor/dev/axe.min.js", "vendor/.lock-sha256", ""]
)
async def test_nothing_but_the_assets_is_served(site, name):
    answer = await site.get(f"/assets/{assets().version}/{name}")
    assert answer.status_code == 404


def test_every_name_in_the_styles_exists():
    known = Assets()
    for name, file in known.files.items():
        if name.endswith(".css"):
            for link in re.findall(r'url\("\.\./([^"]+)"\)', file.body.decode()):
                assert link in known.files


def test_a_missing_asset_says_how_to_get_it():
    with pytest.raises(LookupError, match=r"shared\.web\.fetch"):
        assets().url("vendor/nothing.js")


def dates(language: str) -> Dates:
    return Dates(language, ZoneInfo("America/Denver"), NOW, Texts([ROOT / "shared/web/texts"]))


@pytest.mark.parametrize(
    ("language", "hours", "said"),
    [
        ("en", -3, "today 6:42"), ("en", -30, "yesterday 3:42"), ("en", 24, "tomorrow 9:42"), ("en", 49, "Sat 10:42"),
        ("en", 24 * 40, "Tue 12 Jan 2027 9:42"), ("es", 24, "mañana 9:42"), ("es", 24 * 8, "vie 11 dic 9:42"),
    ],
)  # fmt: skip
def test_moments_are_said_in_the_clinics_zone(language, hours, said):
    assert dates(language).when(NOW + timedelta(hours=hours)) == said


@pytest.mark.parametrize(
    ("minutes", "said"),
    [(78, "1:18"), (-12, "−0:12"), (0, "0:00"), (24 * 60, "tomorrow"), (-3 * 24 * 60, "Mon 30 Nov")],
)
def test_a_deadline_is_a_clock_on_its_day(minutes, said):
    assert dates("en").left(NOW + timedelta(minutes=minutes)) == said


@pytest.mark.parametrize(
    ("language", "days", "said"),
    [
        ("en", 0, "Thursday 3 December, 9:42"), ("en", 40, "Tuesday 12 January 2027, 9:42"),
        ("es", 0, "jueves 3 de diciembre, 9:42"), ("es", 40, "martes 12 de enero de 2027, 9:42"),
    ],
)  # fmt: skip
def test_a_day_in_full_has_its_year_where_it_is_another(language, days, said):
    assert dates(language).full(NOW + timedelta(days=days)) == said


@pytest.mark.parametrize(("seconds", "said"), [(59, "now"), (61, "1 min"), (78, "1 min"), (3 * 3600, "3 hr")])
def test_how_long_since_is_never_told_in_seconds(seconds, said):
    assert dates("en").ago(NOW - timedelta(seconds=seconds)) == said


@pytest.mark.parametrize(("service", "staff"), [("notifications", False), ("identity", True)])
def test_what_went_wrong_shows_patients_who_helps_and_staff_the_way_back(service, staff):
    pages, clinic = Pages(f"services.{service}", staff=staff), load(ROOT / "deploy/clinics/harbor.toml")
    shown = pages.fragment(
        "problem.html", clinic, dates("en"), problem=NotFound("This link doesn't lead anywhere."), instance=None,
        languages=clinic.languages, language_url=str,
    )  # fmt: skip
    assert ('href="/"' in shown, "tel:911" in shown) == (staff, not staff)
    assert f"tel:{clinic.phone}" in shown


def asked(query: str = "", cookie: str = "", accept: str = "") -> Request:
    clinic = load(ROOT / "deploy/clinics/harbor.toml")
    app = SimpleNamespace(state=SimpleNamespace(service=SimpleNamespace(clinic=clinic)))
    headers = [(b"cookie", cookie.encode()), (b"accept-language", accept.encode())]
    return Request({"type": "http", "query_string": query.encode(), "headers": headers, "app": app})


@pytest.mark.parametrize(
    ("request_", "language"),
    [
        (asked(), "en"),
        (asked(accept="es-MX,es;q=0.9,en;q=0.8"), "es"),
        (asked(accept="fr, de;q=0.7, es;q=0.1"), "es"),
        (asked(accept="es;q=0.1,en;q=x,en;q=0.5"), "en"),
        (asked(cookie="lang=es", accept="en"), "es"),
        (asked(query="lang=en", cookie="lang=es"), "en"),
        (asked(query="lang=<script>"), "en"),
    ],
)
def test_the_reader_chooses_the_language(request_, language):
    assert Pages("services.dashboard").language(request_) == language


@pytest.mark.parametrize(
    ("number", "said"),
    [("+18015550148", "(801) 555-0148"), ("+34912345678", "+34 912 34 56 78"), ("rubbish", "rubbish")],
)
def test_a_phone_is_written_as_people_there_do(number, said):
    assert as_phone("US", number) == said
