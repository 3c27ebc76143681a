"""HTTP as its contract describes it: bearer tokens, JSON, bytes, RFC 9457 problems."""

import json
import urllib.error
import urllib.request


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

    def open(self, method, path, body=None, headers=None, timeout=60):
        request = urllib.request.Request(self.server + path, data=body, method=method)
        if self.token:
            request.add_header("authorization", "Bearer " + self.token)
        for name, value in (headers or {}).items():
            request.add_header(name, value)
        try:
            return urllib.request.urlopen(request, timeout=timeout)
        except urllib.error.HTTPError as error:
            raise Problem(error.code, error.headers, error.read()) from None

    def bytes(self, method, path, body=None, headers=None):
        """-> status, headers, bytes"""
        with self.open(method, path, body, headers) as answer:
            return answer.status, answer.headers, answer.read()

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
