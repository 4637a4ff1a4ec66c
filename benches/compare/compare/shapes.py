"""The questions that are asked of documents of other shapes (docs/shapes.md), made from the paths that they ask for.

The same forms of question for every shape: what is compared is how the documents look. Polars and VARIANT are not asked.
"""

from dataclasses import dataclass

from compare.engines import Query

FAMILIES = ("sessionlake", "duckdb", "chdb-text", "chdb-json")


@dataclass
class Path:
    """A path below `data`, and what is read there: text, integer, number or boolean."""

    keys: str
    kind: str

    def sql(self, family: str) -> str:
        """Returns how an engine reads it; NULL where another kind of value stands there."""
        return {
            "sessionlake": self._ours,
            "duckdb": self._duckdb,
            "chdb-text": self._chdb_text,
            "chdb-json": self._chdb_json,
        }[family]()

    def _ours(self) -> str:
        function = {"text": "str", "integer": "int", "number": "float", "boolean": "bool"}[self.kind]
        keys = ", ".join(f"'{key}'" for key in self.keys.split("."))
        return f"json_get_{function}(data, {keys})"

    def _duckdb(self) -> str:
        text = f"try(data->>'$.{self.keys}')"
        types = f"try(json_type(data, '$.{self.keys}'))"
        return {
            "text": f"case when {types} = 'VARCHAR' then {text} end",
            "integer": f"case when {types} in ('UBIGINT', 'BIGINT') then {text}::bigint end",
            "number": f"case when {types} in ('UBIGINT', 'BIGINT', 'DOUBLE') then {text}::double end",
            "boolean": f"{text} = 'true'",
        }[self.kind]

    def _chdb_text(self) -> str:
        keys = ", ".join(f"'{key}'" for key in self.keys.split("."))
        document = "ifNull(data, '')"
        if self.kind == "text":
            return f"if(JSONType({document}, {keys}) = 'String', JSONExtract({document}, {keys}, 'Nullable(String)'), null)"
        kind = {"integer": "Int64", "number": "Float64", "boolean": "Bool"}[self.kind]
        return f"JSONExtract({document}, {keys}, 'Nullable({kind})')"

    def _chdb_json(self) -> str:
        path = f"data.{self.keys}"
        return {
            "text": f"{path}.:String",
            "integer": f"{path}.:Int64",
            "number": f"coalesce({path}.:Float64, toFloat64({path}.:Int64))",
            "boolean": f"{path}.:Bool",
        }[self.kind]


def _group(name: str, question: str, by: Path) -> Query:
    return _query(
        name, question, 1, lambda f: f"select {by.sql(f)} as value, count(*) as sessions from workflow_sessions group by 1"
    )


def _sum(name: str, question: str, of: Path) -> Query:
    return _query(
        name, question, 1,
        lambda f: f"select count(v) as sessions, sum(v) as total from (select {of.sql(f)} as v from workflow_sessions)",
    )  # fmt: skip


def _mean(name: str, question: str, of: Path, by: Path, where: Path) -> Query:
    return _query(
        name, question, 3,
        lambda f: f"select {by.sql(f)} as value, avg({of.sql(f)}) as mean from workflow_sessions where {where.sql(f)} group by 1",
    )  # fmt: skip


def _distinct(name: str, question: str, of: Path) -> Query:
    started = {"chdb-text": "toDate(started_at, 'UTC')", "chdb-json": "toDate(started_at, 'UTC')"}
    count = {"chdb-text": "uniqExact({})", "chdb-json": "uniqExact({})"}
    return _query(
        name, question, 1,
        lambda f: f"select {started.get(f, 'started_at::date')} as day, "
        f"{count.get(f, 'count(distinct {})').format(of.sql(f))} as callers from workflow_sessions group by 1",
    )  # fmt: skip


def _query(name: str, question: str, paths: int, text) -> Query:
    return Query(name, question, "json", paths, 9, {family: text(family) for family in FAMILIES})


def _deep(first: str, key: str, levels: int) -> str:
    return ".".join([first, *[key] * levels])


def queries(shape: str) -> list[Query]:
    """Returns the questions about a shape."""
    text, integer, number, boolean = (
        lambda keys, kind=kind: Path(keys, kind) for kind in ("text", "integer", "number", "boolean")
    )
    found = {
        "wide": [
            _group("rare_text", "a text of one session in a hundred", text("variables.k005")),
            _group("text", "a text of one session in ten", text("variables.k254")),
            _sum("integer", "a number of one session in ten", integer("variables.k251")),
            _mean("three", "a number by a text where a flag is set", number("variables.k498"), text("region"), boolean("flag")),
        ],
        "late": [
            _group("usual", "a text of all sessions", text("always")),
            _group("seldom", "a text of one session in twenty thousand", text("seldom")),
            _group("some_days", "a text that began in the middle", text("new_since_may.reason")),
            _sum("mixed", "an amount that is a number of either kind, or text", number("amount")),
            _sum("changed", "a number that was text for a day", integer("priority")),
            _sum("one_day", "a number of one day", integer("once_a_year.code")),
            _mean("three", "ages by tier where a flag is set, which is a text now and then",
                  number("customer.age"), text("customer.tier"), boolean("flag")),
        ],
        "deep": [
            _sum("integer", "a number eight levels down", integer(_deep("path", "next", 8) + ".code")),
            _group("text", "a text eight levels down", text(_deep("path", "next", 8) + ".text")),
            _sum("mixed", "numbers among texts, of one session in three", integer(_deep("state.of.of", "left", 5))),
            _group("rare", "a text of one session in twenty", text(_deep("other.of.of", "b", 5))),
        ],
        "arrays": [
            _group("beside", "a text beside the arrays", text("queue")),
            _query("elements", "the types of elements", 1, lambda f: {
                "sessionlake": "select json_get_str(event, 'type') as type, count(*) as events from "
                "(select unnest(json_get_array(data, 'events')) as event from workflow_sessions) group by 1",
                "duckdb": "select type, count(*) as events from (select unnest(try(json_extract_string(data, "
                "'$.events[*].type'))) as type from workflow_sessions) group by 1",
                "chdb-text": "select type, count(*) as events from (select arrayJoin(JSONExtract(ifNull(data, ''), "
                "'Tuple(events Array(Tuple(type String)))').events.type) as type from workflow_sessions) group by 1",
                "chdb-json": "select type, count(*) as events from (select arrayJoin(data.events[].type.:String) as type "
                "from workflow_sessions) group by 1",
            }[f]),
        ],
        "ids": [
            _distinct("emails", "different e-mail addresses a day", text("customer.email")),
            _group("tier", "a text of four values", text("customer.tier")),
            _sum("number", "a number of six digits", integer("customer.number")),
            _sum("wait", "a small number", integer("wait")),
        ],
        "large": [
            _group("hot", "a short text beside a long one", text("hot")),
            _mean("three", "a number by a text where a flag is set", number("turns"), text("hot"), boolean("handled")),
        ],
        "broken": [
            _group("channel", "a text at the begin", text("channel")),
            _sum("amount", "a number towards the end", number("variables.amount")),
            _mean("three", "a number by a text where a flag is set",
                  number("variables.amount"), text("variables.tier"), boolean("variables.paid")),
        ],
        "tenants": [
            _group("status", "a text of one tenant, and other types of others", text("status")),
            _sum("amount", "a number of two tenants, text of another", number("amount")),
            _group("inside", "a text inside what is text and an array elsewhere", text("meta.source")),
            _mean("three", "numbers of one tenant where a flag of it is set", number("id"), text("meta.source"), boolean("status")),
        ],
    }  # fmt: skip
    if shape not in found:
        raise SystemExit(f"there are no questions about the shape {shape}; there are about {', '.join(sorted(found))}")
    return found[shape]
