"""No part of an address that may be secret is ever shown, and what may be shown is."""

import logging
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from serin_core.contract.addresses import WithoutSecrets, display_address, without_secrets

HARD = (
    *("topsecret", "top#secret", "top/secret", "top[secret", "top]secret", "top@secret", "top%secret", "top%23secret"),
    *("top?secret", "top:secret", "top&secret=x", "top secret", "topsécret", "トップsecret", "top\\secret"),
    *("12/34@56?78#90", "a://b", "@", "p@:1/x"),
)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://svc:topsecret@db.example:5432/ledger#labelled", "postgresql://db.example:5432/ledger#labelled"),
        ("postgresql://svc@db.example/ledger#schema.table", "postgresql://db.example/ledger#schema.table"),
        ("postgresql://svc:topsecret@one:1,two:2/ledger?sslmode=require#t", "postgresql://one:1,two:2/ledger#t"),
        ("postgresql://postgres:@/postgres?host=/tmp/socket#t", "postgresql:///postgres#t"),
        ("postgresql://svc:topsecret@[::1]:5432/ledger", "postgresql://[::1]:5432/ledger"),
        ("postgresql://host/ledger?password=top#secret", "postgresql://host/ledger"),
        ("postgresql://svc:top#secret@host/ledger", "postgresql://(hidden)"),
        ("postgresql://svc:top/secret@host/ledger", "postgresql://(hidden)"),
        ("postgresql://svc:topsecret", "postgresql://(hidden)"),
        ("https://:topsecret@host/models", "https://host/models"),
        ("https://token@host/models?sig=x#y", "https://host/models"),
        ("https://host/models;password=x", "https://host/models"),
        ("https://host/password=x", "https://host/(hidden)"),
        ("http://127.0.0.1:9090", "http://127.0.0.1:9090"),
        ("s3://bucket/models/eu", "s3://bucket/models/eu"),
        ("s3://", "s3://"),
        ("file:///mnt/a@b", "file:///mnt/a@b"),
        ("sqlite:////var/serin.sqlite3#labelled", "sqlite:////var/serin.sqlite3#labelled"),
        ("git@host:team/models.git", "host:team/models.git"),
        ("svc:topsecret@host/ledger", "(hidden)"),
        ("//svc:topsecret@host/ledger", "//host/ledger"),
        ("host=db user=svc password=topsecret", "(hidden)"),
        ("host=db sslpassword = 'top secret'", "(hidden)"),
        ("/data/2025@night/export.csv", "/data/2025@night/export.csv"),
        ("data/key=1/part.parquet", "data/key=1/part.parquet"),
        ("", ""),
    ],
)
def test_scheme_host_and_own_name_are_shown_and_nothing_else(address, shown):
    assert display_address(address) == shown


def forms(password):
    return {password, quote(password, safe="")}


ADDRESSES = (
    "postgresql://svc:{}@host/base",
    "postgresql://:{}@host:5432/base#labels",
    "postgresql://{}@host/base",
    "postgresql://host/base?user=svc&password={}",
    "postgresql://svc:x@host/base?sslpassword={}#labels",
    "https://me:{}@host/models",
    "https://host/models?token={}",
    "s3://key:{}@bucket/models",
    "svc:{}@host/base",
    "host=db password={}",
    "host=db password='{}' dbname=base",
    "ssh://me:{}@host/base.git",
)


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("hard", HARD)
def test_no_hard_password_is_shown_in_any_place(address, hard):
    for password in forms(hard):
        assert password not in display_address(address.format(password)).replace("://", "").replace("@", "")
        assert len(hard) == 1 or "secret" not in display_address(address.format(password))


WORD = "Zq9xW"
"""Is in no part of an address but the password."""


@given(st.text(max_size=12), st.text(max_size=12), st.sampled_from(ADDRESSES), st.sampled_from(["raw", "encoded"]))
@example("", "", ADDRESSES[0], "raw")
@example("a?password=", "@h", ADDRESSES[0], "raw")
def test_a_word_in_a_password_is_never_shown(before, behind, address, form):
    password = f"{before}{WORD}{behind}"
    given_address = address.format(password if form == "raw" else quote(password, safe=""))
    assert WORD not in display_address(given_address)
    message = f"cannot open '{given_address}', {given_address}: password {password} was refused"
    assert WORD not in without_secrets(message, given_address)


@given(st.text())
def test_any_text_can_be_shown(text):
    display_address(text)
    without_secrets(text, text)


@pytest.mark.parametrize("hard", [one for one in HARD if len(one) > 1])
def test_a_text_of_another_program_is_left_without_the_password(hard):
    for password in forms(hard):
        address = f"https://me:{password}@host/models"
        text = f"fatal: unable to access '{address}/': user me, password {hard}, or {quote(hard)}"
        assert hard not in without_secrets(text, address)
        assert quote(hard) not in without_secrets(text, address)


def test_log_lines_of_libraries_are_left_without_the_password(caplog):
    logger = logging.getLogger("a library")
    logger.addFilter(WithoutSecrets("http://me:topsecret@host/v1"))
    with caplog.at_level(logging.INFO):
        logger.info("retrying %s", "http://me:topsecret@host/v1")
        logger.info("100 %")
    assert [record.getMessage() for record in caplog.records] == ["retrying http://host/v1", "100 %"]
