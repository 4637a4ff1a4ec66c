"""What a user who sees masked values, or some workflows alone, is told: over each protocol, the answer to a question must be the one that a PostgreSQL
gives which has nothing but the rows that this user sees.

usage: masked_client.py PORTS USER PASSWORD YARDSTICK. The ports are `pg,flight,http`; the yardstick is the address of a database with these rows, or `-`.
"""

import datetime
import json
import sys
import urllib.request
import warnings

import adbc_driver_flightsql.dbapi as adbc
import psycopg

from facts import fact, refused

# Filters, joins, sorts, groups, casts and JSON over columns that are masked, and over those that are not.
QUESTIONS = [
    "select * from workflow_sessions order by session_id",
    "select count(*), count(source_details_phone_number), count(distinct source_details_phone_number), min(source_details_phone_number), max(source_details) from workflow_sessions",
    "select source_details_phone_number, count(*) from workflow_sessions group by 1 order by 2 desc, 1",
    "select count(*) from workflow_sessions where source_details_phone_number like '+1%'",
    "select count(*) from workflow_sessions where source_details_phone_number ~ '[0-9]{7}' or data ~ '[a-z]+@[a-z]+[.]'",
    "select session_id from workflow_sessions where source_details_phone_number > '[phone ··4' order by source_details_phone_number desc, session_id limit 20",
    "select length(data), md5(data), substring(data, 1, 40), upper(right(data, 20)) from workflow_sessions order by session_id",
    "select data::json->'details'->>'firstName' as f, data::json->'details'->>'email' as e, count(*) from workflow_sessions where data like '{%' group by 1, 2 order by 3 desc, 1, 2",
    "select source_details::json->>'phoneNumber' as p, count(*) from workflow_sessions where source_details like '{%' group by 1 order by 2 desc, 1",
    "select count(*) from workflow_sessions a join workflow_sessions b on a.source_details_phone_number = b.source_details_phone_number and a.session_id < b.session_id",
    "select count(*) from workflow_sessions where source_details_phone_number in (select source_details_phone_number from ended_sessions where time_in_workflow > 100)",
    "select session_id, row_number() over (partition by source_details_phone_number order by started_at, session_id) as n from workflow_sessions order by session_id",
    "select case when source_details_phone_number like '%1%' then 'with' when source_details_phone_number is null then 'none' else 'without' end as k, count(*) from workflow_sessions group by 1 order by 1",
    "select workflow_id, communication_type, count(*), min(started_at), max(ended_at) from workflow_sessions group by 1, 2 order by 1, 2",
    'select "Source Details - Phone Number", count(*) from "Workflow Sessions" group by 1 order by 2 desc, 1',
    "select count(*) from active_sessions union all select count(*) from ended_sessions order by 1",
    "select string_agg(source_details_phone_number, ',' order by session_id) from workflow_sessions",
    "with s as (select session_id, source_details_phone_number as p from workflow_sessions) select p, count(*) from s where p is not null group by p having count(*) > 1 order by 2 desc, 1",
    "select coalesce(nullif(source_details_phone_number, '[phone]'), 'none') as p, count(*) from workflow_sessions group by 1 order by 2, 1",
]
# What tells of more than the user may see.
NOT_FOR_THEM = [
    "select count(*) from quarantine", "select count(*) from stored_sessions", "select count(*) from lake_history", "select count(*) from lake_files", "select count(*) from lake_json_paths",
    "select count(*) from session_changes(1, 1)",
    "explain select * from workflow_sessions", "explain analyze select * from workflow_sessions",
    "select source_details_phone_number::bigint from workflow_sessions where source_details_phone_number is not null",
]


def plain(value):
    if isinstance(value, str):
        # HTTP writes instants as texts.
        try:
            return datetime.datetime.fromisoformat(value) if len(value) > 19 and value[4] == "-" and value[10] == "T" else value
        except ValueError:
            return value
    return round(float(value), 6) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def rows(found):
    return [tuple(plain(value) for value in row) for row in found]


def main(ports, user, password, yardstick):
    warnings.simplefilter("ignore")
    pg, grpc, http = ports.split(",")
    connection = psycopg.connect(host="127.0.0.1", port=pg, dbname="sessionlake", user=user, password=password, autocommit=True)
    arrow = adbc.connect(f"grpc://127.0.0.1:{grpc}", db_kwargs={"username": user, "password": password}, autocommit=True)
    expected = psycopg.connect(yardstick, autocommit=True) if yardstick != "-" else None
    opener = urllib.request.build_opener()
    request = urllib.request.Request(f"http://127.0.0.1:{http}/v1/login", json.dumps({"user": user, "password": password}).encode(), {"Content-Type": "application/json"})
    token = json.load(opener.open(request, timeout=30))["token"]

    def over_http(sql):
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        with opener.open(urllib.request.Request(f"http://127.0.0.1:{http}/v1/sql", json.dumps({"sql": sql}).encode(), headers), timeout=60) as answer:
            return json.load(answer)["rows"]

    def over_flight(sql):
        with arrow.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()

    def over_cursor(sql):
        with connection.transaction(), connection.cursor("some") as cursor:
            cursor.execute(sql)
            cursor.itersize = 7
            return list(cursor)

    ways = [("text", lambda sql: connection.execute(sql).fetchall()), ("cursor", over_cursor), ("flight", over_flight), ("http", over_http)]
    # A masked question reads whole rows, which takes a while: the second user asks some of them.
    step = 1 if user == "team" else 4
    for number, sql in list(enumerate(QUESTIONS))[::step]:
        truth = rows(expected.execute(sql).fetchall()) if expected else rows(connection.execute(sql).fetchall())
        fact(f"{user} {number} binary", lambda: rows(connection.execute(sql, binary=True).fetchall()), truth)
        # The other ways take turns.
        turn = number // step
        if turn % 2 == 0:
            way, ask = ways[turn // 2 % len(ways)]
            fact(f"{user} {number} {way}", lambda: rows(ask(sql)), truth)
        if expected and turn % 8 == 0:
            fact(f"{user} {number} copy", lambda: over_copy(connection, sql), over_copy(expected, sql))
    refusals = [("binary", lambda sql: connection.execute(sql, binary=True).fetchall()), ("copy", lambda sql: over_copy(connection, sql)), *ways]
    for number, sql in enumerate(NOT_FOR_THEM):
        for way, ask in refusals if step == 1 else refusals[:1]:
            refused(f"{user} not {number} {way}", lambda: ask(sql))
    # What an error says is no more than what is seen.
    for sql in (NOT_FOR_THEM[-1], "select cast(data as bigint) from workflow_sessions"):
        for ask in (lambda: connection.execute(sql).fetchall(), lambda: over_flight(sql), lambda: over_http(sql)):
            try:
                ask()
            except Exception as error:  # noqa: BLE001
                said = error.read().decode() if hasattr(error, "read") else str(error)
                fact(f"{user} what an error says", lambda: [number for number in numbers(connection) if number in said], [])
    connection.close()
    arrow.close()


def numbers(connection):
    """The numbers that this user sees whole, which are none: what is masked has brackets."""
    found = connection.execute("select distinct source_details_phone_number from workflow_sessions").fetchall()
    return [number for (number,) in found if number and not number.startswith("[")]


def over_copy(connection, sql):
    with connection.cursor() as cursor, cursor.copy(f"copy ({sql}) to stdout") as copy:
        return [tuple(row) for row in copy.rows()]


if __name__ == "__main__":
    main(*sys.argv[1:5])
