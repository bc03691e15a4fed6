"""Select utterances by what their corpus says of them: speaker, gender, dialect, ...; no torch here."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sercl.corpora.base import Listing, Utterance
from sercl.corpora.cells import is_missing, key_of, text_of, whole_number
from sercl.corpora.languages import UnknownLanguageError, to_language
from sercl.corpora.normal_form import to_gender
from sercl.counting import count
from sercl.errors import UsageError, near_names, same_name

COLUMNS = ("speaker", "gender", "dialect", "language", "session", "split", "corpus")
"""What can be known of the utterances of any corpus; a corpus may have more in `Utterance.extra`."""

STANDARD = "standard"
"""A word for the dialect of utterances without one."""

UNKNOWN = "unknown"
"""The word for a missing value in messages."""

_NOT = "!"
_MOST = 12

Value = str | int | float | bool | None
Where = dict[str, Value | list[Value]]
"""Column -> the value that utterances must have; a list of values; null or "unknown" for those without one;
"!x" for all but x, or a list of those."""


def columns_of(utterances: Iterable[Utterance]) -> dict[str, Counter[str | None]]:
    """Return column -> value -> number of utterances, of all columns in which a value is known."""
    items = list(utterances)
    names = [*COLUMNS, *sorted({key for item in items for key in item.extra} - set(COLUMNS))]
    found = {name: Counter(item.value(name) for item in items) for name in names}
    return {name: counts for name, counts in found.items() if set(counts) - {None}}


@dataclass(frozen=True)
class Selection:
    """Conditions on utterances, all of which must hold.

    Attributes:
        accepted: Column -> values that are accepted, None for an unknown one.
        words: The conditions in words: "dialect bavarian; gender not male".
    """

    accepted: Mapping[str, frozenset[str | None]]
    words: str

    def holds(self, utterance: Utterance) -> bool:
        """Whether an utterance meets all conditions."""
        return all(utterance.value(column) in values for column, values in self.accepted.items())

    def split(self, utterances: Iterable[Utterance]) -> tuple[list[Utterance], list[Utterance]]:
        """Return the utterances that meet all conditions, and the others, in their order."""
        kept: list[Utterance] = []
        left_out: list[Utterance] = []
        for item in utterances:
            (kept if self.holds(item) else left_out).append(item)
        return kept, left_out

    def narrow(self, listing: Listing, corpus: str) -> Listing:
        """Return a listing without the utterances that do not meet the conditions, and count these.

        Raises:
            UsageError: If none is left.
        """
        kept, left_out = self.split(listing.utterances)
        if not kept:
            raise UsageError(
                f"where: none of the {count(len(left_out), 'utterance')} of {corpus} meets all conditions "
                f"({self.words})."
            )
        note = f"{len(kept):,} of {len(listing.utterances):,} utterances selected ({self.words})"
        return replace(
            listing,
            utterances=tuple(kept),
            notes=(note, *listing.notes),
            not_selected=listing.not_selected + len(left_out),
        )


def select(
    utterances: Sequence[Utterance], where: Mapping[str, object]
) -> tuple[list[Utterance], list[Utterance]]:
    """Return the utterances that meet all conditions, and the others, in their order.

    Args:
        utterances: The utterances.
        where: The conditions, as `Where`.

    Raises:
        UsageError: As `selection_of`.
    """
    return selection_of(utterances, where).split(utterances)


def selection_of(
    utterances: Sequence[Utterance], where: Mapping[str, object], whose: str = "the corpus"
) -> Selection:
    """Return conditions with the values that utterances have.

    A value is compared without regard to case; common words for genders and languages are understood.

    Args:
        utterances: Utterances of one corpus or several; each value must occur among them.
        where: The conditions, as `Where`.
        whose: What messages call the utterances' corpus.

    Raises:
        UsageError: For a column that these utterances do not have, a value that none has, or a condition that
            is not valid; the message names the valid ones.
    """
    check_where(where)
    columns = columns_of(utterances)
    accepted: dict[str, frozenset[str | None]] = {}
    for column, given in where.items():
        own = same_name(str(column), columns)  # `--data.where.my-room` arrives as my_room
        if own is None:
            raise _unknown_column(str(column), columns, whose)
        values = _accepted(own, _listed(given), columns[own], whose)
        accepted[own] = accepted.get(own, values) & values
    return Selection(accepted, in_words(where))


def check_where(where: Mapping[str, object]) -> None:
    """Raise `UsageError` for conditions that cannot be valid for any utterances."""
    for column, given in where.items():
        values = _listed(given)
        if not values:
            raise UsageError(f"where.{column}: an empty list selects nothing. Give a value, or leave it out.")
        if wrong := [value for value in values if not isinstance(value, Value)]:
            raise UsageError(f"where.{column}: {wrong[0]!r} is not valid. Valid: a value, or a list of them.")
        if len({_excludes(value) for value in values}) > 1:
            raise UsageError(
                f"where.{column}: values and exclusions (!value) cannot be combined: give the values alone."
            )


def in_words(where: Mapping[str, object]) -> str:
    """Return conditions in words: "dialect bavarian; gender not male"."""
    return "; ".join(f"{column} {_in_words(_listed(given))}" for column, given in where.items())


def _in_words(values: Sequence[object]) -> str:
    names = " or ".join(UNKNOWN if is_missing(name) else name for name in map(_name, values))
    return f"not {names}" if _excludes(values[0]) else names


def _listed(given: object) -> list[object]:
    return list(given) if isinstance(given, list | tuple) else [given]


def _excludes(value: object) -> bool:
    return isinstance(value, str) and value.startswith(_NOT)


def _name(value: object) -> str:
    """Return a value as text, without the mark of an exclusion."""
    return UNKNOWN if value is None else text_of(value).removeprefix(_NOT).strip()


def _accepted(
    column: str, values: Sequence[object], counts: Counter[str | None], whose: str
) -> frozenset[str | None]:
    named: set[str | None] = set()
    for value in values:
        matching = _matching(column, _name(value), counts)
        if not matching:
            raise _unknown_value(column, value, counts, whose)
        named |= matching
    return frozenset(set(counts) - named if _excludes(values[0]) else named)


def _matching(column: str, name: str, counts: Counter[str | None]) -> set[str | None]:
    """Return the values of a column that a name denotes."""
    known = [value for value in counts if value is not None]
    readings: tuple[set[str | None], ...] = (
        {value for value in known if value == name},
        {value for value in known if key_of(value) == key_of(whole_number(name))},
        {value for value in known if value == _synonym(column, name)},
        {value for value in counts if value is None and _means_unknown(column, name)},
    )
    return next((found for found in readings if found), set())


def _synonym(column: str, name: str) -> str | None:
    """Return the normal form of a word for a gender or a language."""
    try:
        return {"gender": to_gender, "language": to_language}[column](name)
    except (KeyError, UnknownLanguageError):
        return None


def _means_unknown(column: str, name: str) -> bool:
    return is_missing(name) or (column == "dialect" and key_of(name) == STANDARD)


def _unknown_column(column: str, columns: Mapping[str, Counter[str | None]], whose: str) -> UsageError:
    named = [f"{name} ({count(len(set(counts) - {None}), 'value')})" for name, counts in columns.items()]
    what = f"no {column} is known in {whose}" if column in COLUMNS else f"{whose} has no such column"
    return UsageError(f"where.{column}: {what}.{_guess(column, columns)} Valid: {', '.join(named)}.")


def _unknown_value(column: str, value: object, counts: Counter[str | None], whose: str) -> UsageError:
    name = _name(value)
    named = [f"{known or UNKNOWN} ({number})" for known, number in counts.most_common()]
    more = f" and {len(named) - _MOST} more" if len(named) > _MOST else ""
    return UsageError(
        f"where.{column}: no utterance of {whose} has {name!r}.{_guess(name, filter(None, counts))} "
        f"Valid: {', '.join(named[:_MOST])}{more}.{_spelling(value)}"
    )


def _spelling(value: object) -> str:
    """Return how to write a value that YAML may have read as something else."""
    if isinstance(value, str):
        return " Several values are a list: ['a', 'b'], or ['!a', '!b']." if "," in value else ""
    return " Quote what YAML reads as a number or as true or false: '03', 'yes'."


def _guess(name: str, valid: Iterable[str]) -> str:
    near = near_names(name, list(valid))
    return f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
