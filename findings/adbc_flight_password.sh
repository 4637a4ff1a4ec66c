#!/usr/bin/env bash
# adbc-driver-flightsql 1.13.0 (PyPI; made of Arrow's Go library) and pyarrow 26.0.1: how a password is sent to a Flight server.
# Both send user and password as HTTP's scheme "Basic" in the header of the handshake. The Go library leaves the padding of the base64 out,
# which RFC 7617 and RFC 4648, section 3.2, do not allow there; pyarrow's client writes it. A server whose decoder wants padding refuses the
# driver's log-ins, but those whose user, password and colon have a number of bytes that three divides.
# Seen: "adbc YW5hOnNlY3JldA, pyarrow YW5hOnNlY3JldA==" for ana:secret, and the same of both for ana:secrets1 (12 bytes).
# Source: this run.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install -q --no-compile pyarrow==26.0.1 adbc-driver-flightsql==1.13.0 adbc-driver-manager==1.13.0
cat > try.py <<'PYTHON'
import adbc_driver_flightsql.dbapi as adbc
import pyarrow.flight as flight

sent = []


class Note(flight.ServerMiddlewareFactory):
    def start_call(self, info, headers):
        sent.extend(headers.get("authorization", []))


with flight.FlightServerBase("grpc://127.0.0.1:0", middleware={"note": Note()}) as server:
    address = f"grpc://127.0.0.1:{server.port}"

    def header(log_in):
        sent.clear()
        try:
            log_in()
        except Exception:
            pass  # The server keeps no users; what it was sent is all that is asked.
        return sent[0].removeprefix("Basic ")

    for password in ("secret", "secrets1"):
        of_go = header(lambda: adbc.connect(address, db_kwargs={"username": "ana", "password": password}))
        of_cpp = header(lambda: flight.FlightClient(address).authenticate_basic_token("ana", password))
        print(f"adbc {of_go}, pyarrow {of_cpp}")
PYTHON
env/bin/python try.py > seen.txt
cat seen.txt
diff seen.txt - <<'EXPECTED'
adbc YW5hOnNlY3JldA, pyarrow YW5hOnNlY3JldA==
adbc YW5hOnNlY3JldHMx, pyarrow YW5hOnNlY3JldHMx
EXPECTED
