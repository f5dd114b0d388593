"""`kubectl serin dashboard` in a real browser: a rollout is followed, approved and aborted, and no page is reloaded."""

import os
import re
import subprocess
from contextlib import contextmanager

import pytest
from dashboard.browser import chromium
from e2e.conftest import canary
from playwright.sync_api import expect

from serin_demo.commands import BIN

pytestmark = pytest.mark.cluster
SOON = 60_000
"""Milliseconds for a step of the operator on a busy machine."""


@contextmanager
def dashboard(rollout):
    """Run the command as a user does; yield the link that it prints."""
    command = [BIN / "kubectl-serin", "dashboard", "-n", rollout.namespace]
    environment = os.environ | {"KUBECONFIG": str(rollout.cluster.kubeconfig)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def test_a_rollout_is_followed_approved_and_aborted_by_clicks(rollout, registry):
    rollout.send(registry.traffic)
    with dashboard(rollout) as link, chromium() as browser:
        page = browser.new_page()
        page.set_default_timeout(SOON)
        page.goto(link)
        expect(page.get_by_text(f"There are no SuggestionModels in namespace {rollout.namespace}")).to_be_visible()
        page.evaluate("window.loaded = 'once'")
        rollout.apply(registry.good, canary=canary("1s", 10, 100) | {"approval": "Manual"})
        row = page.get_by_role("row", name=rollout.name)
        expect(row).to_contain_text("AwaitingApproval", timeout=2 * SOON)
        expect(row).to_contain_text("Needs a decision")
        assert page.evaluate("window.loaded") == "once"

        page.get_by_role("link", name=rollout.name).click()
        stage, gate = page.locator("li[aria-current=step]"), page.get_by_role("region", name="agreement")
        expect(stage).to_contain_text("shadow")
        expect(gate).to_contain_text("Pass")
        expect(gate.get_by_role("img")).to_have_attribute(
            "aria-label", re.compile(r"Last: \d.* in shadow, 95 % inter"), timeout=SOON
        )
        page.get_by_role("link", name="Approve").click()
        expect(page.get_by_text(f"{registry.good} goes from 0 % to 10 % of users")).to_be_visible()
        page.get_by_label("Reason").fill("looks fine")
        page.get_by_role("button", name="Promote").click()

        page.wait_for_url("**#requests")
        page.evaluate("window.loaded = 'once'")
        expect(page.locator("#requests")).to_contain_text("Done: Advanced from 0 % to 10 %", timeout=SOON)
        expect(stage).to_contain_text("10 %", timeout=SOON)
        expect(page.get_by_role("row", name="StepAdvanced")).to_contain_text("looks fine", timeout=SOON)
        assert page.evaluate("window.loaded") == "once"

        page.get_by_role("link", name="Abort").click()
        page.get_by_role("button", name="Abort").click()
        page.wait_for_url("**#requests")
        page.evaluate("window.loaded = 'once'")
        expect(page.get_by_text("the rollout ended here")).to_be_visible(timeout=SOON)
        expect(page.get_by_text("Needs a user")).to_be_visible(timeout=SOON)
        assert page.evaluate("window.loaded") == "once"
    status = rollout.wait_for_phase("RolledBack")
    assert [one["action"] for one in status["handledRequests"]] == ["promote", "abort"]
