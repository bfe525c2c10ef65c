"""The look-alike's server: sockets and TLS by hand, so that it can misbehave at any moment.

Everything it receives is kept verbatim. Each request takes the next order from a queue; without
one it is verified and answered as the API would.
"""
import collections
import json
import queue
import re
import socket
import ssl
import struct
import threading
import time

from . import signing
from .api import Api

_AUTHORIZATION = re.compile(rb"(?im)^authorization: *([^\r\n]+)")
_TARGET = re.compile(r"^/s/([^/]+)(/v1/.*)$")

Request = collections.namedtuple(
    "Request", "connection method target fields body problem resumed raw_head")


class Order:
    """What to do with one request instead of answering it well.

    at="accept"    close (or reset) the connection before the handshake
    at="head"      after `after` bytes of the request were read
    at="request"   after the whole request was read, before any answer
    at="answer"    after `after` bytes of the answer were sent
    reset=True     with RST instead of FIN
    delay=SECONDS  before answering
    answer=BYTES   sent instead of the answer, as it is; then the connection closes if `close`
    early=True     the answer is sent once the head is read, before the body is
    drip=(BYTES, SECONDS)  these again and again behind `answer`, so long apart
    then=(SECONDS, BYTES)  these behind `answer`, so much later
    stream=N       an answer with a body of N bytes; framing="length", "chunked" or "close"
    close=True     close after the answer; polite=True: with TLS's close_notify
    close_idle=True  answer well with keep-alive, then close the connection at once
    """

    def __init__(self, at=None, after=0, reset=False, delay=0.0, answer=None, early=False,
                 stream=None, framing="length", close=False, close_idle=False, status=None,
                 polite=False, drip=None, then=None):
        self.at, self.after, self.reset, self.delay = at, after, reset, delay
        self.answer, self.early, self.stream, self.framing = answer, early, stream, framing
        self.close, self.close_idle, self.status, self.polite = close, close_idle, status, polite
        self.drip, self.then = drip, then


class _Ended(Exception):
    pass


class LookAlike:
    """Listens from the constructor on; `port` is its port. Use as a context manager, or stop()."""

    authorizations = []  # the values of all Authorization fields that any look-alike saw, bytes

    def __init__(self, keys, certificate=None, nested="flatten", form="scheme", port=0):
        self.keys = {(k["id"], k["workspace"]): k["secret"] for k in keys}
        self.nested, self.form = nested, form
        self.api = Api()
        self.requests = []        # whole ones, in order of arrival
        self.bytes_seen = 0       # decrypted bytes of requests, whole or not
        self.partial = []         # what came of requests that never became whole
        self.connections = 0
        self.orders = queue.Queue()
        self.idle_closed = threading.Event()
        self._lock = threading.Lock()
        self._arrived = threading.Condition(self._lock)
        self._open = set()
        self._context = None
        if certificate:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(*certificate)
            self._context.set_alpn_protocols(["http/1.1"])
        self._listener = socket.create_server(("127.0.0.1", port), backlog=512)
        self.port = self._listener.getsockname()[1]
        self._stopping = False
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    # -- what tests ask and order

    @property
    def url(self):
        return "%s://localhost:%d" % ("https" if self._context else "http", self.port)

    def order(self, *args, times=1, **kwargs):
        for _ in range(times):
            self.orders.put(Order(*args, **kwargs))

    def wait_for(self, count, seconds=10.0):
        """Waits until `count` whole requests were seen."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self.requests) >= count, seconds):
                raise AssertionError("%d requests, not %d" % (len(self.requests), count))

    @property
    def accepted(self):
        return [r for r in self.requests if r.problem is None]

    def close_all(self):
        """Closes every open connection, idle or not."""
        with self._lock:
            open_now = list(self._open)
        for sock in open_now:
            _shut(sock)

    def stop_listening(self):
        self._stopping = True
        _shut(self._listener)
        self._listener.close()

    def stop(self):
        self.stop_listening()
        self.close_all()
        self._thread.join(5)

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.stop()

    # -- connections

    def _accept(self):
        while not self._stopping:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self.connections += 1
                number = self.connections
                self._open.add(sock)
            threading.Thread(target=self._serve, args=(sock, number), daemon=True).start()

    def _serve(self, raw, number):
        sock = raw
        try:
            if not self.orders.empty() and self.orders.queue[0].at == "accept":
                self._end(raw, self.orders.get())
            if self._context:
                raw.settimeout(20)
                sock = self._context.wrap_socket(raw, server_side=True)
                with self._lock:
                    self._open.discard(raw)
                    self._open.add(sock)
            sock.settimeout(120)
            rest = b""
            while True:
                rest = self._one(sock, number, rest)
        except (_Ended, OSError, ValueError):
            pass
        finally:
            with self._lock:
                self._open.discard(raw)
                self._open.discard(sock)
            sock.close()

    @staticmethod
    def _end(sock, order):
        if order.reset:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()
        raise _Ended

    def _take(self):
        try:
            return self.orders.get_nowait()
        except queue.Empty:
            return Order()

    def _cut(self, have):
        """Keeps what came of a request that will never be whole."""
        with self._lock:
            self.partial.append(have)
            self.authorizations.extend(_AUTHORIZATION.findall(have))

    def _read(self, sock, have, order, enough):
        """Reads until enough(have); ends early when the order says so."""
        while not enough(have):
            if order is not None and order.at == "head" and len(have) >= order.after:
                self._cut(have)
                self._end(sock, order)
            size = 65536
            if order is not None and order.at == "head":
                size = max(1, order.after - len(have))
            more = sock.recv(size)
            if not more:
                if have:
                    self._cut(have)
                raise _Ended
            with self._lock:
                self.bytes_seen += len(more)
            have += more
        return have

    def _one(self, sock, number, have):
        if not have:  # the order is taken when a request begins, not while the line is idle
            have = sock.recv(1)
            if not have:
                raise _Ended
            with self._lock:
                self.bytes_seen += 1
        order = self._take()
        have = self._read(sock, have, order, lambda b: b"\r\n\r\n" in b)
        head, _, rest = have.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ")
        fields = [tuple(line.split(": ", 1)) for line in lines[1:]]
        length = int(dict((k.lower(), v) for k, v in fields).get("content-length", 0))
        if order.early:
            self._cut(have)
            self._answer(sock, order, 413, b'{"error": "too large for me"}')
            raise _Ended
        whole = self._read(sock, have, order, lambda b: len(b) >= len(head) + 4 + length)
        body, rest = whole[len(head) + 4:len(head) + 4 + length], whole[len(head) + 4 + length:]
        status, answer = self._judge(sock, number, method, target, fields, body, head)
        if order.at in ("head", "request"):
            self._end(sock, order)
        if order.delay:
            time.sleep(order.delay)
        self._answer(sock, order, order.status or status, answer)
        if order.close or order.close_idle:
            if order.close_idle:
                _shut(sock)
                self.idle_closed.set()
            raise _Ended
        return rest

    def _judge(self, sock, number, method, target, fields, body, head):
        match = _TARGET.match(target)
        names = dict((k.lower(), v) for k, v in fields)
        problem = "no such path"
        if match:
            problem = signing.check(names.get("authorization"), self.keys, match.group(1),
                                    match.group(2), body.decode("utf-8", "replace"), self.nested,
                                    self.form)
        resumed = bool(getattr(sock, "session_reused", False))
        with self._arrived:
            self.authorizations.extend(v.encode("latin-1") for k, v in fields
                                       if k.lower() == "authorization")
            self.requests.append(
                Request(number, method, target, fields, body, problem, resumed, head))
            self._arrived.notify_all()
        if not match:
            return 404, b'{"error": "no such path"}'
        if problem:
            return 401, json.dumps({"error": problem}).encode()
        return self.api.call(method, match.group(1), match.group(2), body)

    # -- answers

    def _answer(self, sock, order, status, body):
        if order.answer is not None:
            sock.sendall(order.answer)
            while order.drip:  # until the connection is closed
                time.sleep(order.drip[1])
                sock.sendall(order.drip[0])
            if order.then:
                time.sleep(order.then[0])
                sock.sendall(order.then[1])
            if order.close:
                if order.polite and isinstance(sock, ssl.SSLSocket):
                    sock.unwrap()
                raise _Ended
            return
        if order.stream is not None:
            self._stream(sock, order)
            return
        data = ("HTTP/1.1 %d %s\r\nServer: look-alike\r\nContent-Type: application/json\r\n"
                "Content-Length: %d\r\n\r\n" % (status, "OK" if status == 200 else "Error",
                                                len(body))).encode() + body
        if order.at == "answer":
            sock.sendall(data[:order.after])
            self._end(sock, order)
        sock.sendall(data)

    @staticmethod
    def _stream(sock, order):
        head = "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
        if order.framing == "length":
            head += "Content-Length: %d\r\n" % order.stream
        elif order.framing == "chunked":
            head += "Transfer-Encoding: chunked\r\n"
        else:
            head += "Connection: close\r\n"
        sock.sendall(head.encode() + b"\r\n")
        piece = bytes(range(256)) * 256
        left = order.stream
        while left:
            data = piece[:left] if left < len(piece) else piece
            left -= len(data)
            if order.framing == "chunked":
                data = b"%x\r\n" % len(data) + data + b"\r\n"
            sock.sendall(data)
        if order.framing == "chunked":
            sock.sendall(b"0\r\n\r\n")
        if order.framing == "close":
            if isinstance(sock, ssl.SSLSocket):
                sock.unwrap()
            raise _Ended


def _shut(sock):
    """Closes in order: with TLS's goodbye where that takes no waiting."""
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
