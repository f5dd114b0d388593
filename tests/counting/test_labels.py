"""Scrapes that overwrite or drop labels: what a gate reads is counted exactly, or the label is named; never wrongly."""

from contextlib import contextmanager

import pytest
from counting.conftest import BACKEND, PROCESSES
from counting.exporter import PLACES, Exporter
from counting.looking import Rollout
from counting.processes import Server, truth

from serin_core.counting.reading import Unreadable

TWO = PLACES[:2]
WITHOUT_REASONS = {"perClass": {}}
"""All gates but fallback, which is the only one that reads the label reason."""


@pytest.fixture(scope="module")
def exporter():
    """An exporter that only the backends of this module scrape: tests wait for their scrapes."""
    made = Exporter()
    yield made
    made.close()


@pytest.fixture
def scraped(program, exporter, pods, uid, tmp_path):
    """Two pods, scraped by a backend of its own with some target labels and rules."""

    @contextmanager
    def scraping(*, labels=None, relabel=(), percent=10.0, gates=WITHOUT_REASONS):
        targets = [
            (exporter.address, {"pod": place, "__metrics_path__": f"/{place}"} | (labels or {})) for place in TWO
        ]
        made = PROCESSES[BACKEND](program, tmp_path / "backend", targets=targets, relabel=relabel)
        exporter.scraper = made
        rollout, servers = Rollout(made.url, uid, percent=percent, gates=gates), [Server(uid, place) for place in TWO]
        for number, server in enumerate(servers):
            server.answer(40 + 60 * number)
            pods[server.process] = server.text
        exporter.scraped(*TWO, times=3)
        try:
            yield rollout, servers
        finally:
            made.close()

    return scraping


COMPANY = {"stage": "production", "class": "gold", "arm": "east", "reason": "audit", "source": "vm", "run_id": "ci-7"}


@pytest.mark.parametrize("percent", [0.0, 10.0], ids=["in shadow", "in the canary"])
def test_target_labels_of_a_company_change_no_count(scraped, percent):
    with scraped(labels=COMPANY, percent=percent) as (rollout, servers):
        assert rollout.counts(rollout.look()) == rollout.wanted(truth(servers, canary=percent > 0))


@pytest.mark.parametrize(
    ("labels", "relabel", "named"),
    [
        ({}, "{action: labeldrop, regex: serin_process}", "drops the label serin_process"),
        ({}, "{action: labeldrop, regex: serin_(arm|pod)}", "drops the label serin_arm"),
        ({}, "{action: labeldrop, regex: agree}", "drops the label agree"),
        ({}, "{action: labeldrop, regex: serin_stage}", "drops the label serin_stage"),
        ({}, '{target_label: available, replacement: "True"}', 'overwrites the label available with "True"'),
        ({"serin_stage": "production"}, "", 'overwrites the label serin_stage with "production"'),
        ({"outcome": "accepted"}, "", 'overwrites the label outcome with "accepted"'),
        ({"serin_class": "gold"}, "", 'overwrites the label serin_class with "gold"'),
    ],
)
def test_a_label_that_gates_read_is_named_and_nothing_is_counted(scraped, labels, relabel, named):
    with scraped(labels=labels, relabel=filter(None, [relabel])) as (rollout, _servers):
        found = rollout.look()
        assert isinstance(found, Unreadable)
        assert (found.reason, named in found.message) == ("LabelsChanged", True), found


def test_a_label_that_no_gate_reads_holds_nothing(scraped):
    rules = ["{action: labeldrop, regex: reason|source|serin_pod|serin_model}"]
    with scraped(relabel=rules) as (rollout, servers):
        assert rollout.counts(rollout.look()) == rollout.wanted(truth(servers, canary=True))


def test_only_the_fallback_gate_reads_the_reasons_of_fallbacks(scraped):
    with scraped(labels={"reason": "audit"}, gates={"fallback": {}}) as (rollout, _servers):
        found = rollout.look()
        assert isinstance(found, Unreadable)
        assert 'overwrites the label reason with "audit"' in found.message
