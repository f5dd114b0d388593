"""No output of a test has a secret: tests plant these words, and what they print, log or respond is searched.

pytest captures what the test and its child processes write to stdout, stderr and the log. A test that writes to files
or reads responses searches them itself, with `assert_no_secret`.
"""

import pytest

_FAILED = pytest.StashKey[bool]()
PLANTED = ("topsecret", "s3cr3t")
"""A word of these is in the tokens, passwords and keys that tests use, and in nothing that may be shown."""


def assert_no_secret(text, where):
    found = [line for line in text.splitlines() if any(word in line for word in PLANTED)]
    assert not found, f"{where} shows a secret: {found[0][:300]}"


def shown_in(report):
    """Return the first captured output of a test that has a secret, "" without one."""
    for name, text in report.sections:
        try:
            assert_no_secret(text, name)
        except AssertionError as error:
            return str(error)
    return ""


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        item.stash[_FAILED] = True  # what is shown of it is for whoever mends it
    if (
        report.when == "teardown"
        and not item.stash.get(_FAILED, False)
        and report.passed
        and (problem := shown_in(report))
    ):
        report.outcome, report.longrepr = "failed", f"{item.nodeid}: {problem}"
