"""The pages in a real Chromium: live, without scripts, narrow, dark, on paper, with the keyboard, and for attackers."""

import re

import pytest
from dashboard.browser import Served, chromium
from dashboard.examples import NOW, RUN, condition, model, stalled
from playwright.sync_api import expect

PAGE = "/models/shop/categories"
WAITING = model(conditions=(condition("AwaitingApproval", message="The step to 50 % waits for an approval."),))
CONTRAST = """() => {
  const luminance = (text) => {
    const [r, g, b] = text.match(/[\\d.]+/g).map(Number).map((v) => v / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const opaque = (one) => {
    for (let at = one; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      if (!/, 0\\)$|transparent/.test(color)) return color;
    }
    return "rgb(255, 255, 255)";
  };
  return [...document.querySelectorAll("p, td, th, a, .tag, .dim, h1, h2, button, summary, li, dt, dd")]
    .filter((one) => one.checkVisibility() && one.textContent.trim())
    .map((one) => {
      const [a, b] = [luminance(getComputedStyle(one).color), luminance(opaque(one))].sort((x, y) => y - x);
      return [(a + 0.05) / (b + 0.05), one.className + ": " + one.textContent.trim().slice(0, 40)];
    })
    .filter(([ratio]) => ratio < 4.5);
}"""


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture
def served():
    with Served(WAITING, model("rent", conditions=stalled("RolledBack", "gate agreement failed"))) as started:
        yield started


@pytest.fixture
def opened(browser, served):
    """A page of a browser that has used the link; fails the test on any error in its console."""
    context = browser.new_context()
    page, errors = context.new_page(), []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(served.access.link)
    yield page
    context.close()
    assert [one for one in errors if "ERR_CONNECTION_REFUSED" not in one and "ERR_INCOMPLETE" not in one] == []


def test_the_overview_leads_to_a_model_and_loads_nothing_from_elsewhere(opened, served):
    seen = []
    opened.on("request", lambda request: seen.append(request.url))
    opened.reload()
    expect(opened.get_by_text("2 need a user")).to_be_visible()
    opened.get_by_role("link", name="categories").click()
    expect(opened.get_by_role("heading", level=1)).to_contain_text("categories")
    assert {url.split("/")[2] for url in seen} == {f"127.0.0.1:{served.port}"}
    assert served.access.link.partition("token=")[2] not in opened.url


def test_a_change_appears_without_a_reload_and_leaves_open_parts_open(opened, served):
    opened.goto(served.address + PAGE)
    opened.locator("#numbers-agreement summary").click()
    served.show(model(conditions=(condition("Paused", message="paused by jane"),), version="2"))
    expect(opened.get_by_text("paused by jane")).to_be_visible()
    assert opened.locator("#numbers-agreement").get_attribute("open") is not None


def test_what_is_being_typed_stays(opened, served):
    opened.goto(served.address)
    opened.get_by_role("searchbox").fill("cat")
    served.show(WAITING, model("new", version="2"))
    opened.wait_for_timeout(500)
    assert opened.get_by_role("searchbox").input_value() == "cat"
    opened.get_by_role("heading", level=1).click()
    expect(opened.get_by_role("link", name="new")).to_be_visible()


def test_an_approval_by_clicks(opened, served):
    opened.goto(served.address + PAGE)
    opened.get_by_role("link", name="Approve").click()
    expect(opened.get_by_text(f"{RUN} goes from 10 % to 50 % of users")).to_be_visible()
    assert served.cluster.written == []
    opened.get_by_label("Reason").fill("checked by hand")
    opened.get_by_role("button", name="Promote").click()
    expect(opened).to_have_url(re.compile(r"/models/shop/categories#requests$"))
    ((_, annotations, _),) = served.cluster.written
    assert annotations["request.serin.dev/promote"].endswith("by=jane@example.com checked by hand")


def test_an_abort_by_the_keyboard_alone(opened, served):
    opened.goto(served.address + PAGE)
    opened.keyboard.press("Tab")
    assert opened.evaluate("document.activeElement.textContent") == "Skip to content"
    for _ in range(12):
        if opened.evaluate("document.activeElement.id") == "action-abort":
            break
        opened.keyboard.press("Tab")
    opened.keyboard.press("Enter")
    opened.wait_for_url("**/actions/abort")
    opened.get_by_label("Reason").focus()
    opened.keyboard.type("odd numbers")
    opened.keyboard.press("Tab")
    opened.keyboard.press("Enter")
    opened.wait_for_url("**#requests")
    assert [list(annotations) for _, annotations, _ in served.cluster.written] == [["request.serin.dev/abort"]]


@pytest.mark.parametrize("width", [320, 390, 1280])
@pytest.mark.parametrize("path", ["/", PAGE, f"{PAGE}/actions/abort"])
def test_no_page_is_wider_than_the_screen(opened, served, path, width):
    opened.set_viewport_size({"width": width, "height": 800})
    opened.goto(served.address + path)
    assert opened.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/", PAGE, f"{PAGE}/actions/abort"])
def test_texts_have_enough_contrast(opened, served, path, scheme):
    opened.emulate_media(color_scheme=scheme)
    opened.goto(served.address + path)
    assert opened.evaluate(CONTRAST) == []


def test_light_and_dark_differ_and_paper_is_white_without_buttons(opened, served):
    opened.goto(served.address + PAGE)
    colors = []
    for media in ({"color_scheme": "light"}, {"color_scheme": "dark"}, {"color_scheme": "dark", "media": "print"}):
        opened.emulate_media(**media)
        colors.append(opened.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert colors[0] != colors[1]
    assert colors[2] == "rgb(255, 255, 255)"
    assert not opened.locator(".actions").is_visible()
    assert opened.locator("svg.chart").first.is_visible()


def test_every_picture_and_field_has_a_name(opened, served):
    opened.goto(served.address + PAGE)
    charts = opened.get_by_role("img").all()
    assert len(charts) >= 3
    assert all(
        "Last:" in one.get_attribute("aria-label") or "Wanted" in one.get_attribute("aria-label") for one in charts
    )
    opened.goto(f"{served.address}{PAGE}/actions/abort")
    expect(opened.get_by_label("Reason")).to_be_visible()


def test_without_scripts_the_page_is_whole(browser, served):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(served.access.link)
    page.goto(served.address + PAGE)
    for text in ("Path", "Gates in 10 %", "Share of users", "Pods", "The last trials side by side", "History"):
        expect(page.get_by_role("heading", name=text)).to_be_visible()
    page.get_by_role("link", name="Pause").click()
    page.get_by_role("button", name="Pause").click()
    assert len(served.cluster.written) == 1
    context.close()


def test_a_dashboard_that_ended_is_said(opened, served):
    opened.goto(served.address + PAGE)
    served.stop()
    expect(opened.get_by_text("The dashboard does not respond")).to_be_visible(timeout=15_000)
    expect(opened.get_by_role("heading", name="Path")).to_be_visible()


def test_the_login_of_a_proxy_does_not_take_the_place_of_a_page(opened, served):
    opened.goto(served.address + PAGE)
    title = opened.title()
    login = "<title>Sign in</title><main><form action='/oauth2/start'><button>Sign in</button></form></main>"
    opened.route(f"**{PAGE}", lambda route: route.fulfill(status=200, content_type="text/html", body=login))
    served.store.put(model(version="2"), at=NOW)
    expect(opened.get_by_text("The dashboard does not respond")).to_be_visible(timeout=15_000)
    expect(opened.get_by_role("heading", name="Path")).to_be_visible()
    assert opened.title() == title


def test_a_foreign_name_for_this_machine_gets_nothing(browser, served):
    context = browser.new_context()
    page = context.new_page()
    page.goto(served.access.link.replace("127.0.0.1", "evil.example"))
    expect(page.get_by_role("heading", name="Unknown host")).to_be_visible()
    page.goto(served.access.link)
    expect(page.get_by_role("heading", name="Rollouts")).to_be_visible()
    context.close()


def test_a_foreign_page_can_neither_frame_nor_post(browser, served):
    context = browser.new_context()
    page, target = context.new_page(), served.address + PAGE
    page.goto(served.access.link)
    body = (
        f'<iframe src="{target}"></iframe><form method="post" action="{target}/actions/abort">'
        '<input name="effect" value="x"></form>'
    )
    page.route("http://evil.example/**", lambda route: route.fulfill(content_type="text/html", body=body))
    page.goto("http://evil.example/")
    assert "categories" not in page.frames[1].locator("body").inner_text()
    page.evaluate("document.forms[0].submit()")
    expect(page.get_by_role("heading", name="Wrong origin")).to_be_visible()
    assert served.cluster.written == []
    context.close()
