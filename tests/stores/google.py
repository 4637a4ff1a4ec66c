#!/usr/bin/env python3
"""A small double of Google's object store, as far as the client asks it: whole files in memory, with conditional puts, ranges, uploads in parts and lists.

usage: google.py PORT
"""

import http.server
import itertools
import re
import sys
import threading
import urllib.parse
from xml.sax.saxutils import escape

LOCK = threading.Lock()
# By path: the bytes and the generation.
FILES = {}
UPLOADS = {}
GENERATIONS = itertools.count(1)
WHEN = "2026-11-21T00:00:00.000Z"


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers requests."""

    protocol_version = "HTTP/1.1"

    def answer(self, status, content=b"", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def parts(self):
        url = urllib.parse.urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return urllib.parse.unquote(url.path), dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True)), body

    def keep(self, path, body):
        FILES[path] = (body, next(GENERATIONS))
        return self.answer(200, headers=self.named(path))

    @staticmethod
    def named(path):
        generation = FILES[path][1]
        return [("ETag", f'"{generation}"'), ("x-goog-generation", str(generation)), ("Last-Modified", "Sat, 21 Nov 2026 00:00:00 GMT")]

    def do_PUT(self):
        path, query, body = self.parts()
        with LOCK:
            if "partNumber" in query:
                UPLOADS[query["uploadId"]][int(query["partNumber"])] = body
                return self.answer(200, headers=[("ETag", f'"{query["partNumber"]}"')])
            if self.headers.get("x-goog-if-generation-match") == "0" and path in FILES:
                return self.answer(412, b"<Error><Code>PreconditionFailed</Code></Error>")
            return self.keep(path, body)

    def do_POST(self):
        path, query, _ = self.parts()
        with LOCK:
            if "uploads" in query:
                upload = str(next(GENERATIONS))
                UPLOADS[upload] = {}
                return self.answer(200, f"<InitiateMultipartUploadResult><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>".encode())
            whole = b"".join(part for _, part in sorted(UPLOADS.pop(query["uploadId"]).items()))
            FILES[path] = (whole, next(GENERATIONS))
            tag = FILES[path][1]
            return self.answer(200, f"<CompleteMultipartUploadResult><ETag>{tag}</ETag></CompleteMultipartUploadResult>".encode(), self.named(path))

    def do_DELETE(self):
        path, query, _ = self.parts()
        with LOCK:
            if "uploadId" in query:
                UPLOADS.pop(query["uploadId"], None)
                return self.answer(204)
            return self.answer(204 if FILES.pop(path, None) else 404)

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path, query, _ = self.parts()
        if "list-type" in query:
            return self.listing(path.strip("/"), query)
        with LOCK:
            if path not in FILES:
                return self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
            body, headers = FILES[path][0], self.named(path)
        wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range") or "")
        if not wanted:
            return self.answer(200, body, headers)
        first, last = wanted.groups()
        start = int(first) if first else max(len(body) - int(last), 0)
        end = min(int(last) + 1, len(body)) if first and last else len(body)
        if start >= len(body):
            return self.answer(416)
        return self.answer(206, body[start:end], [*headers, ("Content-Range", f"bytes {start}-{end - 1}/{len(body)}")])

    def listing(self, bucket, query):
        prefix, after = f"/{bucket}/" + query.get("prefix", ""), query.get("start-after", "")
        with LOCK:
            found = sorted((path[len(bucket) + 2 :], len(body), tag) for path, (body, tag) in FILES.items() if path.startswith(prefix))
        found = [each for each in found if each[0] > max(after, query.get("continuation-token", ""))]
        page, shared = found[:1000], []
        if query.get("delimiter"):
            rest = [(each, each[0][len(query.get("prefix", "")) :]) for each in page]
            shared = sorted({query.get("prefix", "") + tail.split("/")[0] + "/" for _, tail in rest if "/" in tail})
            page = [each for each, tail in rest if "/" not in tail]
        text = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{size}</Size><LastModified>{WHEN}</LastModified><ETag>{tag}</ETag></Contents>" for key, size, tag in page
        )
        text += "".join(f"<CommonPrefixes><Prefix>{escape(each)}</Prefix></CommonPrefixes>" for each in shared)
        if len(found) > 1000:
            text += f"<NextContinuationToken>{escape(found[999][0])}</NextContinuationToken>"
        return self.answer(200, f"<ListBucketResult>{text}</ListBucketResult>".encode())

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
