"""What is shown about rows before a run learns them: zones that are assumed, labels that contradict each other."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from serin_training.data.rows import LabelledTransaction
from serin_training.errors import DataError


def check_categories(rows: Sequence[LabelledTransaction]) -> None:
    """Raise DataError if categories differ only by case or spaces: they would be learned as different classes."""
    alike: dict[str, Counter[str]] = defaultdict(Counter)
    for category, count in Counter(row.category for row in rows).items():
        alike["".join(category.split()).casefold()][category] += count
    found = [
        " and ".join(f"{category!r} ({count} rows)" for category, count in counts.most_common())
        for counts in alike.values()
        if len(counts) > 1
    ]
    if found:
        raise DataError(f"categories that differ only by case or spaces: {'; '.join(found)}; write them alike")


def assumed_zone(rows: Sequence[LabelledTransaction]) -> str:
    """Return how many times have no offset and how they are read; nothing if all have one."""
    naive = round(share_without_offset(rows) * len(rows))
    return f"{naive} of {len(rows)} timestamps have no offset and are read as UTC" if naive else ""


def described_rows(rows: Sequence[LabelledTransaction]) -> Iterator[str]:
    """Yield, without any text of a transaction, what is odd in rows."""
    if all(row.transaction.amount <= 0 for row in rows):
        yield "no amount is positive, so that all rows are refunds; for purchases give --map with purchases: negative"
    by_text: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for row in rows:
        by_text[row.transaction.merchant, row.transaction.description][row.category] += 1
    contradicting = [counts for counts in by_text.values() if len(counts) > 1]
    if contradicting:
        fewer = sum(counts.total() - max(counts.values()) for counts in contradicting)
        pairs = Counter(" / ".join(sorted(name for name, _ in counts.most_common(2))) for counts in contradicting)
        most = ", ".join(f"{pair} ({count})" for pair, count in pairs.most_common(3))
        yield (
            f"{fewer} of {len(rows)} labels contradict most rows of the same merchant and description; "
            f"categories of {len(contradicting)} such texts: {most}"
        )
    yield from _described_echo(rows)


def _described_echo(rows: Sequence[LabelledTransaction]) -> Iterator[str]:
    """Yield how many labels are accepted suggestions, and how often they contradict what users wrote for the same."""
    accepted = [row for row in rows if row.is_accepted]
    if not accepted:
        return
    written: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for row in rows:
        if not row.is_accepted:
            written[row.transaction.merchant, row.transaction.description][row.category] += 1
    compared = [row for row in accepted if (row.transaction.merchant, row.transaction.description) in written]
    most = {text: counts.most_common(1)[0][0] for text, counts in written.items()}
    contradict = sum(row.category != most[row.transaction.merchant, row.transaction.description] for row in compared)
    among = [counts for counts in written.values() if counts.total() > 1]
    total = sum(counts.total() for counts in among)
    themselves = sum(counts.total() - max(counts.values()) for counts in among)
    found = f"{len(accepted)} of {len(rows)} labels are accepted suggestions, which count less"
    if compared and total:
        found += (
            f"; of {len(compared)} for which users also wrote labels of the same merchant and description, "
            f"{contradict / len(compared):.1%} contradict most of these (written ones: {themselves / total:.1%})"
        )
    yield found


def share_without_offset(rows: Sequence[LabelledTransaction]) -> float:
    """Return the share of rows whose time has no UTC offset."""
    naive = sum(row.transaction.timestamp is not None and row.transaction.timestamp.tzinfo is None for row in rows)
    return naive / len(rows)


def zone_warning(of_run: float | None, rows: Sequence[LabelledTransaction]) -> str:
    """Return a warning if most times of a run's rows had no offset and most of these have one, or the reverse."""
    here = share_without_offset(rows)
    if of_run is None or (of_run > 0.5) == (here > 0.5):  # noqa: PLR2004 - most
        return ""
    runs, these = ("had no offset and were read as UTC", "have one") if of_run > here else ("had one", "have none")
    return (
        f"most timestamps that the run learned {runs}, most of these {these}: if the ones without were local times, "
        "hours and weekdays have moved; --zone names their zone"
    )
