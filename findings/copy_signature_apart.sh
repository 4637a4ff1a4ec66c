#!/usr/bin/env bash
# adbc-driver-postgresql 1.13.0, psycopg 3.3.9 (PyPI) and PostgreSQL (the binaries in PyPI's pgserver 0.1.4): where messages of a COPY end.
# PostgreSQL's documentation of the protocol says that the ends of CopyData messages need not be those of rows. ADBC's driver, which fetches
# every answer by COPY in binary, and psycopg's reader of rows both read the signature together with the first row alone: where a server, or
# what stands before it, sends the signature in a message of its own, and the same bytes otherwise, they raise errors.
# Seen: "adbc: 3 rows as PostgreSQL sends them, OperationalError with the signature apart; psycopg: 3 rows, DataError".
# Source: this run; PostgreSQL's documentation, "Frontend/Backend Protocol", section "COPY Operations".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install -q --no-compile pgserver==0.1.4 adbc-driver-postgresql==1.13.0 adbc-driver-manager==1.13.0 pyarrow==26.0.1 "psycopg[binary]==3.3.9"
cat > try.py <<'PYTHON'
import os
import socket
import struct
import threading

import adbc_driver_postgresql.dbapi as adbc
import pgserver
import psycopg

SIGNATURE = b"PGCOPY\n\xff\r\n\0"
server = pgserver.get_server(os.path.abspath("data"))
where = server.get_uri().split("host=")[1]
path = next(os.path.join(where, name) for name in os.listdir(where) if name.startswith(".s.PGSQL.") and not name.endswith(".lock"))


def read(stream, length):
    data = b""
    while len(data) < length:
        more = stream.recv(length - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def to_client(client, back, parts):
    try:
        while True:
            kind, length = struct.unpack("!cI", read(back, 5))
            body = read(back, length - 4)
            # The signature, flags and the length of an extension: 19 bytes.
            pieces = [body[:19], body[19:]] if parts and kind == b"d" and body.startswith(SIGNATURE) else [body]
            client.sendall(b"".join(kind + struct.pack("!I", len(piece) + 4) + piece for piece in pieces))
    except (EOFError, OSError):
        client.close()


def to_server(client, back):
    try:
        while data := client.recv(65536):
            back.sendall(data)
    except OSError:
        pass
    back.close()


def between(parts):
    listener = socket.create_server(("127.0.0.1", 0))

    def accept():
        while True:
            client, _ = listener.accept()
            back = socket.socket(socket.AF_UNIX)
            back.connect(path)
            threading.Thread(target=to_client, args=(client, back, parts), daemon=True).start()
            threading.Thread(target=to_server, args=(client, back), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return f"postgresql://postgres@127.0.0.1:{listener.getsockname()[1]}/postgres?sslmode=disable&gssencmode=disable"


def of_adbc(address):
    try:
        with adbc.connect(address) as connection, connection.cursor() as cursor:
            cursor.execute("select n from generate_series(1, 3) t(n)")
            return f"{cursor.fetch_arrow_table().num_rows} rows"
    except Exception as error:
        return type(error).__name__


def of_psycopg(address):
    try:
        with psycopg.connect(address) as connection, connection.cursor() as cursor:
            with cursor.copy("copy (select n from generate_series(1, 3) t(n)) to stdout (format binary)") as copy:
                copy.set_types(["int4"])
                return f"{len(list(copy.rows()))} rows"
    except Exception as error:
        return type(error).__name__


plain, apart = between(False), between(True)
print(f"adbc: {of_adbc(plain)} as PostgreSQL sends them, {of_adbc(apart)} with the signature apart; psycopg: {of_psycopg(plain)}, {of_psycopg(apart)}")
server.cleanup()
PYTHON
env/bin/python try.py > seen.txt
cat seen.txt
diff seen.txt - <<'EXPECTED'
adbc: 3 rows as PostgreSQL sends them, OperationalError with the signature apart; psycopg: 3 rows, DataError
EXPECTED
