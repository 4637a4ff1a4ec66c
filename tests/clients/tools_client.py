"""What tools that are not to be had ask (tools.sql): one line a statement, with its rows, as text and as binary values."""

import decimal
import pathlib
import re
import sys

import psycopg


def statements():
    """Yields what each statement is, and the statement."""
    text = (pathlib.Path(__file__).parent / "tools.sql").read_text(encoding="utf-8")
    for found in re.finditer(r"^-- (\w+: .*)\n((?:(?!--).*\n)+)", text, flags=re.M):
        if found.group(2).strip():
            yield found.group(1), found.group(2).strip().rstrip(";")


def plain(value):
    """Writes a value so that numbers of any type compare: PostgreSQL has numeric where the lake has double precision."""
    if isinstance(value, (int, float, decimal.Decimal)) and not isinstance(value, bool):
        return f"{float(value):.9g}"
    return value.isoformat() if hasattr(value, "isoformat") else value


def main(url):
    with psycopg.connect(url, autocommit=True) as connection:
        for what, statement in statements():
            for way, binary in [("", False), (" binary", True)]:
                try:
                    rows = connection.execute(statement, binary=binary).fetchall()
                    print(f"{what}{way}\t{[tuple(plain(value) for value in row) for row in rows]}")
                except psycopg.Error as error:
                    print(f"{what}{way}\tfailed: {error.sqlstate} {' / '.join(str(error).splitlines()[:2])}")


if __name__ == "__main__":
    main(sys.argv[1])
