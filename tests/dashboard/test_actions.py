"""Actions: what is offered, what is asked, and that nothing is sent which the user has not confirmed."""

import re

import pytest
from dashboard import examples
from dashboard.conftest import PORT
from dashboard.examples import OLD, RUN, candidate, condition, model, stalled

from serin_cli.request_errors import AbsentError, ClusterError
from serin_core.api.pause import Pause
from serin_core.api.status import CandidateState, HandledRequest

PAGE = "/models/shop/categories"
ORIGIN = f"http://127.0.0.1:{PORT}"
WAITING = model(conditions=(condition("AwaitingApproval"),))


def offered(site, item):
    return re.findall(r'id="action-([a-z-]+)"', site(item).browser.get(PAGE).text)


def test_actions_are_offered_where_the_operator_accepts_them(site):
    failed = candidate(state=CandidateState.ROLLED_BACK, stage=None, stage_started_at=None)
    paused = candidate(pause=Pause(since=examples.START))
    assert offered(site, model()) == ["promote", "pause", "abort", "undo"]
    assert offered(site, model(candidate=paused)) == ["resume", "abort", "undo"]
    assert offered(site, model(candidate=failed, conditions=stalled("RolledBack"))) == ["retry", "undo"]
    assert offered(site, model(candidate=None, stable=None)) == []
    assert offered(site, model(spec=examples.SPEC | {"suspend": True})) == ["pause", "abort", "undo"]
    assert offered(site, model(candidate=candidate(state=CandidateState.LOADING)))[0] == "pause"


def test_pages_without_actions_offer_and_accept_none(site):
    one = site(model(), acts=False)
    assert "action-" not in one.browser.get(PAGE).text
    assert one.browser.get(f"{PAGE}/actions/abort").status_code == 404
    assert one.browser.post(f"{PAGE}/actions/abort", headers={"origin": ORIGIN}).status_code == 404


def form_of(site, action, **fields):
    """Return the fields of the page that asks, as a browser sends them."""
    page = site.browser.get(f"{PAGE}/actions/{action}")
    assert page.status_code == 200, page.text
    hidden = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.text)
    assert {name for name, _ in hidden} == {"form_token", "effect"}
    return dict(hidden) | fields


def send(site, action, form, **headers):
    return site.browser.post(f"{PAGE}/actions/{action}", data=form, headers={"origin": ORIGIN} | headers)


def test_the_question_says_what_will_happen(site):
    assert f"{RUN} goes from 10 % to 50 % of users, as this step waits for an approval." in site(WAITING).text(
        f"{PAGE}/actions/promote"
    )
    assert f"it is rolled back: {OLD} serves all users" in site(model()).text(f"{PAGE}/actions/abort")
    assert "A failing gate still rolls back" in site(model()).text(f"{PAGE}/actions/pause")


def test_a_confirmed_action_is_the_request_of_the_command_line(site):
    one = site(WAITING)
    found = send(one, "promote", form_of(one, "promote", reason="checked by  hand"))
    assert (found.status_code, found.headers["location"]) == (303, f"{PAGE}#requests")
    ((name, annotations, spec),) = one.cluster.written
    assert (name, spec) == ("categories", None)
    words = annotations["request.serin.dev/promote"].split()
    assert words[:2] == [RUN, "10"]
    assert words[3:] == ["by=jane@example.com", "checked", "by", "hand"]


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": f"https://127.0.0.1:{PORT}"},
        {"host": "evil:1"},
    ],
    ids=["foreign", "null", "https", "host"],
)
def test_a_form_of_another_origin_sends_nothing(site, headers):
    one = site(model())
    assert send(one, "abort", form_of(one, "abort"), **headers).status_code in (400, 403)
    assert one.cluster.written == []


def test_a_form_without_origin_token_or_cookie_sends_nothing(site):
    one = site(model())
    form = form_of(one, "abort")
    assert one.browser.post(f"{PAGE}/actions/abort", data=form).status_code == 403
    assert send(one, "abort", form | {"form_token": "wrong"}).status_code == 403
    assert send(one, "abort", {"effect": form["effect"]}).status_code == 403
    assert one.browser.post(f"{PAGE}/actions/abort", json=form, headers={"origin": ORIGIN}).status_code == 415
    assert send(one, "abort", form | {"reason": "x" * 30_000}).status_code == 413
    one.browser.cookies.clear()
    assert send(one, "abort", form).status_code == 403
    assert one.cluster.written == []


def test_of_two_users_who_click_at_once_the_second_is_told_what_changed(site):
    one = site(WAITING)
    form = form_of(one, "promote")
    one.cluster.models["categories"] = model(candidate=candidate(percent=0.0))
    found = send(one, "promote", form)
    assert found.status_code == 409
    assert f"Now: {RUN} goes from 0 % to 10 % of users" in found.text
    assert one.cluster.written == []


def test_an_action_that_is_no_longer_possible_is_refused_in_words(site):
    one = site(model())
    form = form_of(one, "abort")
    one.cluster.models["categories"] = model(candidate=None)
    found = send(one, "abort", form)
    assert (found.status_code, one.cluster.written) == (409, [])
    assert f"no rollout is running; {OLD} is stable" in found.text


def test_without_the_right_to_act_the_page_names_it(site):
    one = site(model())
    form = form_of(one, "pause")
    one.cluster.is_allowed = False
    page = one.browser.get(f"{PAGE}/actions/pause").text
    assert "the right to patch suggestionmodels.serin.dev in the namespace shop" in page
    assert "<form" not in page
    assert send(one, "pause", form).status_code == 409
    assert one.cluster.written == []


@pytest.mark.parametrize(
    ("error", "status"),
    [(ClusterError("the API server answered 403 Forbidden: cannot patch"), 502), (AbsentError("not found"), 404)],
)
def test_a_request_that_the_api_server_refuses_is_said(site, error, status):
    one = site(model())
    form = form_of(one, "pause")
    one.cluster.refusal = error
    found = send(one, "pause", form)
    assert found.status_code == status
    assert str(error) in found.text


def test_undo_of_what_git_sets_says_what_to_commit(site):
    owned = model(candidate=None)
    owned["spec"] = owned["spec"] | {"runID": OLD}
    owned["metadata"]["annotations"] = {
        "argocd.argoproj.io/tracking-id": "shop:serin.dev/SuggestionModel:shop/categories"
    }
    owned["metadata"]["managedFields"] = [
        {"manager": "argocd-controller", "operation": "Apply", "fieldsV1": {"f:spec": {"f:runID": {}}}}
    ]
    page = site(owned).browser.get(f"{PAGE}/actions/undo").text
    assert "Commit this instead" in page
    assert "<form" not in page


def test_an_unanswered_request_is_shown_and_named_before_it_is_replaced(site):
    item = model()
    item["metadata"]["annotations"] = {"request.serin.dev/abort": f"{RUN} 2026-01-02T11:59:00Z by=joe"}
    one = site(item)
    assert "Abort by joe: the operator has not answered yet" in one.text(PAGE)
    assert "This replaces a request that the operator has not answered" in one.text(f"{PAGE}/actions/abort")


def test_an_answer_is_shown_for_some_minutes(site):
    def page(time):
        value = f"{RUN} {time} by=joe"
        handled = HandledRequest(action="pause", value=value, answer="Done: paused", at=examples.NOW)
        item = model(handled_requests=(handled,))
        item["metadata"]["annotations"] = {"request.serin.dev/pause": value}
        return site(item).text(PAGE)

    assert "Pause by joe: Done: paused" in page("2026-01-02T11:55:00Z")
    assert "Pause by joe" not in page("2026-01-02T09:00:00Z")


def test_an_unknown_action_is_no_error_of_the_server(site):
    found = site(model()).browser.get(f"{PAGE}/actions/delete")
    assert found.status_code == 409
    assert "delete is no action" in found.text
