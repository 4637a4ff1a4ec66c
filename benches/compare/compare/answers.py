"""Brings the answers of engines into one form and compares them."""

import json
import re

INSTANT = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d:\d\d)(\.\d+)?(?:Z|\+00:00)?)?")
SHOWN_ROWS = 3


def normal(answer: dict, digits: int) -> list[tuple[str, ...]]:
    """Returns the rows as texts in an order of their own.

    Floats have so many digits, instants are in UTC, documents are what they mean.
    """
    return sorted(tuple(_cell(value, digits) for value in row) for row in answer["rows"])


def _cell(value, digits: int) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value) if isinstance(value, int) else format(value, f".{digits}g")
    if isinstance(value, dict | list):
        return json.dumps(_without_nothing(value), sort_keys=True, ensure_ascii=False)
    if match := INSTANT.fullmatch(value):
        day, clock, fraction = match.groups()
        fraction = (fraction or "").rstrip("0").rstrip(".")
        # A date is its midnight.
        return day if clock in (None, "00:00:00") and not fraction else f"{day}T{clock}{fraction}"
    if value.startswith("{"):
        try:
            return _cell(json.loads(value), digits)
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


def differences(answers: dict[str, dict], ours: str, digits: int) -> dict[str, list[str]]:
    """Returns, for each engine that answers otherwise than `ours`, how: how many rows, and the first of those."""
    if ours not in answers:
        return {}
    expected = normal(answers[ours], digits)
    found = {}
    for engine, answer in answers.items():
        rows = normal(answer, digits)
        if rows == expected:
            continue
        lines = [f"{len(rows)} rows, ours {len(expected)}"] if len(rows) != len(expected) else []
        here, there = set(rows), set(expected)
        lines += [f"theirs {' | '.join(row)}" for row in rows if row not in there][:SHOWN_ROWS]
        lines += [f"ours   {' | '.join(row)}" for row in expected if row not in here][:SHOWN_ROWS]
        found[engine] = lines
    return found
