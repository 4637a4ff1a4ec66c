#!/usr/bin/env python3
"""Stands before an object store on loopback, keeps each request waiting for so long, and says what was asked.

usage: slow.py PORT STORE_PORT MILLISECONDS [LOG]

The log has a line a request: method, path, range, status, bytes of the answer. Requests are answered at the same time, as a store over a network
answers them; their bytes are sent as fast as loopback is.
"""

import http.client
import http.server
import sys
import threading
import time

PORT, STORE, WAIT = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]) / 1000
LOG = open(sys.argv[4], "a", buffering=1) if len(sys.argv) > 4 else None
HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive", "date", "server"}
stores = threading.local()


def store():
    """Returns this thread's connection to the store."""
    if getattr(stores, "connection", None) is None:
        stores.connection = http.client.HTTPConnection("127.0.0.1", STORE)
    return stores.connection


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def forward(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        time.sleep(WAIT)
        try:
            store().request(self.command, self.path, body, dict(self.headers))
            answer = store().getresponse()
        except (http.client.HTTPException, OSError):
            # The store has closed the connection meanwhile.
            stores.connection = None
            store().request(self.command, self.path, body, dict(self.headers))
            answer = store().getresponse()
        content = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in HOP_BY_HOP and (name.lower() != "content-length" or self.command == "HEAD"):
                self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        if LOG:
            LOG.write(f"{self.command} {self.path} {self.headers.get('Range', '-')} {answer.status} {len(content)}\n")

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = forward

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


Server(("127.0.0.1", PORT), Handler).serve_forever()
