"""HTTP as its contract describes it: bearer tokens, JSON, bytes, RFC 9457 problems.

With WIRE_TRANSCRIPT set to a file's name, each answer becomes a line of JSON there: method, path, status, headers, and
the body's text where it is JSON. What reads it holds the answers against the server's OpenAPI document.
"""

import json
import os
import threading
import urllib.error
import urllib.request


TRANSCRIPT = os.environ.get("WIRE_TRANSCRIPT")
LOCK = threading.Lock()


def note(method, path, status, headers, body=b""):
    if not TRANSCRIPT:
        return
    is_json = headers.get("content-type", "").split(";")[0] in ("application/json", "application/problem+json")
    line = {
        "method": method,
        "path": path,
        "status": status,
        "headers": {name.lower(): value for name, value in headers.items()},
        "text": body.decode() if is_json else "",
    }
    with LOCK, open(TRANSCRIPT, "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


class Problem(Exception):
    """A refusal: status, and the body of application/problem+json."""

    def __init__(self, status, headers, body):
        self.status = status
        kind = headers.get("content-type", "").split(";")[0]
        if kind != "application/problem+json":
            raise ValueError("an error must be application/problem+json, got %s %r %r" % (status, kind, body[:200]))
        self.problem = json.loads(body)
        super().__init__("%s %s" % (status, body.decode()[:2000]))


class Wire:
    """One caller: a server and a bearer token."""

    def __init__(self, server, token=None):
        self.server, self.token = server, token

    def request(self, method, path, body, headers, timeout=60):
        request = urllib.request.Request(self.server + path, data=body, method=method)
        if self.token:
            request.add_header("authorization", "Bearer " + self.token)
        for name, value in (headers or {}).items():
            request.add_header(name, value)
        try:
            return urllib.request.urlopen(request, timeout=timeout)
        except urllib.error.HTTPError as error:
            refusal = error.read()
            note(method, path, error.code, error.headers, refusal)
            raise Problem(error.code, error.headers, refusal) from None

    def open(self, method, path, headers, timeout):
        """A stream, to be read as it comes."""
        answer = self.request(method, path, None, headers, timeout)
        note(method, path, answer.status, answer.headers)
        return answer

    def bytes(self, method, path, body=None, headers=None):
        """-> status, headers, bytes"""
        with self.request(method, path, body, headers) as answer:
            data = answer.read()
        note(method, path, answer.status, answer.headers, data)
        return answer.status, answer.headers, data

    def json(self, method, path, value=None, headers=None):
        """-> status, parsed JSON (None without a body)"""
        sent = dict(headers or {})
        body = None
        if value is not None:
            body = json.dumps(value).encode()
            sent["content-type"] = "application/json"
        status, _, raw = self.bytes(method, path, body, sent)
        return status, json.loads(raw) if raw else None

    def json_of(self, method, path, body, media):
        """Sends bytes of some media type. -> status, parsed JSON"""
        status, _, raw = self.bytes(method, path, body, {"content-type": media})
        return status, json.loads(raw)
