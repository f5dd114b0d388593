"""Reading labelled transactions: every source gives the same rows, and says what is wrong in one line."""

import asyncio
import csv
import sqlite3
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from urllib.parse import quote

import asyncpg
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.sparse import csr_matrix
from typer.testing import CliRunner

from serin_core.model.features import Transaction
from serin_training.commands import export
from serin_training.commands.main import app
from serin_training.data.described_rows import described_rows
from serin_training.data.reading import open_source, read_transactions, stream_rows
from serin_training.data.rows import Label, LabelledTransaction, LabelOrigin, best_label
from serin_training.errors import DataError
from serin_training.features.store import FeatureStore, Update
from serin_training.linear import ACCEPTED, training_set_of

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HEADER = "txn_id,user_id,timestamp,merchant,description,amount,channel,category\n"


def columns_of(path):
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: [row[name] for row in rows] for name in rows[0]}


def as_parquet(columns, path, **changes):
    pq.write_table(pa.table(columns | {"amount": [float(one) for one in columns["amount"]]} | changes), path)
    return path


def test_a_parquet_file_gives_the_same_rows_as_the_csv(few, few_rows, tmp_path):
    assert read_transactions(as_parquet(columns_of(few), tmp_path / "few.parquet")) == few_rows


def test_parquets_own_types_are_read_too(few, few_rows, tmp_path):
    columns = columns_of(few)
    path = as_parquet(
        columns,
        tmp_path / "typed.parquet",
        timestamp=pa.array([datetime.fromisoformat(one) for one in columns["timestamp"]], pa.timestamp("us", "UTC")),
        amount=pa.array([Decimal(one) for one in columns["amount"]], pa.decimal128(12, 2)),
        merchant=pa.array(columns["merchant"]).dictionary_encode(),
    )
    assert read_transactions(path) == few_rows


def test_a_day_without_time_is_midnight_in_utc(tmp_path):
    columns = {
        name: [text]
        for name, text in zip(HEADER.strip().split(","), ["1", "u", "-", "Cafe", "", "1", "pos", "Dining"], strict=True)
    }
    path = as_parquet(columns, tmp_path / "day.parquet", timestamp=pa.array([date(2026, 1, 31)]))
    assert read_transactions(path)[0].at == datetime(2026, 1, 31, tzinfo=UTC)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"amount": pa.array(["1"])}, "column amount is of type string; a number is required"),
        ({"merchant": pa.array([["a"]])}, "column merchant is of type list"),
        ({"timestamp": pa.array([1.5])}, "column timestamp is of type double; a timestamp, a date or text is required"),
        ({"amount": pa.array([float("nan")])}, "row 1: amount nan is not a number"),
        ({"txn_id": pa.array([None], pa.string())}, "row 1: txn_id is empty"),
    ],
)
def test_a_parquet_schema_that_does_not_fit_is_named_column_by_column(tmp_path, changes, complaint):
    columns = dict(
        zip(HEADER.strip().split(","), (["1"], ["u"], ["2026-01-01"], ["A"], [""], ["1"], ["pos"], ["X"]), strict=True)
    )
    with pytest.raises(DataError, match=complaint):
        read_transactions(as_parquet(columns, tmp_path / "bad.parquet", **changes))


def test_what_is_no_parquet_file_is_said_to_be_none(tmp_path):
    path = tmp_path / "text.parquet"
    path.write_text(HEADER)
    with pytest.raises(DataError, match="not a Parquet file"):
        read_transactions(path)


def row(**changes):
    made = {
        "txn_id": "1",
        "user_id": "u",
        "timestamp": "2026-01-01",
        "merchant": "Cafe",
        "description": "",
        "amount": "1",
        "channel": "pos",
        "category": "Dining",
    }
    return HEADER + ",".join((made | changes).values()) + "\n"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (row(merchant="x" * 100_000), "line 2: merchant has 100000 characters; at most 256"),
        (row(merchant="x" * 10_000_000), "not valid CSV (field larger than field limit"),
        (row(amount="inf"), "amount 'inf' is not a number"),
        (row(amount="NaN"), "amount 'NaN' is not a number"),
        (row(timestamp="0001-01-01"), "is out of range (1970 to 2099)"),
        (row(timestamp="2199-01-01"), "is out of range"),
        (row(timestamp="0001-01-01T00:00:00+23:00"), "is out of range"),
        (row(txn_id=""), "txn_id is empty"),
    ],
    ids=["long", "10 MB", "inf", "nan", "year 1", "year 2199", "before time", "no id"],
)
def test_a_record_that_cannot_be_is_refused_with_its_line(tmp_path, content, complaint):
    path = tmp_path / "bad.csv"
    path.write_text(content)
    with pytest.raises(DataError) as caught:
        read_transactions(path)
    assert complaint in str(caught.value)
    assert len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)


def test_encodings_that_change_in_mid_file_are_refused_near_their_line(tmp_path):
    path = tmp_path / "mixed.csv"
    path.write_bytes(row().encode() + "2,u,2026-01-01,Café,,1,pos,Dining\n".encode("latin-1"))
    with pytest.raises(DataError, match="0xe9 near line"):
        read_transactions(path)


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        ("mysql://host/db", "mysql:// is not known"),
        ("sqlite:///nowhere.sqlite", "there is no such file"),
        (
            "postgresql://me:secret@127.0.0.1:1/db",
            r"^postgresql://127.0.0.1:1/db: cannot connect to the database: ConnectionRefusedError$",
        ),
        ("postgresql://host/db#a;drop table b", "what follows the # is not the name of a table"),
    ],
)
def test_a_source_that_cannot_be_opened_is_named_without_its_password(data, complaint):
    with pytest.raises(DataError, match=complaint):
        read_transactions(data)


def test_words_of_ones_own_count_before_an_accepted_suggestion_and_the_latest_of_a_kind():
    accepted = Label("Travel", NOON + timedelta(days=9), LabelOrigin.ACCEPTED)
    stated, corrected = Label("Dining", NOON), Label("Groceries", NOON + timedelta(days=1))
    assert best_label(accepted, stated) == stated
    assert best_label(corrected, accepted, stated) == corrected
    assert best_label() is None


STORED = [
    Transaction("t1", "CAFE ONE", amount=3.5, channel="pos", user_id="u1", timestamp=NOON),
    Transaction("t2", "SHOP TWO", amount=9.0, channel="online", user_id="u2", timestamp=NOON),
    Transaction("t3", "NOBODY SAID", amount=1.0, channel="pos", user_id="u3", timestamp=NOON),
]
MILLISECONDS = int(NOON.timestamp() * 1000)
FEEDBACK = [
    # identity, txn, said at, answered at, run, stage, arm, suggested, outcome, label
    (b"1", "t1", MILLISECONDS, MILLISECONDS, "r", 1, "canary", "Dining", "accepted", ""),
    (b"2", "t2", MILLISECONDS, MILLISECONDS, "r", 1, "canary", "Dining", "rejected", "Shopping"),
    (b"3", "t2", MILLISECONDS + 5, MILLISECONDS, "r", 1, "canary", "Travel", "accepted", ""),
    (b"4", "t3", MILLISECONDS, MILLISECONDS, "r", 1, "canary", "Travel", "rejected", ""),
    (b"5", "f1", MILLISECONDS, MILLISECONDS, "r", 1, "canary", "Travel", "rejected", "Health"),
]


def stored(one):
    return (one.txn_id, one.user_id, one.timestamp.isoformat(), one.merchant, one.description, one.amount, one.channel)


@pytest.fixture
def sqlite_store(tmp_path):
    path = tmp_path / "store.sqlite3"
    with sqlite3.connect(path) as connection:
        connection.executescript(
            """
            CREATE TABLE transactions (txn_id TEXT PRIMARY KEY, user_id TEXT, at TEXT, merchant TEXT, description TEXT,
                amount REAL, channel TEXT);
            CREATE TABLE feedback (identity BLOB PRIMARY KEY, txn_id TEXT, at INTEGER, answered_at INTEGER, run_id TEXT,
                stage INTEGER, arm TEXT, suggested TEXT, outcome TEXT, label TEXT);
            """
        )
        connection.executemany("INSERT INTO transactions VALUES (?,?,?,?,?,?,?)", map(stored, STORED))
        connection.executemany("INSERT INTO feedback VALUES (?,?,?,?,?,?,?,?,?,?)", FEEDBACK)
    connection.close()
    return f"sqlite:///{path}"


def test_the_label_that_a_server_writes_for_an_accepted_suggestion_is_no_choice_of_the_users_own(sqlite_store):
    with sqlite3.connect(sqlite_store.removeprefix("sqlite:///")) as connection:
        as_server = (b"6", "t2", MILLISECONDS + 9, MILLISECONDS, "r", 1, "canary", "Travel", "accepted", "Travel")
        connection.execute("INSERT INTO feedback VALUES (?,?,?,?,?,?,?,?,?,?)", as_server)
    connection.close()
    rows = {one.transaction.txn_id: one for one in read_transactions(sqlite_store)}
    assert rows["t2"].category == "Shopping", "the correction counts, though it is older"
    assert [rows[name].is_accepted for name in ("t1", "t2")] == [True, False]


def test_a_store_is_exported_to_a_file_with_the_same_labels_and_their_origin(sqlite_store, tmp_path):
    out = tmp_path / "served.csv"
    given = ["--data", sqlite_store, "--out", str(out)]
    done = CliRunner().invoke(export.app, given)
    assert (done.exit_code, done.stdout) == (0, ""), done.output
    assert f"wrote {out}: 3 transactions, 2 with a label" in done.stderr
    assert read_transactions(out) == read_transactions(sqlite_store)
    assert {row.transaction.txn_id: row.category for row in stream_rows([open_source(out)])}["t3"] is None
    before = out.read_text()
    again = CliRunner().invoke(export.app, given)
    assert (again.exit_code, "the file exists; name another one" in again.stderr) == (2, True)
    assert out.read_text() == before


def test_an_export_without_transactions_writes_nothing(sqlite_store, tmp_path):
    done = CliRunner().invoke(
        export.app, ["--data", sqlite_store, "--out", str(tmp_path / "x"), "--since", "2099-01-01"]
    )
    assert (done.exit_code, "no transactions since 2099-01-01" in done.stderr) == (2, True)
    assert not [path for path in tmp_path.iterdir() if "x" in path.name.split(".")]


def labelled(txn_id, category, *, is_accepted):
    transaction = Transaction(txn_id, "SHOP", amount=1.0, channel="", user_id="u", timestamp=NOON)
    return LabelledTransaction(transaction, NOON, category, is_accepted=is_accepted)


def test_accepted_suggestions_are_compared_with_what_users_wrote():
    written = [labelled(f"w{at}", "Dining", is_accepted=False) for at in range(3)]
    accepted = [labelled(f"a{at}", label, is_accepted=True) for at, label in enumerate(["Dining", "Travel"] * 2)]
    *_, line = described_rows([*written, *accepted])
    assert line.startswith("4 of 7 labels are accepted suggestions, which count less; of 4 for which users also wrote")
    assert line.endswith("50.0% contradict most of these (written ones: 0.0%)")
    assert list(described_rows(written)) == []


def test_an_accepted_suggestion_weighs_less_than_a_label_that_a_user_wrote():
    rows = [labelled("1", "Dining", is_accepted=False), labelled("2", "Dining", is_accepted=True)]
    found = training_set_of(rows, csr_matrix((2, 1)), np.zeros(2, dtype=np.int64), classes=1).weights()
    assert found[1] == pytest.approx(ACCEPTED * found[0])


def test_a_servers_store_is_labelled_by_its_feedback(sqlite_store):
    found = {one.transaction.txn_id: one.category for one in read_transactions(sqlite_store)}
    assert found == {"t1": "Dining", "t2": "Shopping"}


def test_a_rejection_without_a_label_says_what_is_wrong_and_labels_nothing(sqlite_store):
    found = {row.transaction.txn_id: row.label for row in stream_rows([open_source(sqlite_store)])}
    assert found == {
        "t1": Label("Dining", NOON, LabelOrigin.ACCEPTED),
        "t2": Label("Shopping", NOON),
        "t3": Label("Travel", NOON, LabelOrigin.REJECTED),
    }


def test_feedback_labels_the_transactions_of_another_source_too(sqlite_store, tmp_path):
    path = tmp_path / "bank.csv"
    path.write_text(row(txn_id="f1", category="") + row(txn_id="t1", category="Travel").splitlines()[1] + "\n")
    found = {one.transaction.txn_id: one for one in read_transactions([str(path), sqlite_store])}
    assert {txn_id: one.category for txn_id, one in found.items()} == {"f1": "Health", "t1": "Travel", "t2": "Shopping"}
    assert found["t1"].transaction.merchant == "Cafe", "the first source tells what it was"


def test_a_stored_transaction_that_was_sent_again_is_looked_up_anew(sqlite_store, tmp_path):
    features = FeatureStore(tmp_path / "features")
    assert features.update([open_source(sqlite_store)]) == Update(new=2, rows=2)
    assert features.update([open_source(sqlite_store)]) == Update(rows=2)
    with sqlite3.connect(sqlite_store.removeprefix("sqlite:///")) as connection:
        connection.execute("UPDATE transactions SET merchant = 'CAFE THREE' WHERE txn_id = 't1'")
    connection.close()
    assert features.update([open_source(sqlite_store)]) == Update(changed=1, rows=2)


def test_a_database_without_a_store_asks_for_a_table(tmp_path):
    sqlite3.connect(tmp_path / "empty.sqlite3").close()
    (tmp_path / "empty.sqlite3").touch()
    with pytest.raises(DataError, match="add #TABLE to read a table"):
        read_transactions(f"sqlite:///{tmp_path}/empty.sqlite3")


def test_a_table_of_sqlite_gives_the_same_rows_as_the_csv(few, few_rows, tmp_path):
    columns = columns_of(few)
    with sqlite3.connect(tmp_path / "bank.sqlite3") as connection:
        connection.execute(f"CREATE TABLE paid ({', '.join(columns)})")
        connection.executemany("INSERT INTO paid VALUES (?,?,?,?,?,?,?,?)", zip(*columns.values(), strict=True))
    connection.close()
    assert read_transactions(f"sqlite:///{tmp_path}/bank.sqlite3#paid") == few_rows


def fill_table(postgres, columns):
    async def fill():
        connection = await asyncpg.connect(postgres)
        await connection.execute(
            "DROP TABLE IF EXISTS paid; CREATE TABLE paid (txn_id text, user_id text, timestamp timestamptz, "
            "merchant text, description text, amount numeric, channel text, category text)"
        )
        typed = columns | {
            "timestamp": [datetime.fromisoformat(one) for one in columns["timestamp"]],
            "amount": [Decimal(one) for one in columns["amount"]],
        }
        await connection.copy_records_to_table("paid", records=list(zip(*typed.values(), strict=True)))
        await connection.close()

    asyncio.run(fill())


@pytest.mark.postgres
def test_a_table_of_postgres_gives_the_same_rows_as_the_csv(few, few_rows, postgres):
    fill_table(postgres, columns_of(few))
    assert read_transactions(f"{postgres}#public.paid") == few_rows
    with pytest.raises(DataError, match="there is no such table"):
        read_transactions(f"{postgres}#missing")


@pytest.mark.postgres
def test_what_a_command_that_succeeds_prints_and_writes_holds_no_password(few, postgres, tmp_path):
    fill_table(postgres, columns_of(few))
    data = postgres.replace("postgres:@", f"postgres:{quote('top#/@トップs3cr3t', safe='')}@") + "#public.paid"
    assert "s3cr3t" in data
    page, out = tmp_path / "page.html", tmp_path / "features"
    for arguments in (
        ["features", "--data", data, "--out", str(out)],
        ["features", "--data", data, "--out", str(out)],
        ["train", "--data", data, "--registry", str(tmp_path / "registry"), "--page", str(page)],
    ):
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.output
        assert "s3cr3t" not in result.output
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or b"s3cr3t" not in path.read_bytes()


@pytest.mark.postgres
def test_a_servers_store_in_postgres_is_labelled_by_its_feedback(postgres):
    async def fill():
        connection = await asyncpg.connect(postgres)
        await connection.execute(
            """
            DROP TABLE IF EXISTS serin_transactions, serin_feedback;
            CREATE TABLE serin_transactions (txn_id text PRIMARY KEY, user_id text, at text, merchant text,
                description text, amount double precision, channel text);
            CREATE TABLE serin_feedback (uid text, identity bytea, txn_id text, at bigint, answered_at bigint,
                run_id text, stage bigint, arm text, suggested text, outcome text, label text);
            """
        )
        await connection.copy_records_to_table("serin_transactions", records=list(map(stored, STORED)))
        await connection.copy_records_to_table("serin_feedback", records=[("uid", *one) for one in FEEDBACK])
        await connection.close()

    asyncio.run(fill())
    found = {one.transaction.txn_id: one.category for one in read_transactions(postgres)}
    assert found == {"t1": "Dining", "t2": "Shopping"}
