"""Brings the answers of engines into one form and compares them."""

import json
import math
import re

INSTANT = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d:\d\d)(\.\d+)?(?:Z|\+00:00)?)?")
SHOWN_ROWS = 3
# Rows are put in order by so many digits, so that what differs in the last ones stands at the same place.
ORDERING_DIGITS = 5

Row = tuple[str | float, ...]


def normal(answer: dict) -> list[Row]:
    """Returns the rows in an order of their own: instants in UTC, documents as what they mean, all but floats as text."""
    rows = (tuple(_cell(value) for value in row) for row in answer["rows"])
    return sorted(rows, key=lambda row: _text(row, ORDERING_DIGITS))


def differences(answers: dict[str, dict], ours: str, digits: int) -> dict[str, list[str]]:
    """Returns, for each engine that answers otherwise than `ours`, how: how many rows, and the first of those.

    Floats are the same that agree to so many digits.
    """
    if ours not in answers:
        return {}
    expected = normal(answers[ours])
    found = {}
    for engine, answer in answers.items():
        rows = normal(answer)
        if len(rows) != len(expected):
            there, here = ({_text(row, digits) for row in part} for part in (rows, expected))
            lines = [f"{len(rows)} rows, ours {len(expected)}"]
            lines += [f"theirs {text}" for text in sorted(there - here)[:SHOWN_ROWS]]
            lines += [f"ours   {text}" for text in sorted(here - there)[:SHOWN_ROWS]]
            found[engine] = lines
        elif other := [pair for pair in zip(rows, expected) if not _same(*pair, digits)]:
            shown = other[:SHOWN_ROWS]
            found[engine] = [f"theirs {_text(row, 17)}; ours {_text(own, 17)}" for row, own in shown]
    return found


def _same(row: Row, own: Row, digits: int) -> bool:
    return len(row) == len(own) and all(_same_cell(*pair, digits) for pair in zip(row, own))


def _same_cell(left: str | float, right: str | float, digits: int) -> bool:
    if isinstance(left, str) and isinstance(right, str):
        return left == right
    try:
        # A sum may come out whole in one engine and a hair beside in another.
        return math.isclose(float(left), float(right), rel_tol=10.0**-digits)
    except ValueError:
        return False


def _text(row: Row, digits: int) -> str:
    return " | ".join(format(cell, f".{digits}g") if isinstance(cell, float) else cell for cell in row)


def _cell(value) -> str | float:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        # An engine's whole number may be another's float.
        return str(int(value)) if value == int(value) else value
    if isinstance(value, dict | list):
        return json.dumps(_without_nothing(value), sort_keys=True, ensure_ascii=False)
    if match := INSTANT.fullmatch(value):
        day, clock, fraction = match.groups()
        fraction = (fraction or "").rstrip("0").rstrip(".")
        # A date is its midnight.
        return day if clock in (None, "00:00:00") and not fraction else f"{day}T{clock}{fraction}"
    if value.startswith("{"):
        try:
            return _cell(json.loads(value))
        except ValueError:
            pass
    return value


def _without_nothing(value):
    """Drops nulls and what is empty: the JSON type of ClickHouse keeps neither."""
    if isinstance(value, list):
        return [_without_nothing(part) for part in value]
    if isinstance(value, dict):
        parts = {name: _without_nothing(part) for name, part in value.items()}
        return {name: part for name, part in parts.items() if part not in (None, {}, [])}
    return value
