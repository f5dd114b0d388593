"""Which column is which: by its name in the languages of banks, checked by its texts."""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from serin_core.model.values import MAX_CHARACTERS
from serin_training.data.data_map import CLOCK, CREDIT, DEBIT
from serin_training.errors import DataError
from serin_training.inspection.findings import Certainty, Finding
from serin_training.inspection.formats import is_amount, is_time

_MOST: Final = 0.8
_NAMES: Final[Mapping[str, str]] = {
    "timestamp": """timestamp time datetime date_time transaction_date transaction_time date booking_date booked_date
        posting_date posted_date started_date completed_date created created_on created_at value_date buchungstag
        buchungsdatum datum wertstellung valutadatum date_operation date_de_l_operation fecha fecha_operacion
        data data_operazione data_contabile boekdatum transactiedatum rentedatum bokforingsdag transaktionsdatum
        dato""",
    CLOCK: "time time_of_day clock uhrzeit hora heure",
    "amount": """amount transaction_amount value sum total betrag umsatz montant importe importo bedrag valor belopp
        belob kwota""",
    DEBIT: """debit debit_amount paid_out money_out outflow withdrawal withdrawals soll ausgaben debe cargo af uitgaven
        montant_debit addebiti""",
    CREDIT: """credit credit_amount paid_in money_in inflow deposit deposits haben einnahmen haber abono bij inkomsten
        montant_credit accrediti""",
    "category": """category categories label class category_name kategorie categorie categoria tag type_of_expense
        kategori kategoria""",
    "merchant": """merchant merchant_name payee payee_name counterparty counter_party partner_name name name_of_payee
        recipient beneficiary target_name beguenstigter_zahlungspflichtiger beguenstigter_auftraggeber
        zahlungsempfanger zahlungsempfaenger empfanger empfaenger name_zahlungsbeteiligter beneficiaire
        beneficiario naam_tegenpartij tegenpartij counterparty_name motpart""",
    "description": """description notes note memo comment original_description reference payment_reference
        transaction_description narrative details verwendungszweck buchungstext libelle concepto omschrijving
        mededelingen descrizione causale tekst text""",
    "channel": "channel transaction_type type payment_method transaktionstyp umsatzart tipo",
    "user_id": """user_id user customer customer_id client account_id account account_name kunde kundennummer konto
        kontonummer""",
    "txn_id": """txn_id transaction_id id fitid transaction_number transaktionsnummer transaktions_id tid guid
        unique_id""",
}
_BY_TARGET: Final = {target: [name.replace("_", "") for name in names.split()] for target, names in _NAMES.items()}
_CLOCK: Final = re.compile(r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2})?")
_SIGNS: Final = (
    *(("debit", "credit"), ("d", "c"), ("dr", "cr"), ("dbit", "crdt"), ("af", "bij"), ("s", "h"), ("soll", "haben")),
    *(("expense", "income"), ("out", "in")),
)
"""Texts of columns that say whether money was paid or received."""
_SHORTEST: Final = 5
"""Letters of a word that is found inside a longer name."""
Rows = Sequence[Sequence[str]]


def find_columns(name: str, header: Sequence[str], rows: Rows) -> tuple[Finding, ...]:
    """Return the column of each of Serin's columns that the file seems to have.

    Raises DataError if there is none for times, merchants or amounts.
    """
    texts = [[row[at].strip() for row in rows] for at in range(len(header))]
    found: dict[str, Finding] = {}
    taken: set[int] = set()
    for target in _NAMES:
        if target in {DEBIT, CREDIT} and "amount" in found:
            continue
        at, why, certainty = _by_name(target, header, texts, taken)
        if at is not None:
            taken.add(at)
            found[target] = Finding(f"columns.{target}", header[at], certainty, why)
    if DEBIT in found and CREDIT not in found:
        # One column of both: a debit is the amount.
        found["amount"] = Finding("columns.amount", found.pop(DEBIT).value, Certainty.LIKELY, "the only amounts")
    if CREDIT in found and DEBIT not in found:
        taken.discard(header.index(found.pop(CREDIT).value))
    _by_content(found, header, texts, taken)
    missing = [target for target in ("timestamp", "merchant") if target not in found]
    missing += [] if "amount" in found or DEBIT in found else ["amount"]
    if missing:
        shown = ", ".join(repr(one) for one in header[:20])
        raise DataError(
            f"{name}: no column looks like {' or '.join(missing)}; name it in a map (columns), if there is one; "
            f"found {shown}"
        )
    return tuple(found[target] for target in _NAMES if target in found)


def find_sign(header: Sequence[str], rows: Rows) -> Finding | None:
    """Return the column that says whether money was paid or received, None if there is none."""
    for at, name in enumerate(header):
        found = {row[at].strip().casefold() for row in rows}
        for purchase, refund in _SIGNS:
            if found == {purchase, refund}:
                value = {"column": name, "purchase": purchase, "refund": refund}
                return Finding("sign", value, Certainty.LIKELY, "its texts, and no amount is negative")
    return None


def _by_name(
    target: str, header: Sequence[str], texts: Sequence[Sequence[str]], taken: set[int]
) -> tuple[int | None, str, Certainty]:
    """Return the best free column by name, why, and how sure that is."""
    free = [at for at in range(len(header)) if at not in taken and _fits(target, texts[at])]
    words = _BY_TARGET[target]
    plain = {at: _plain(header[at]) for at in free}
    exact = sorted((at for at in free if plain[at] in words), key=lambda at: words.index(plain[at]))
    if exact:
        others = ", ".join(header[at] for at in exact[1:])
        why = "its name and texts" + (f"; {others} would fit, too" if others else "")
        return exact[0], why, Certainty.LIKELY if others else Certainty.SURE
    for word in words:
        for at in free:
            if len(word) >= _SHORTEST and word in plain[at]:
                return at, "a part of its name, and its texts", Certainty.LIKELY
    return None, "", Certainty.ASSUMED


def _by_content(
    found: dict[str, Finding], header: Sequence[str], texts: Sequence[Sequence[str]], taken: set[int]
) -> None:
    """Add columns for times, amounts and merchants that no name shows."""

    def add(target: str, choose: Callable[[Sequence[int]], int]) -> None:
        free = [at for at in range(len(header)) if at not in taken and header[at] and _fits(target, texts[at])]
        if free:
            at = choose(free)
            taken.add(at)
            found[target] = Finding(
                f"columns.{target}", header[at], Certainty.LIKELY, "its texts; its name does not say so"
            )

    if "timestamp" not in found:
        add("timestamp", lambda free: max(free, key=lambda at: (_share(texts[at], is_time), -at)))
    if "amount" not in found and DEBIT not in found:
        # A balance stands to the right of the amount, numbers without a decimal sign may be ids.
        add("amount", lambda free: max(free, key=lambda at: (_share(texts[at], _has_decimals), -at)))
    if "merchant" not in found and "description" in found:
        column = found.pop("description").value
        why = "no column of merchants; the description names them"
        found["merchant"] = Finding("columns.merchant", column, Certainty.LIKELY, why)
    elif "merchant" not in found:
        add("merchant", lambda free: max(free, key=lambda at: len(set(texts[at]))))


def _fits(target: str, texts: Sequence[str]) -> bool:
    """Return whether most texts of a column can be what a target needs."""
    given = [text for text in texts if text]
    share = _share(given, _LIKE[target]) if given else 0.0
    match target:
        case "txn_id":
            return len(given) == len(texts) and len(set(given)) == len(given)
        case "amount" | "debit" | "credit":
            return not given or share >= _MOST
        case "merchant":
            return share >= 1 - _MOST and _share(given, is_time) < _MOST
    return share >= _MOST


def _is_time_or_digits(text: str) -> bool:
    return is_time(text) or text.isdecimal()


def _is_like_amount(text: str) -> bool:
    """Return whether a text is an amount, or a mistyped one: reading the rows names its line."""
    return is_amount(text) or (sum(sign.isdecimal() for sign in text) > len(text) / 2 and not is_time(text))


def _has_word(text: str) -> bool:
    return re.search(r"[^\W\d_]{2}", text) is not None


def _has_decimals(text: str) -> bool:
    return is_amount(text) and not text.isdecimal()


def _share(texts: Sequence[str], is_right: Callable[[str], bool]) -> float:
    return sum(map(is_right, texts)) / len(texts) if texts else 0.0


def _plain(name: str) -> str:
    """Return a name without case, accents and signs."""
    parts = unicodedata.normalize("NFKD", name.casefold())
    return "".join(sign for sign in parts if sign.isalnum())


def _is_within(length: int, text: str) -> bool:
    return len(text) <= length


_LIKE: Final[Mapping[str, Callable[[str], bool]]] = {
    "timestamp": _is_time_or_digits,
    CLOCK: lambda text: _CLOCK.fullmatch(text) is not None,
    "amount": _is_like_amount,
    DEBIT: is_amount,
    CREDIT: is_amount,
    "merchant": _has_word,
    **{name: partial(_is_within, MAX_CHARACTERS[name]) for name in ("category", "description", "channel")},
    **{name: partial(_is_within, MAX_CHARACTERS[name]) for name in ("user_id", "txn_id")},
}
"""What most texts of a column must be."""
