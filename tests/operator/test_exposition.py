"""The text of the series of all resources: as prometheus_client writes it, and made again only where it changed."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.parser import text_string_to_metric_families

from serin_operator.exposition import Series, SeriesText

GATES = Series("x_gate", ("gate", "verdict"), "Gates.", lambda seen: [((gate, "Pass"), value) for gate, value in seen])
COUNTS = Series("x_seen_total", (), "Number.", lambda seen: [((), float(len(seen)))], is_counter=True)
LABELS = ("namespace", "name", "serin_model")


class Reference:
    """The same series by prometheus_client."""

    def __init__(self, seen):
        self._seen = seen

    def collect(self):
        gates = GaugeMetricFamily("x_gate", "Gates.", labels=[*LABELS, "gate", "verdict"])
        counts = CounterMetricFamily("x_seen_total", "Number.", labels=LABELS)
        for (namespace, name), seen in self._seen.items():
            resource = (namespace, name, f"{namespace}/{name}")
            for gate, value in seen:
                gates.add_metric([*resource, gate, "Pass"], value)
            counts.add_metric(resource, float(len(seen)))
        yield from (gates, counts)


def parsed(text):
    """Return what Prometheus reads: type, help and samples of each family."""
    return {
        (family.name, family.type, family.documentation): sorted(
            # -0.0 is the same number as 0.0, and NaN is not equal to itself.
            (sample.name, sorted(sample.labels.items()), repr(sample.value + 0.0))
            for sample in family.samples
        )
        for family in text_string_to_metric_families(text)
    }


@given(
    st.dictionaries(
        st.tuples(st.sampled_from(["default", "b"]), st.sampled_from(["m", "m.2"])),
        st.lists(
            st.tuples(
                st.text(alphabet='ab"\\\n', max_size=4),
                st.floats(width=64) | st.sampled_from([0.0, 1.0, -0.0, math.nan, math.inf, 1e7, 1767225600.5]),
            ),
            max_size=3,
            unique_by=lambda one: one[0],
        ),
    )
)
def test_the_text_is_that_of_prometheus_client(seen):
    registry = CollectorRegistry()
    registry.register(Reference(seen))
    text = SeriesText((GATES, COUNTS), seen).text()
    assert parsed(text) == parsed(generate_latest(registry).decode())


def counted(calls):
    """Return a series that remembers for what its values were asked."""

    def values(seen):
        calls.append(seen)
        return [((), float(len(seen)))]

    return Series("x", (), "Number.", values)


def test_only_the_text_of_a_resource_that_changed_is_made_again():
    calls, seen = [], {("n", "a"): "1", ("n", "b"): "22"}
    text = SeriesText((counted(calls),), seen)
    first = text.text()
    assert text.text() == first
    assert calls == ["1", "22"]
    seen["n", "b"] = "333"
    text.changed(("n", "b"))
    assert text.text() == first.replace("2.0", "3.0")
    assert calls == ["1", "22", "333"]


@pytest.mark.parametrize("is_there_again", [False, True])
def test_a_resource_that_is_gone_has_no_series(is_there_again):
    seen = {("n", "a"): "1", ("n", "b"): "22"}
    text = SeriesText((COUNTS,), seen)
    assert 'name="b"' in text.text()
    del seen["n", "b"]
    text.changed(("n", "b"))
    if is_there_again:
        seen["n", "b"] = "333"
    assert ('x_seen_total{namespace="n",name="b",serin_model="n/b"} 3.0' in text.text()) is is_there_again
    assert ('name="b"' in text.text()) is is_there_again


def test_resources_may_come_and_go_while_the_text_is_made():
    seen = {("n", "a"): "1", ("n", "b"): "22", ("n", "c"): "333"}
    text = SeriesText((COUNTS,), seen)
    update = text.update()
    next(update)
    del seen["n", "b"]
    seen["n", "d"] = "4444"
    assert len(list(update)) == 1
    assert 'name="b"' not in text.text()
    assert 'name="d"' in text.text()
