"""Selectors of custom gates: what Prometheus 3 takes, what it does not, and what is read from one."""

import pytest
from pydantic import TypeAdapter, ValidationError

from serin_core.api.selectors import Selector, name_and_matchers, with_matchers

SELECTOR = TypeAdapter(Selector)
ACCEPTED = [
    ("shop_orders_total", "shop_orders_total", ""),
    ("shop:orders:total{}", "shop:orders:total", ""),
    ('shop_orders_total{code="200"}', "shop_orders_total", 'code="200"'),
    ("shop_orders_total{ code = '200', }", "shop_orders_total", "code = '200'"),
    ('shop_orders_total{path="/users/{id}"}', "shop_orders_total", 'path="/users/{id}"'),
    (r'shop_orders_total{path=~"/users/\\{.+\\}",x="\"}"}', "shop_orders_total", r'path=~"/users/\\{.+\\}",x="\"}"'),
    ("shop_orders_total{path=`{`}", "shop_orders_total", "path=`{`"),
    ('shop_orders_total{"service.name"="shop"}', "shop_orders_total", '"service.name"="shop"'),
    ('{"http.server.requests"}', "http.server.requests", ""),
    ('{"http.server.requests",code="200"}', "http.server.requests", 'code="200"'),
    ('{ "Zahl der Käufe" , code="200", }', "Zahl der Käufe", 'code="200"'),
    ('{\'http.server.requests\',"service.name"!="a,b"}', "http.server.requests", '"service.name"!="a,b"'),
]
REFUSED = [
    "",
    "http.server.requests",
    '{code="200"}',
    '{__name__="http.server.requests"}',
    '{""}',
    '{"a\\"b"}',
    "sum(shop_orders_total)",
    "shop_orders_total[5m]",
    "shop_orders_total offset 5m",
    "shop_orders_total{code='200'} or vector(0)",
    'shop_orders_total{code="200"}{code="500"}',
    'shop_orders_total{path="/users/{id}}',
    "shop_orders_total\n",
    'shop_orders_total{{code="200"}}',
    '{"a"} or {"b"}',
]


@pytest.mark.parametrize(("selector", "name", "matchers"), ACCEPTED)
def test_a_selector_is_a_name_and_matchers(selector, name, matchers):
    assert SELECTOR.validate_python(selector) == selector
    assert name_and_matchers(selector) == (name, matchers)
    assert name_and_matchers(with_matchers(name, matchers)) == (name, matchers)


@pytest.mark.parametrize("selector", REFUSED)
def test_what_is_no_selector_is_refused_with_examples(selector):
    with pytest.raises(ValidationError) as raised:
        SELECTOR.validate_python(selector)
    if selector:
        assert '{"http.server.requests",code="200"}' in str(raised.value)


def test_a_name_is_quoted_only_where_it_must_be():
    assert with_matchers("a", "", "") == "a"
    assert with_matchers("a", 'x="1"', 'y="2"') == 'a{x="1",y="2"}'
    assert with_matchers("a.b", 'x="1"') == '{"a.b",x="1"}'
