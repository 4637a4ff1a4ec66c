"""What many clients do at once, and some that behave badly: pools that give sessions back, a thousand connections, clients that are killed or
do not read, statements that are too long or too wide. Others go on.

usage: crowd_client.py PORTS FEW. The ports are `pg,flight,http` of a server, and of one that takes 40 connections.
"""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import asyncpg
import psycopg
import psycopg2.pool
import sqlalchemy
from psycopg_pool import ConnectionPool

from facts import fact, refused

COUNT = "select count(*) from workflow_sessions"
# What no machine ends, and what pauses all the time: a join without keys may compute for a while before it hears that nobody waits.
FOREVER = "select count(*) from generate_series(1, 1000000000000)"
# Rows that a client could read for hours.
ENDLESS = "select value, repeat('x', 500) from generate_series(1, 1000000000000)"
FEW = 40


def metric(http, name):
    with urllib.request.urlopen(f"http://127.0.0.1:{http}/metrics", timeout=60) as answer:
        return next(float(line.split()[1]) for line in answer.read().decode().splitlines() if line.startswith(f"{name} "))


def until(ask, expected, seconds=60):
    """Asks until the answer is as expected; how long that takes is the machine's."""
    ends = time.monotonic() + seconds
    while (found := ask()) != expected and time.monotonic() < ends:
        time.sleep(0.05)
    return found


def is_reset(execute):
    """A session that was given back has nothing of who had it before."""
    return execute("show timezone"), execute("show sessionlake.as_of"), execute("show statement_timeout")


def pools(url):
    with psycopg.connect(url, autocommit=True) as fresh:
        expected = is_reset(lambda sql: fresh.execute(sql).fetchone()[0])

    def dirty(execute):
        execute("set timezone = 'Asia/Tokyo'")
        execute("set sessionlake.as_of = '2026-11-01'")
        execute("set statement_timeout = '17s'")

    def of_psycopg():
        seen = set()
        with ConnectionPool(url, min_size=1, max_size=2, kwargs={"autocommit": True}, reset=lambda connection: connection.execute("discard all")) as pool:
            for _ in range(6):
                with pool.connection() as connection:
                    seen.add(is_reset(lambda sql: connection.execute(sql).fetchone()[0]))
                    seen.add(connection.execute(f"{COUNT} where communication_type = %s", ("Phone",), prepare=True).fetchone())
                    dirty(connection.execute)
        return seen

    fact("psycopg_pool with DISCARD ALL", of_psycopg, {expected, (172,)})

    def of_psycopg2():
        pool, seen = psycopg2.pool.ThreadedConnectionPool(1, 2, url), set()
        for _ in range(4):
            connection = pool.getconn()
            connection.autocommit = True
            with connection.cursor() as cursor:
                def value(sql):
                    cursor.execute(sql)
                    return cursor.fetchone()[0]

                seen.add(is_reset(value))
                dirty(cursor.execute)
            connection.reset()
            pool.putconn(connection)
        pool.closeall()
        return seen

    fact("psycopg2's pool with reset", of_psycopg2, {expected})

    async def of_asyncpg():
        seen = set()
        async with asyncpg.create_pool(url, min_size=1, max_size=3) as pool:
            async def one():
                async with pool.acquire() as connection:
                    seen.add((await connection.fetchval("show timezone"), await connection.fetchval("show sessionlake.as_of"), await connection.fetchval("show statement_timeout")))
                    seen.add((await connection.fetchval(f"{COUNT} where communication_type = $1", "Phone"),))
                    for sql in ("set timezone = 'Asia/Tokyo'", "set sessionlake.as_of = '2026-11-01'", "set statement_timeout = '17s'"):
                        await connection.execute(sql)

            await asyncio.gather(*[one() for _ in range(12)])
        return seen

    fact("asyncpg's pool", lambda: asyncio.run(of_asyncpg()), {expected, (172,)})

    def of_sqlalchemy():
        engine, seen = sqlalchemy.create_engine(url.replace("postgresql:", "postgresql+psycopg:"), pool_size=1, max_overflow=1, pool_pre_ping=True, pool_reset_on_return=None), set()

        @sqlalchemy.event.listens_for(engine, "reset")
        def reset(connection, *_):
            connection.rollback()
            connection.autocommit = True
            connection.execute("discard all")
            connection.autocommit = False

        for _ in range(4):
            with engine.connect() as connection:
                seen.add(is_reset(lambda sql: connection.execute(sqlalchemy.text(sql)).scalar()))
                dirty(lambda sql: connection.execute(sqlalchemy.text(sql)))
        engine.dispose()
        return seen

    fact("SQLAlchemy's pool with DISCARD ALL", of_sqlalchemy, {expected})

    def discarded():
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"{COUNT} where communication_type = %s", ("Phone",), prepare=True)
            connection.execute("discard all")
            return connection.execute(f"{COUNT} where communication_type = %s", ("Phone",), prepare=True).fetchone()[0]

    fact("prepared again after DISCARD ALL", discarded, 172)

    def within():
        with psycopg.connect(url) as connection:
            connection.execute(COUNT)
            connection.execute("discard all")

    refused("DISCARD ALL in a transaction", within, "25001")


def crowd(pg, http, few):
    url = f"postgresql://anyone@127.0.0.1:{few}/sessionlake"

    def thousand():
        opened, codes = [], {}
        for _ in range(1000):
            try:
                opened.append(psycopg.connect(url, sslmode="disable"))
            except psycopg.OperationalError as error:
                said = "there are 40 connections already" in str(error)
                codes[said] = codes.get(said, 0) + 1
        counted = {connection.execute(COUNT).fetchone()[0] for connection in opened[::8]}
        for connection in opened:
            connection.close()
        return len(opened), codes, counted

    fact("a thousand connections, one after the other", thousand, (FEW, {True: 1000 - FEW}, {240}))

    async def at_once():
        async def one():
            try:
                return await asyncpg.connect(url, ssl=False, timeout=60)
            except (asyncpg.PostgresError, OSError, ConnectionError) as error:
                # Beyond as many as may wait to say who they are, connections are closed without a word, which has a code of asyncpg's own.
                return getattr(error, "sqlstate", None) or "closed"

        found = await asyncio.gather(*[one() for _ in range(1000)])
        opened = [one for one in found if not isinstance(one, str)]
        value = await opened[0].fetchval(COUNT)
        for connection in opened:
            await connection.close()
        return len(opened), {one for one in found if isinstance(one, str)} - {"53300", "08003", "closed"}, value

    fact("they are closed again", lambda: until(lambda: opens(url), True), True)
    fact("a thousand at once", lambda: asyncio.run(at_once()), (FEW, set(), 240))
    fact("and one after them", lambda: until(lambda: opens(url), True), True)

    # A connection that says nothing, and one that says half of it.
    silent = [socket.create_connection(("127.0.0.1", int(pg)), 30) for _ in range(100)]
    for one in silent[::2]:
        one.sendall(b"\0\0\0\x50\0\x03")
    fact("beside a hundred that say nothing", lambda: opens(f"postgresql://anyone@127.0.0.1:{pg}/sessionlake"), True)
    for one in silent:
        one.close()
    fact("the metrics count the open ones", lambda: until(lambda: metric(http, "sessionlake_connections_open"), 1.0), 1.0)


def opens(url):
    try:
        with psycopg.connect(url) as connection:
            return connection.execute(COUNT).fetchone()[0] == 240
    except psycopg.OperationalError:
        return False


def bad(pg, grpc, http):
    url = f"postgresql://anyone@127.0.0.1:{pg}/sessionlake"

    def running():
        return metric(http, "sessionlake_questions_running")

    other = psycopg.connect(url, autocommit=True)

    def goes_on():
        return other.execute(COUNT).fetchone()[0]

    # Clients that are killed.
    for what, script in [
        ("psycopg", f"import psycopg; psycopg.connect('{url}').execute({FOREVER!r})"),
        ("asyncpg", f"import asyncio, asyncpg\nasync def ask():\n    await (await asyncpg.connect('{url}')).fetchval({FOREVER!r})\nasyncio.run(ask())"),
        ("ADBC", f"import adbc_driver_flightsql.dbapi as a\nc = a.connect('grpc://127.0.0.1:{grpc}', autocommit=True).cursor()\nc.execute({FOREVER!r})\nc.fetchall()"),
        ("HTTP", f"import json, urllib.request as u\nu.urlopen(u.Request('http://127.0.0.1:{http}/v1/sql', json.dumps(dict(sql={FOREVER!r})).encode(), {{'Content-Type': 'application/json'}})).read()"),
    ]:
        killed = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        fact(f"{what} asks", lambda: until(running, 1.0), 1.0)
        os.kill(killed.pid, signal.SIGKILL)
        killed.wait()
        fact(f"{what} is killed, and its question stops", lambda: until(running, 0.0), 0.0)
    fact("after clients that were killed", goes_on, 240)

    # Cancel requests, and the limit of time.
    def cancelled():
        with psycopg.connect(url) as connection:
            import threading
            timer = threading.Timer(0.3, connection.cancel_safe)
            timer.start()
            try:
                connection.execute(FOREVER)
            finally:
                timer.cancel()

    refused("a cancel request", cancelled, "57014")

    def late():
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("set statement_timeout = '300ms'")
            connection.execute(FOREVER)

    refused("statement_timeout", late, "57014", "stopped after 0.3 s")
    fact("both stop", lambda: until(running, 0.0), 0.0)

    # Clients that do not read their answer.
    slow = []
    for _ in range(4):
        one = socket.create_connection(("127.0.0.1", int(pg)), 30)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        start = b"\0\x03\0\0user\0slow\0database\0sessionlake\0\0"
        one.sendall((len(start) + 4).to_bytes(4, "big") + start)
        sql = ENDLESS.encode() + b"\0"
        one.sendall(b"Q" + (len(sql) + 4).to_bytes(4, "big") + sql)
        slow.append(one)
    for _ in range(2):
        one = socket.create_connection(("127.0.0.1", int(http)), 30)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        body = json.dumps({"sql": ENDLESS}).encode()
        one.sendall(b"POST /v1/sql?format=csv HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        slow.append(one)
    fact("six clients do not read", lambda: until(running, 6.0), 6.0)
    before = None

    def held():
        nonlocal before
        # Some megabytes at most for all of them; it does not grow while others ask.
        before = metric(http, "sessionlake_answer_bytes_total")
        for _ in range(5):
            goes_on()
        return metric(http, "sessionlake_memory_held_bytes") < 256e6

    fact("they hold little", held, True)
    for one in slow:
        one.close()
    fact("and end when they go", lambda: until(running, 0.0), 0.0)

    # Statements that are long or wide.
    def text(size):
        with psycopg.connect(url, autocommit=True) as connection:
            return len(connection.execute("select '" + "x" * size + "' as v").fetchone()[0])

    fact("a statement of ten megabytes", lambda: text(10 << 20), 10 << 20)
    refused("a message that is too long", lambda: text(17 << 20), "54000", "are the most")

    def wide(columns):
        with psycopg.connect(url, autocommit=True) as connection:
            return len(connection.execute("select " + ", ".join(f"{n} as c{n}" for n in range(columns))).fetchone())

    fact("as many columns as PostgreSQL takes", lambda: wide(1664), 1664)
    refused("one more", lambda: wide(1665), "54011", "1664 columns")
    refused("a hundred thousand columns", lambda: wide(100_000), "54001", "300000 words")
    refused("a hundred thousand columns in a subquery", lambda: other.execute("select 1 from (select " + ", ".join(f"{n} as c{n}" for n in range(100_000)) + ") s"), "54001", "300000 words")

    def prepared():
        with psycopg.connect(url, autocommit=True) as connection:
            return connection.execute("select " + ", ".join(f"%s::bigint as c{n}" for n in range(2000)), [1] * 2000, prepare=True)

    refused("two thousand columns of parameters", prepared, "54011")

    def posted(sql):
        request = urllib.request.Request(f"http://127.0.0.1:{http}/v1/sql", json.dumps({"sql": sql}).encode(), {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    fact("over HTTP, too", lambda: posted("select " + ", ".join(f"{n} as c{n}" for n in range(100_000))) in (400, 413, 422), True)

    # A long list is worked on while others go on.
    long = psycopg.connect(url, autocommit=True)
    listed = f"{COUNT} where session_id in (" + ",".join(f"'{n:020d}'" for n in range(60_000)) + ")"
    sender = subprocess.Popen([sys.executable, "-c", f"import psycopg, sys; print(psycopg.connect('{url}').execute(sys.stdin.read()).fetchone()[0])"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    sender.stdin.write(listed)
    sender.stdin.close()
    answered = 0
    while sender.poll() is None:
        goes_on()
        answered += 1
    fact("a list of sixty thousand", lambda: sender.stdout.read().strip(), "0")
    fact("others were answered meanwhile", lambda: answered > 3, True)
    long.close()
    fact("after all", goes_on, 240)
    other.close()


def main(ports, few):
    pg, grpc, http = ports.split(",")
    pools(f"postgresql://anyone@127.0.0.1:{pg}/sessionlake")
    crowd(pg, http, few.split(",")[0])
    bad(pg, grpc, http)


if __name__ == "__main__":
    main(*sys.argv[1:3])
