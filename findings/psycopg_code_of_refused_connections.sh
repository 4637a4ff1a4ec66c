#!/usr/bin/env bash
# psycopg 3.3.9, psycopg2 2.9.13 and asyncpg 0.32.0 (PyPI), and PostgreSQL (the binaries in PyPI's pgserver 0.1.4): the code of an error that
# refuses a connection. PostgreSQL sends a SQLSTATE with such an error as with any other (28P01 wrong password, 53300 too many connections,
# 3D000 no such database), and psycopg has a class for each: psycopg.errors.InvalidPassword, TooManyConnections, InvalidCatalogName. Connecting
# raises none of them: libpq keeps the text of such an error and not its fields, so that both psycopgs raise OperationalError without a code, and
# `except psycopg.errors.InvalidPassword` never matches. asyncpg, which reads the messages by itself, raises the class of the code.
# Seen: "too many connections: psycopg OperationalError None, psycopg2 OperationalError None, asyncpg TooManyConnectionsError 53300".
# Source: this run; PostgreSQL's documentation, "Error and Notice Message Fields".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install -q --no-compile pgserver==0.1.4 "psycopg[binary]==3.3.9" psycopg2-binary==2.9.13 asyncpg==0.32.0
cat > try.py <<'PYTHON'
import asyncio
import os

import asyncpg
import pgserver
import psycopg
import psycopg2

server = pgserver.get_server(os.path.abspath("data"))
host = server.get_uri().split("host=")[1]
server.psql("create user ana password 'secret' connection limit 0;")


async def of_asyncpg(**to):
    connection = await asyncpg.connect(host=host, **to)
    await connection.close()


def seen(connect, code):
    try:
        connect()
        return "connected"
    except Exception as error:
        return f"{type(error).__name__} {getattr(error, code)}"


for what, to in [("no such database", {"user": "postgres", "database": "nowhere"}), ("too many connections", {"user": "ana", "database": "postgres"})]:
    libpq = {"host": host, "user": to["user"], "dbname": to["database"]}
    print(f"{what}: psycopg {seen(lambda: psycopg.connect(**libpq), 'sqlstate')}, psycopg2 {seen(lambda: psycopg2.connect(**libpq), 'pgcode')}, "
          f"asyncpg {seen(lambda: asyncio.run(of_asyncpg(**to)), 'sqlstate')}")
server.cleanup()
PYTHON
env/bin/python try.py > seen.txt
cat seen.txt
diff seen.txt - <<'EXPECTED'
no such database: psycopg OperationalError None, psycopg2 OperationalError None, asyncpg InvalidCatalogNameError 3D000
too many connections: psycopg OperationalError None, psycopg2 OperationalError None, asyncpg TooManyConnectionsError 53300
EXPECTED
