"""The link works once, in one browser; nothing but the pages themselves gets anything from the server."""

import pytest
from dashboard.conftest import PORT, Site

HERE = {"host": f"127.0.0.1:{PORT}"}


def test_the_link_works_once_and_leaves_no_token_in_the_address():
    site = Site()
    first = site.browser.get(site.token_path)
    assert (first.status_code, first.headers["location"]) == (303, "/")
    cookie = first.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert site.browser.get("/").status_code == 200
    assert site.browser.get(site.token_path).headers["location"] == "/", "the same browser may open it again"
    site.browser.cookies.clear()
    again = site.browser.get(site.token_path)
    assert again.status_code == 403
    assert "does not work any more" in again.text
    assert site.browser.get("/").status_code == 403


@pytest.mark.parametrize("path", ["/", "/models/shop/categories", "/events", "/events/shop/categories"])
@pytest.mark.parametrize("cookie", [None, f"serin-dashboard-{PORT}=wrong", "\x00=;;"], ids=["none", "wrong", "broken"])
def test_nothing_is_shown_without_the_cookie(path, cookie):
    site = Site()
    found = site.browser.get(path, headers={"cookie": cookie} if cookie else {})
    assert found.status_code == 403
    assert "SuggestionModel" not in found.text


def test_a_wrong_token_does_not_use_up_the_link():
    site = Site()
    assert site.browser.get("/?token=wrong").status_code == 403
    assert site.browser.get("/?token=").status_code == 403
    site.opened()


@pytest.mark.parametrize("host", ["evil.example:8123", "127.0.0.1", f"127.0.0.1.evil.example:{PORT}", "127.0.0.1:9"])
def test_another_host_gets_nothing_even_with_the_cookie_or_the_link(host):
    site = Site()
    assert site.browser.get(site.token_path, headers={"host": host}).status_code == 400
    site.opened()
    assert site.browser.get("/", headers={"host": host}).status_code == 400
    assert site.browser.get("/static/style.css", headers={"host": host}).status_code == 400


def test_localhost_is_this_machine():
    site = Site().opened()
    assert site.browser.get("/", headers={"host": f"localhost:{PORT}"}).status_code == 200


@pytest.mark.parametrize("path", ["/", "/static/style.css", "/static/live.js", "/nothing"])
def test_every_response_forbids_foreign_content_and_frames(site, path):
    headers = site().browser.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe-inline" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


def test_no_documentation_and_no_other_files_are_served(site):
    one = site()
    for path in ("/docs", "/redoc", "/openapi.json", "/static/../access.py", "/static/%2e%2e%2faccess.py"):
        assert one.browser.get(path).status_code == 404


def test_the_token_of_forms_is_not_the_session():
    one, other = Site().access, Site().access
    assert one.form_token != other.form_token
    assert one.is_form_token(one.form_token)
    assert not one.is_form_token(other.form_token)
    assert not one.is_form_token("ü")
