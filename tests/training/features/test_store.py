"""Features: the same counts however rows are cut, and a folder that follows its sources."""

import json
import os
from collections import defaultdict

import numpy as np
import pyarrow.parquet as pq
import pytest
from training.conftest import write_csv
from typer.testing import CliRunner

from serin_core.model.encoder import blocks
from serin_training.commands.main import app
from serin_training.data.reading import open_source
from serin_training.errors import DataError
from serin_training.features import store
from serin_training.features.store import FeatureStore, Update
from serin_training.features.table import rows_of, to_table, words_of
from serin_training.features.words import Words, merge
from serin_training.synthetic.generator import generate


def users_by_word(corpus):
    counted = corpus.users_by_word(np.arange(len(corpus)))
    return dict(zip(corpus.words, counted.tolist(), strict=True))


def corpus_of(rows, *, part):
    transactions = [row.transaction for row in rows]
    parts = [Words.of(transactions[start : start + part]) for start in range(0, len(rows), part)]
    return merge(parts, [one.user_id for one in transactions])


def test_counts_are_those_of_a_plain_count_however_the_rows_are_cut(few_rows):
    users = defaultdict(set)
    for row in few_rows:
        for words in blocks(row.transaction):
            for word in words:
                users[word].add(row.transaction.user_id)
    plain = {word: len(who) for word, who in users.items()}
    assert users_by_word(corpus_of(few_rows, part=len(few_rows))) == plain
    assert users_by_word(corpus_of(few_rows, part=7)) == plain


def test_a_table_gives_back_its_rows_and_their_words(few_rows, tmp_path):
    rows = few_rows[:300]
    pq.write_table(to_table(rows), tmp_path / "part.parquet")
    table = pq.read_table(tmp_path / "part.parquet")
    assert rows_of(table) == rows
    found, wanted = words_of(table), Words.of([row.transaction for row in rows])
    assert [found.vocabulary[at] for at in found.places] == [wanted.vocabulary[at] for at in wanted.places]
    assert (found.sizes == wanted.sizes).all()


@pytest.fixture
def made():
    return list(generate(rows=600, seed=8))


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(store, "CHUNK", 100)


def update(folder, *paths):
    return FeatureStore(folder).update([open_source(path) for path in paths])


def touch(path):
    # Files of one size that were written in the same tick would look alike.
    os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns + 1_000_000))


def test_a_second_time_on_unchanged_data_nothing_is_done(made, tmp_path, small_chunks):
    source, folder = write_csv(tmp_path / "a.csv", made), tmp_path / "features"
    assert update(folder, source) == Update(new=600, rows=600)
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert update(folder, source) == Update(rows=600)
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_only_what_is_new_or_has_changed_is_looked_up(made, tmp_path, small_chunks):
    source, folder = write_csv(tmp_path / "a.csv", made[:500]), tmp_path / "features"
    update(folder, source)
    changed = [
        made[0].__class__(**{**{name: getattr(one, name) for name in one.__dataclass_fields__}, "category": "Fuel"})
        for one in made[10:13]
    ]
    touch(write_csv(source, [*made[:10], *changed, *made[20:600]]))
    relabelled = sum(one.category != "Fuel" for one in made[10:13])
    assert update(folder, source) == Update(new=100, changed=relabelled, gone=7, rows=593)
    rows, corpus = FeatureStore(folder).load()
    from_source = FeatureStore(tmp_path / "again")
    from_source.update([open_source(source)])
    wanted, wanted_corpus = from_source.load()
    assert rows == wanted
    assert users_by_word(corpus) | users_by_word(wanted_corpus) == users_by_word(corpus)
    assert {word: many for word, many in users_by_word(corpus).items() if many} == users_by_word(wanted_corpus)


def test_a_crash_in_mid_update_leaves_the_old_state(made, tmp_path, small_chunks, monkeypatch):
    source, folder = write_csv(tmp_path / "a.csv", made[:300]), tmp_path / "features"
    update(folder, source)
    before, _ = FeatureStore(folder).load()
    touch(write_csv(source, made))
    fine = os.fsync
    calls = iter(range(100))

    def full(descriptor):
        if next(calls) == 2:
            raise OSError(28, "No space left on device")
        fine(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        update(folder, source)
    assert FeatureStore(folder).load()[0] == before
    assert update(folder, source) == Update(new=300, rows=600)


def test_a_source_that_turned_bad_leaves_the_features(made, tmp_path, small_chunks):
    source, folder = write_csv(tmp_path / "a.csv", made), tmp_path / "features"
    update(folder, source)
    touch(write_csv(source, [*made, made[5]]))
    with pytest.raises(DataError, match="duplicate txn_id, first seen on line 7"):
        update(folder, source)
    assert len(FeatureStore(folder).load()[0]) == 600


def test_a_folder_that_is_damaged_says_what_to_do(made, tmp_path):
    source, folder = write_csv(tmp_path / "a.csv", made), tmp_path / "features"
    update(folder, source)
    next(folder.glob("part-*")).write_bytes(b"nonsense")
    with pytest.raises(DataError, match="remove the folder and run `serin features` again"):
        FeatureStore(folder).load()
    (folder / "index.json").write_text("{}")
    with pytest.raises(DataError, match="remove the folder and run `serin features` again"):
        FeatureStore(folder).load()


def test_training_on_kept_features_gives_the_same_run_as_on_the_file(few, tmp_path):
    folder = tmp_path / "features"
    run = CliRunner().invoke
    told = run(app, ["features", "--data", str(few), "--out", str(folder)])
    assert told.exit_code == 0
    assert "2000 new" in told.stderr
    again = run(app, ["features", "--data", str(few), "--out", str(folder)])
    assert "nothing has changed" in again.stderr
    one, other = (json.loads(run(app, ["train", "--data", str(data), "-o", "json"]).stdout) for data in (few, folder))
    for report in (one, other):
        del report["run_id"], report["run_directory"], report["created_at"]
    assert one == other


@pytest.mark.parametrize("data", [("features", "few.csv"), ("empty",)])
def test_a_folder_that_is_none_or_stands_beside_others_is_refused(few, tmp_path, data, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    CliRunner().invoke(app, ["features", "--data", str(few), "--out", "features"])
    arguments = [part for one in data for part in ("--data", one)]
    result = CliRunner().invoke(app, ["train", *arguments])
    assert result.exit_code == 2
    assert ("cannot be combined" in result.stderr) or ("without features" in result.stderr)
