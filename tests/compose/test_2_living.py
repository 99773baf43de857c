"""Today's release lives: people use it, services die, replicas come, it is taken down and comes up again."""

import re
from collections import Counter

from passage.demo.outside import Outside
from shared.db.migrate import SERVICES
from tests.compose.test_1_upgrade import KNOWN, known
from tests.support.composed import browser
from tests.support.steady import leads_come_in
from tests.support.visiting import book_talks, enquire, front_desk_finds, texts
from tests.support.waiting import eventually

APPLIED = """
import re, urllib.request
page = urllib.request.urlopen("http://127.0.0.1:8000/metrics").read().decode()
print(sum(float(one) for one in re.findall(r"(?m)^passage_inbox_applied_total\\{[^}]*\\} ([0-9.e+]+)$", page)))
"""
PROMTOOL = ("exec", "-T", "prometheus", "promtool")
CHARTS = "select count(*) from assessment.charts"


def test_1_the_image_is_small_and_carries_no_build_tools(stack):
    size = stack.run("docker", "image", "inspect", "--format", "{{.Size}}", stack.image, "python:3.11-slim-bookworm")
    ours, base = map(int, size.split())
    assert ours - base <= 200e6, f"{(ours - base) / 1e6:.0f} MB above the base"
    tools = "which gcc cc make uv npm node git; true"
    assert stack.compose("exec", "-T", "intake", "sh", "-c", tools) == ""
    assert stack.compose("exec", "-T", "intake", "sh", "-c", "touch /app/x 2>&1; true").strip().endswith("system")
    health = stack.inspect("intake", "{{.State.Health.Status}} {{.Config.User}} {{.HostConfig.ReadonlyRootfs}}")
    assert health == ["healthy 10001:10001 true"]


def test_2_only_caddy_is_reachable_from_other_machines(stack):
    ports = stack.compose("ps", "--format", "{{.Service}} {{.Ports}}").splitlines()
    published = {line.split()[0]: line for line in ports if "->" in line}
    assert set(published) == {"caddy", "sandbox"}
    assert re.findall(r"([\d.]+):\d+->", published["sandbox"]) == ["127.0.0.1"]


async def test_3_an_enquiry_through_caddy_is_answered_and_on_the_board(stack):
    await enquire(stack, "Jonah Price", "(801) 555-0148")
    await eventually(lambda: texts(stack, "+18015550148"), timeout=60)
    await front_desk_finds(stack, "Jonah Price")


async def test_4_what_is_inside_stays_inside(stack):
    async with browser(base_url=stack.origin) as http:
        for path in ("/metrics", "/ready", "/api/v1/charts/x", "/api/v1/tasks"):
            assert (await http.get(path)).status_code == 404, path


async def test_5_a_service_that_dies_is_back_by_itself_and_nothing_is_lost(stack):
    charts = stack.count(CHARTS)
    [before, pid] = stack.inspect("assessment", "{{.State.StartedAt}}\n{{.State.Pid}}")
    # From outside its container, as the kernel would when memory runs out; `docker kill` would count as wanted.
    stack.run("docker", "run", "--rm", "--pid=host", "--user=0", stack.image, "sh", "-c", f"kill -9 {pid}")
    await enquire(stack, "Ada Lind", "(801) 555-0149")
    back = "{{.State.StartedAt}} {{.State.Health.Status}}"
    await eventually(lambda: stack.inspect("assessment", back)[0].endswith(" healthy"), timeout=120, every=1)
    assert stack.inspect("assessment", "{{.State.StartedAt}}") != [before]
    await eventually(lambda: stack.count(CHARTS), equals=charts + 1, timeout=60, every=1)


async def test_6_three_replicas_share_the_work_and_each_reminder_goes_out_once(stack):
    stack.compose("up", "-d", "--wait", "--scale", "notifications=3", "--no-recreate")
    assert stack.inspect("notifications", "{{.State.Health.Status}}") == ["healthy"] * 3
    async with leads_come_in(stack, first=5_000) as seen:
        await eventually(lambda: len(seen.accepted) >= 60, timeout=120)
    talkers = dict(list(seen.accepted.items())[:8])
    outside = Outside.at(stack.sandbox)
    await outside.until(await book_talks(stack, talkers.values()))  # past each talk's eve
    await outside.close()

    async def said():
        return Counter((text["to"], text["body"]) for text in await texts(stack) if text["to"] in seen.accepted)

    await eventually(lambda: reminded(said, talkers), timeout=60)
    found = await said()
    assert set(found.values()) == {1}, [one for one in found if found[one] > 1]
    assert {phone for phone, _ in found} == set(seen.accepted)
    ids = stack.compose("ps", "-q", "notifications").split()
    applied = [stack.run("docker", "exec", one, "python", "-c", APPLIED) for one in ids]
    assert all(float(number) > 0 for number in applied), f"events applied by each of the three: {applied}"


def jobs(stack, query):
    """Of which services something holds, as Prometheus sees it."""
    said = stack.compose(*PROMTOOL, "query", "instant", "http://127.0.0.1:9090", query)
    return set(re.findall(r'job="(\w+)"', said))


async def reminded(said, talkers):
    return {phone for phone, words in await said() if "We look forward to our talk" in words} == set(talkers)


def test_7_the_doctor_finds_nothing_to_act_on(stack):
    said = stack.compose("run", "--rm", "--no-deps", "-T", "passage", "doctor", check=False)
    assert "fine" in said
    assert not re.findall(r"(?m)^act .*$", said), said
    assert {f"{name}: process" for name in SERVICES} <= set(re.findall(r"fine +(\w+: process)", said)), said


async def test_8_prometheus_reaches_every_service_and_takes_every_rule(stack):
    stack.compose(*PROMTOOL, "check", "rules", "/etc/prometheus/alerts.yml")
    await eventually(lambda: jobs(stack, "up == 1"), equals=set(SERVICES), timeout=60, every=2)


async def test_9_an_alert_is_raised_while_a_service_is_away_and_ends_when_it_is_back(stack):
    raised = 'ALERTS{alertname="ServiceDown", alertstate="firing"}'
    assert jobs(stack, raised) == set()
    stack.compose("stop", "identity")
    await eventually(lambda: jobs(stack, raised), equals={"identity"}, timeout=240, every=2)
    stack.compose("up", "-d", "--wait", "identity")
    await eventually(lambda: jobs(stack, raised), equals=set(), timeout=90, every=2)


async def test_10_down_and_up_again_loses_nothing(stack):
    before = [known(stack, statement) for statement in KNOWN]
    stack.follow("Down and up")
    assert [known(stack, statement) for statement in KNOWN] == before
    await front_desk_finds(stack, "Jonah Price", "Ada Lind")
