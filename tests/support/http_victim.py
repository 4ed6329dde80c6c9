"""A victim behind HTTP on this machine, with the habits of a public API."""

import json
import threading
import urllib.request
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np


class HttpVictim:
    """Answers POST with values and gradients of a victim's output 0.

    Args:
        victim: which is served.
        turns_away: every so many calls one gets 429, or None.
        digits: significant digits that are told, or None for all.
        dies_at: the call at which the connection is cut without an answer, and every later one until
            `revived` is set; None for never.
    """

    def __init__(self, victim, *, turns_away=None, digits=None, dies_at=None):
        self.victim, self.turns_away, self.digits, self.dies_at = victim, turns_away, digits, dies_at
        self.calls, self.asked, self.revived = 0, Counter(), False

    @property
    def repeated(self):
        return sum(self.asked.values()) - len(self.asked)

    def answer(self, points):
        self.asked.update(map(tuple, points.tolist()))
        values, gradients = self.victim.values_and_gradients(points, 0)
        rows = np.column_stack([values, gradients])
        if self.digits is not None:
            rows = np.round(rows, self.digits)
        return {"values": rows[:, 0].tolist(), "gradients": rows[:, 1:].tolist()}

    def handle(self, handler):
        self.calls += 1
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        if self.dies_at is not None and self.calls >= self.dies_at and not self.revived:
            handler.close_connection = True
            return
        if self.turns_away is not None and self.calls % self.turns_away == 0:
            reply(handler, 429, {}, {"Retry-After": "0"})
            return
        reply(handler, 200, self.answer(np.array(json.loads(body))))


def reply(handler, status, content, headers=()):
    body = json.dumps(content).encode()
    handler.send_response(status)
    for name, value in dict(headers).items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


@contextmanager
def serving(served):
    """Serve an HttpVictim; yields the function that asks it."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            served.handle(self)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield lambda points: asked(f"http://127.0.0.1:{server.server_port}", points)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def asked(address, points):
    request = urllib.request.Request(address, json.dumps(points.tolist()).encode())
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            told = json.load(answer)
    except urllib.error.HTTPError as error:
        error.close()
        raise
    return told["values"], told["gradients"]
