"""Who may ask, and over which wire: passwords that are right, wrong, empty and of nobody, certificates that are known and unknown, and plain text
where the server has a certificate, by every client.

usage: secure_client.py USERS TLS AUTHORITY PASSWORD USERS-FILE PROGRAM. The two are `pg,flight,http` ports of a server with users alone, and of one
that has a certificate, too; the users `ana` (all), `old` (expired), `gone` (who is removed here).
"""

import asyncio
import base64
import json
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
import warnings

import adbc_driver_flightsql.dbapi as adbc
import adbc_driver_postgresql.dbapi as adbc_postgres
import asyncpg
import psycopg
import psycopg2
import pyarrow.flight as flight
from adbc_driver_flightsql import DatabaseOptions

from facts import fact, refused
from flight_client import command

SQL = "select count(*) as n from workflow_sessions"
ROWS = 240
# Who is refused, with which password: nothing tells them apart.
STRANGERS = [("ana", "wrong"), ("ana", ""), ("ana", "Correct horse"), ("old", None), ("nobody", None), ("ANA", None)]


def over_flight(address, user, password, **more):
    who = {"username": user, "password": password} if user else {}
    with adbc.connect(address, db_kwargs={**who, **more}, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(SQL)
        return cursor.fetchone()[0]


def over_http(port, user, password, scheme="http", authority=None):
    request = urllib.request.Request(f"{scheme}://localhost:{port}/v1/sql", json.dumps({"sql": SQL}).encode(), {"Content-Type": "application/json"})
    if user is not None:
        request.add_header("Authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())
    context = ssl.create_default_context(cafile=authority) if scheme == "https" else None
    with urllib.request.urlopen(request, context=context, timeout=30) as answer:
        return json.load(answer)["rows"][0][0]


def over_psycopg(port, user, password, **more):
    with psycopg.connect(host="localhost", port=port, dbname="sessionlake", user=user, password=password or "", **more) as connection:
        return connection.execute(SQL).fetchone()[0]


def over_psycopg2(port, user, password, **more):
    connection = psycopg2.connect(host="localhost", port=port, dbname="sessionlake", user=user, password=password or "", **more)
    try:
        with connection.cursor() as cursor:
            cursor.execute(SQL)
            return cursor.fetchone()[0]
    finally:
        connection.close()


def over_asyncpg(port, user, password, **more):
    async def ask():
        connection = await asyncpg.connect(host="localhost", port=port, database="sessionlake", user=user, password=password, **more)
        try:
            return await connection.fetchval(SQL)
        finally:
            await connection.close()

    return asyncio.run(ask())


def over_adbc_postgres(port, user, password, options):
    with adbc_postgres.connect(f"postgresql://{user}:{password.replace(' ', '%20')}@localhost:{port}/sessionlake?{options}") as connection, connection.cursor() as cursor:
        cursor.execute(SQL)
        return cursor.fetchone()[0]


def users(pg, grpc, http, password, file, program):
    """Passwords, where the wire is plain: on this machine alone."""
    plain = f"grpc://127.0.0.1:{grpc}"
    fact("psycopg logs in", lambda: over_psycopg(pg, "ana", password), ROWS)
    fact("psycopg2 logs in", lambda: over_psycopg2(pg, "ana", password), ROWS)
    fact("asyncpg logs in", lambda: over_asyncpg(pg, "ana", password), ROWS)
    fact("ADBC (PostgreSQL) logs in", lambda: over_adbc_postgres(pg, "ana", password, "sslmode=disable"), ROWS)
    fact("ADBC (Flight SQL) logs in", lambda: over_flight(plain, "ana", password), ROWS)
    basic = "Basic " + base64.b64encode(f"ana:{password}".encode()).decode()
    fact("ADBC (Flight SQL) logs in with each call", lambda: over_flight(plain, "", "", **{DatabaseOptions.AUTHORIZATION_HEADER.value: basic}), ROWS)
    fact("HTTP logs in", lambda: over_http(http, "ana", password), ROWS)
    for user, given in STRANGERS:
        given = password if given is None else given
        who = f"{user}:{'the password' if given == password else given or 'empty'}"
        refused(f"psycopg {who}", lambda: over_psycopg(pg, user, given), "password" if given else "no password supplied")
        refused(f"psycopg2 {who}", lambda: over_psycopg2(pg, user, given), "password" if given else "no password supplied")
        refused(f"asyncpg {who}", lambda: over_asyncpg(pg, user, given), "28P01", "password authentication failed")
        refused(f"Flight SQL {who}", lambda: over_flight(plain, user, given), "the user or the password is wrong", "Unauthenticated")
        refused(f"HTTP {who}", lambda: over_http(http, user, given), "401")
    refused("Flight SQL without a log-in", lambda: over_flight(plain, "", ""), "log in with a user and a password", "Unauthenticated")
    for header in ("Bearer abc", "Bearer ", "Basic abc", "Basic " + base64.b64encode(b"ana").decode(), "Digest x", "x"):
        refused(f"Flight SQL with {header!r}", lambda: over_flight(plain, "", "", **{DatabaseOptions.AUTHORIZATION_HEADER.value: header}), "Unauthenticated")
    refused("HTTP without a log-in", lambda: over_http(http, None, None), "401")

    # A token goes with its user, and with the password that it was made for.
    client = flight.FlightClient(plain)
    token = flight.FlightCallOptions(headers=[client.authenticate_basic_token("gone", password)])
    listed = flight.Action("ClosePreparedStatement", b"")
    catalogs = flight.FlightDescriptor.for_command(command("CommandGetCatalogs"))
    fact("a token is taken", lambda: client.do_get(client.get_flight_info(catalogs, token).endpoints[0].ticket, token).read_all().num_rows, 1)
    refused("no token is not", lambda: client.get_flight_info(catalogs), "log in")
    kept = psycopg.connect(host="localhost", port=pg, dbname="sessionlake", user="gone", password=password)
    subprocess.run([program, "user", "--users", file, "remove", "gone"], check=True, capture_output=True)
    refused("the token of a user who is removed", lambda: client.get_flight_info(catalogs, token), "the token is none any more")
    refused("and an action with it", lambda: list(client.do_action(listed, token)), "")
    refused("the user who is removed", lambda: over_psycopg(pg, "gone", password), "password authentication failed")
    fact("a connection that is open stays", lambda: kept.execute(SQL).fetchone()[0], ROWS)
    kept.close()


def secret(pg, grpc, http, authority, password):
    """The same over TLS, and what goes on without."""
    secure, plain = f"grpc+tls://localhost:{grpc}", f"grpc://localhost:{grpc}"
    with open(authority, encoding="ascii") as file:
        pem = file.read()
    known, roots = ssl.create_default_context(cafile=authority), {DatabaseOptions.TLS_ROOT_CERTS.value: pem}
    for name, ask in (("psycopg", over_psycopg), ("psycopg2", over_psycopg2)):
        for mode in ("allow", "prefer", "require", "verify-ca", "verify-full"):
            fact(f"{name} sslmode={mode}", lambda: ask(pg, "ana", password, sslmode=mode, sslrootcert=authority), ROWS)
        refused(f"{name} in plain text", lambda: ask(pg, "ana", password, sslmode="disable"), "over TLS alone")
        refused(f"{name} with a wrong password", lambda: ask(pg, "ana", "wrong", sslmode="require"), "password authentication failed")
        refused(f"{name}, an authority that is another", lambda: ask(pg, "ana", password, sslmode="verify-full", sslrootcert="system"), "certificate")
        fact(f"{name} without channel binding", lambda: ask(pg, "ana", password, sslmode="require", channel_binding="disable"), ROWS)
        refused(f"{name} with channel binding", lambda: ask(pg, "ana", password, sslmode="require", channel_binding="require"), "channel binding is required, but server did not offer")
        fact(f"{name} with TLS 1.2", lambda: ask(pg, "ana", password, sslmode="require", ssl_max_protocol_version="TLSv1.2"), ROWS)
    fact("asyncpg", lambda: over_asyncpg(pg, "ana", password, ssl=known), ROWS)
    fact("asyncpg, which prefers TLS", lambda: over_asyncpg(pg, "ana", password, ssl="prefer"), ROWS)
    refused("asyncpg in plain text", lambda: over_asyncpg(pg, "ana", password, ssl=False), "28000", "over TLS alone")
    refused("asyncpg, an unknown authority", lambda: over_asyncpg(pg, "ana", password, ssl=ssl.create_default_context()), "CERTIFICATE_VERIFY_FAILED")
    refused("asyncpg with a wrong password", lambda: over_asyncpg(pg, "ana", "wrong", ssl=known), "28P01")
    fact("ADBC (PostgreSQL)", lambda: over_adbc_postgres(pg, "ana", password, f"sslmode=verify-full&sslrootcert={authority}"), ROWS)
    refused("ADBC (PostgreSQL) in plain text", lambda: over_adbc_postgres(pg, "ana", password, "sslmode=disable"), "over TLS alone")
    fact("ADBC (Flight SQL)", lambda: over_flight(secure, "ana", password, **roots), ROWS)
    refused("ADBC (Flight SQL) with a wrong password", lambda: over_flight(secure, "ana", "wrong", **roots), "Unauthenticated")
    refused("ADBC (Flight SQL), an unknown authority", lambda: over_flight(secure, "ana", password), "certificate")
    refused("ADBC (Flight SQL) in plain text", lambda: over_flight(plain, "ana", password), "Unavailable")

    def of_pyarrow():
        client = flight.FlightClient(secure, tls_root_certs=pem.encode())
        return client.authenticate_basic_token("ana", password)[0]

    fact("pyarrow logs in", of_pyarrow, b"authorization")
    fact("HTTPS", lambda: over_http(http, "ana", password, "https", authority), ROWS)
    refused("HTTPS with a wrong password", lambda: over_http(http, "ana", "wrong", "https", authority), "401")
    refused("HTTPS, an unknown authority", lambda: over_http(http, "ana", password, "https"), "CERTIFICATE_VERIFY_FAILED")
    refused("HTTP in plain text", lambda: over_http(http, "ana", password), "")
    for port in (pg, grpc, http):
        def old():
            # Nothing older than TLS 1.2 is spoken, over none of the protocols.
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
            context.set_ciphers("ALL:@SECLEVEL=0")
            import socket
            with socket.create_connection(("localhost", int(port)), 30) as plain_socket:
                if port == pg:
                    plain_socket.sendall(b"\0\0\0\x08\x04\xd2\x16\x2f")
                    plain_socket.recv(1)
                with context.wrap_socket(plain_socket) as wrapped:
                    return wrapped.version()

        refused(f"TLS 1.1 at {'pg' if port == pg else 'flight' if port == grpc else 'http'}", old, "SSL")


def main(with_users, with_tls, authority, password, file, program):
    warnings.simplefilter("ignore")
    users(*with_users.split(","), password, file, program)
    if with_tls:
        secret(*with_tls.split(","), authority, password)


if __name__ == "__main__":
    main(*sys.argv[1:7])
