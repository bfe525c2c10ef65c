"""HTTP/2 to the upstream, against a peer of frames made by hand: batches, outcomes, limits, floods."""
import concurrent.futures
import contextlib
import signal
import socket
import struct
import threading
import time

import pytest

import h2peer
from h2peer import (CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PUSH,
                    REFUSED_STREAM, RST, SETTINGS, Peer, answer, block, entry, frame, goaway, reset,
                    settings)
from rig import read_answer, sanitized, until

BODY = {"name": "n" * 200}


@pytest.fixture
def start(make_rig, certificate):
    """start(handler, hello=..., upstream={...}): a peer and daemons in front of it."""
    with contextlib.ExitStack() as stack:
        def make(handler=None, hello=None, alpn="h2", upstream=None, windows=True, **proxy):
            peer = stack.enter_context(Peer(certificate, handler, hello, alpn))
            peer.windows = windows
            rig = make_rig(peer.url, proxy={"upstream": upstream or {}, "log_level": "debug",
                                            **proxy}).start()
            return rig, peer

        yield make


class Tunnel:
    """A proxy that knows CONNECT."""

    def __enter__(self):
        self.asked, self.sockets = [], []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *ignored):
        for sock in [self.listener, *self.sockets]:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                inside, _ = self.listener.accept()
                head = b""
                while b"\r\n\r\n" not in head:
                    head += inside.recv(4096)
                self.asked.append(head.split(b"\r\n")[0])
                port = int(head.split(b" ")[1].rpartition(b":")[2])
                outside = socket.create_connection(("127.0.0.1", port))
                self.sockets += [inside, outside]
                inside.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                for here, there in ((inside, outside), (outside, inside)):
                    threading.Thread(target=self._pass, args=(here, there), daemon=True).start()

    @staticmethod
    def _pass(here, there):
        with contextlib.suppress(OSError):
            while data := here.recv(65536):
                there.sendall(data)
            there.shutdown(socket.SHUT_WR)


def together(rig, count, body=None):
    """That many calls at the same time, in one burst; their answers in order."""
    answers = [None] * count

    def one(i):
        answers[i] = rig.call("POST", "/v1/org", body or {"name": "number %d" % i},
                              headers={"X-Request-Id": "call-%d" % i})

    threads = [threading.Thread(target=one, args=(i,)) for i in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(30)
    assert all(answers)
    return answers


def outcome(rig, given):
    return [r for r in rig.records("outcome") if r["id"] == given.field("x-request-id")][0]


def broken(rig, given, sent=("all",)):
    """502, nobody knows, and the record says so."""
    assert (given.status, given.json["code"]) == (502, "upstream_broken"), given.body
    assert given.json["outcome"] == "unknown"
    record = outcome(rig, given)
    assert record["status"] == given.json.get("upstream_status", 502) and record["sent"] in sent
    return given.json["error"]


# -- requests and answers

def test_one_call(start):
    rig, peer = start()
    given = rig.call("POST", "/v1/org", BODY)
    assert (given.status, given.json) == (200, {"id": 1})
    assert given.field("content-type") == "application/json"
    assert b'"name": "' + b"n" * 200 in peer.requests[0].body
    assert outcome(rig, given)["sent"] == "all"
    assert "protocol=h2" in rig.proxy.log
    # A credential is never put into the peer's table: a literal of the never indexed kind.
    assert peer.requests[0].head.count(b"\x1f\x08") == 1  # static name 23, authorization


def test_http2_off(start):
    rig, peer = start(alpn="http/1.1", upstream={"http2": False})
    given = rig.call("POST", "/v1/org", BODY)  # the peer knows nothing but HTTP/2
    assert (given.status, given.json["code"]) == (502, "upstream_broken")
    assert not peer.requests and peer.connections


def test_reasons_and_lengths(start):
    def handler(c, request):
        number = len(peer.requests)
        if number == 1:
            c.send(answer(request.stream, b"{}", 422, (("content-length", "2"), ("etag", "b"))))
        elif number == 2:
            c.send(frame(HEADERS, END_HEADERS | END_STREAM, request.stream, block(204)))
        else:
            c.send(answer(request.stream, b"", 599, ()))

    rig, peer = start(handler)

    def call():
        with rig.raw(b"DELETE /v1/org/1 HTTP/1.1\r\nHost: localhost\r\n"
                     b"Connection: close\r\n\r\n") as connection:
            with connection.makefile("rb") as stream:
                return stream.peek().split(b"\r\n")[0], read_answer(stream)

    line, given = call()
    assert line == b"HTTP/1.1 422 Unprocessable Content"
    assert given.field("content-length") == "2" and given.field("etag") == "b"
    line, given = call()
    assert line == b"HTTP/1.1 204 No Content" and given.field("content-length") is None
    line, given = call()
    assert line == b"HTTP/1.1 599 " and given.field("transfer-encoding") == "chunked"


def test_interim_answers_and_trailers(start):
    def handler(c, request):
        c.send(frame(HEADERS, END_HEADERS, request.stream, block(103, [("link", "x")])) +
               frame(HEADERS, END_HEADERS, request.stream, block(200, [("etag", "b")])) +
               frame(DATA, 0, request.stream, b"{}") +
               frame(HEADERS, END_HEADERS | END_STREAM, request.stream,
                     block(None, [("x-trailer", "t")])))

    rig, _ = start(handler)
    given = rig.call("POST", "/v1/org", BODY)
    assert (given.status, given.body, given.field("etag")) == (200, b"{}", "b")
    assert given.field("link") is None and given.field("x-trailer") is None


def test_a_large_body(start):
    rig, peer = start()
    given = rig.call("POST", "/v1/org", {"name": "n" * 1000000})
    assert given.status == 200 and len(peer.requests[0].body) > 1000000
    assert outcome(rig, given)["sent"] == "all"


# -- many at a time

def test_requests_of_a_turn_share_a_record(start):
    """All wait for the keeper, which stands still meanwhile; then they leave together."""
    rig, peer = start()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        rig.keeper.signal(signal.SIGSTOP)
        try:
            burst = pool.submit(together, rig, 64)
            until(lambda: rig.metric("cention_running") == 64, what="64 requests that wait")
        finally:
            rig.keeper.signal(signal.SIGCONT)
        answers = burst.result()
    assert [a.status for a in answers] == [200] * 64
    assert len(peer.connections) == 1
    batches = peer.connections[0].batches
    print("\nrequests in each record: %s" % batches)
    assert sum(batches) == 64 and max(batches) >= 4 and len(batches) < 48
    bodies = {r.body for r in peer.requests}
    assert bodies == {b'{"name": "number %d"}' % i for i in range(64)}


@pytest.mark.parametrize("streams", [1, 3])
def test_few_streams(start, streams):
    """No more at a time than the peer allows; further connections are made, within the limit."""
    running, most, lock = {}, [0], threading.Lock()

    def handler(c, request):
        def later():
            with lock:
                running[c.number] -= 1
            c.send(answer(request.stream))
        with lock:
            running[c.number] = running.get(c.number, 0) + 1
            most[0] = max(most[0], running[c.number])
        threading.Timer(0.02, later).start()

    rig, peer = start(handler, hello=settings(streams=streams), upstream={"max_connections": 4})
    answers = together(rig, 24)
    assert [a.status for a in answers] == [200] * 24
    assert most[0] == streams
    assert 2 <= len(peer.connections) <= 4


def test_no_streams_at_all(start):
    rig, peer = start(hello=settings(streams=0), upstream={"queue_timeout": 0.3,
                                                           "connect_timeout": 0.3})
    answers = together(rig, 8)
    assert {(a.status, a.json["code"], a.json["outcome"]) for a in answers} == {
        (503, "overloaded", "not-sent")}
    assert not peer.requests and len(peer.connections) == 1


def test_settings_that_change(start):
    """Fewer streams from now on, and smaller windows: the next requests keep to it."""
    rig, peer = start(hello=settings(streams=100), windows=False,
                      upstream={"max_connections": 1})
    assert rig.call("POST", "/v1/org", BODY).status == 200
    peer.connections[0].send(settings(streams=2, window=16))
    peer.wait(lambda: sum(f[0] == SETTINGS and f[1] for f in peer.connections[0].frames) == 2)
    peer.windows = True
    answers = together(rig, 6)
    assert [a.status for a in answers] == [200] * 6
    later = [f for f in peer.seen(DATA) if f[2] > 1]
    assert later and all(len(f[3]) <= 16 for f in later)


def test_through_a_proxy(start):
    """HTTP/2 is agreed on within the tunnel, by TLS with the server itself."""
    with Tunnel() as tunnel:
        rig, peer = start(upstream={"proxy": "http://127.0.0.1:%d" % tunnel.port})
        assert [a.status for a in together(rig, 8)] == [200] * 8
        assert len(peer.connections) == 1 and tunnel.asked == [
            b"CONNECT %s HTTP/1.1" % peer.url.partition("//")[2].encode()]


# -- outcomes

@pytest.mark.parametrize("hard", [False, True], ids=["FIN", "RST"])
@pytest.mark.parametrize("pooled", [False, True], ids=["fresh", "pooled"])
def test_closed_after_the_requests(start, hard, pooled):
    def handler(c, request):
        if len(peer.requests) == 1 and pooled:
            c.send(answer(request.stream))
        else:
            c.close(hard)

    rig, peer = start(handler)
    if pooled:
        assert rig.call("POST", "/v1/org", BODY).status == 200
    broken(rig, rig.call("POST", "/v1/org", BODY))
    assert len(peer.requests) == 1 + pooled and len(peer.connections) == 1


def test_closed_within_a_request(start):
    rig, peer = start(windows=False)
    peer.headed = lambda c, stream: c.close()
    broken(rig, rig.call("POST", "/v1/org", {"name": "n" * 300000}), ("partial",))
    assert len(peer.connections) == 1 and not peer.requests


def test_closed_within_the_answer_s_head(start):
    rig, peer = start(lambda c, r: (c.send(answer(r.stream)[:12]), c.close()))
    broken(rig, rig.call("POST", "/v1/org", BODY))
    assert len(peer.requests) == 1


def test_closed_within_the_answer_s_body(start):
    def handler(c, request):
        c.send(frame(HEADERS, END_HEADERS, request.stream, block(200, [("content-length", "9")])) +
               frame(DATA, 0, request.stream, b"half"))
        c.close()

    rig, peer = start(handler)
    with rig.raw(b"DELETE /v1/org/1 HTTP/1.1\r\nHost: localhost\r\n"
                 b"Connection: close\r\n\r\n") as connection:
        data = b""
        with contextlib.suppress(OSError):
            while more := connection.recv(65536):
                data += more
    assert b"half" not in data or not data.endswith(b"half....")
    assert data.startswith(b"HTTP/1.1 200") or b'"outcome": "unknown"' in data
    assert len(peer.requests) == 1
    assert rig.records("outcome")[0]["sent"] == "all"


def test_an_idle_connection_that_closed_is_not_used(start):
    rig, peer = start()
    for number in range(1, 4):
        assert rig.call("POST", "/v1/org", BODY).status == 200
        assert len(peer.connections) == number
        peer.connections[-1].close()
        until(lambda: rig.metric("cention_upstream_open") == 0, what="the close was seen")
    assert len(peer.requests) == 3


def test_goaway_between_requests(start):
    rig, peer = start()
    assert rig.call("POST", "/v1/org", BODY).status == 200
    peer.connections[0].send(goaway(1))
    until(lambda: rig.metric("cention_upstream_open") == 0, what="the connection was left")
    assert rig.call("POST", "/v1/org", BODY).status == 200
    assert len(peer.connections) == 2


def test_goaway_in_the_middle(start):
    """What the peer says it left alone is not sent again; what it took goes on."""
    def handler(c, request):
        if len(peer.requests) == 4:
            c.send(goaway(5))
            for stream in (5, 3, 1):
                c.send(answer(stream))
        elif c.number:
            c.send(answer(request.stream))

    rig, peer = start(handler)
    answers = together(rig, 4)
    assert sorted(a.status for a in answers) == [200, 200, 200, 502]
    lost = [a for a in answers if a.status == 502][0]
    assert "GOAWAY" in broken(rig, lost) and len(peer.requests) == 4
    assert rig.call("POST", "/v1/org", BODY).status == 200
    assert len(peer.connections) == 2


@pytest.mark.parametrize("leave", ["goaway", "close", "both"])
def test_an_answer_that_waits_for_its_record_outlives_the_connection(start, leave):
    """All of it is here when the peer goes, but the keeper has not written the outcome yet."""
    def handler(c, request):
        if request.connection or len(peer.requests) < 4:
            return
        rig.keeper.signal(signal.SIGSTOP)
        if leave != "close":
            c.send(goaway(7))
        for stream in (5, 3, 7, 1):
            c.send(answer(stream, b'{"stream": %d}' % stream))
        if leave != "goaway":
            c.close()

    rig, peer = start(handler)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        burst = pool.submit(together, rig, 4)
        try:
            peer.wait_for(4)
            if leave == "goaway":
                until(lambda: "upstream_leaving" in rig.proxy.log, what="the peer's goodbye")
            else:
                until(lambda: rig.metric("cention_upstream_open") == 0, what="the end")
        finally:
            rig.keeper.signal(signal.SIGCONT)
        answers = burst.result()
    assert [a.status for a in answers] == [200] * 4
    assert sorted(a.json["stream"] for a in answers) == [1, 3, 5, 7]
    assert {r["status"] for r in rig.records("outcome")} == {200}
    until(lambda: rig.metric("cention_upstream_open") == 0, what="the connection was left")


@pytest.mark.parametrize("code, word", [(REFUSED_STREAM, "REFUSED_STREAM"), (2, "INTERNAL_ERROR"),
                                        (0, "NO_ERROR")])
def test_reset_streams(start, code, word):
    def handler(c, request):
        c.send(reset(request.stream, code) if request.stream == 1 else answer(request.stream))

    rig, peer = start(handler)
    assert word in broken(rig, rig.call("POST", "/v1/org", BODY))
    assert rig.call("POST", "/v1/org", BODY).status == 200
    assert len(peer.requests) == 2 and len(peer.connections) == 1


@pytest.mark.parametrize("how", ["close", "garbage", "silence", "goaway"])
def test_a_connection_that_never_opens(start, how):
    """Before its settings nothing was sent, and it is said so."""
    hello = {"close": b"", "garbage": b"HTTP/1.1 400 Bad Request\r\n\r\n", "silence": b"",
             "goaway": settings() + goaway(0)}[how]
    rig, peer = start(hello=hello, upstream={"connect_timeout": 0.5})
    if how == "close":
        peer.opened = lambda c: c.close()
    given = rig.call("POST", "/v1/org", BODY)
    assert (given.status, given.json["code"]) == (502, "upstream_unreachable"), given.body
    assert given.json["outcome"] == "not-sent" and not peer.requests
    assert outcome(rig, given)["sent"] == "none"


# -- time

def test_one_late_answer(start):
    """Its stream is reset and its client told; the others on the connection see nothing of it."""
    def handler(c, request):
        if b"late" not in request.body:
            c.send(answer(request.stream))

    rig, peer = start(handler, upstream={"response_timeout": 1.0})
    assert rig.call("POST", "/v1/org", BODY).status == 200  # the connection and its SETTINGS are there
    done, results = threading.Event(), []

    def others():
        while not done.is_set():
            results.append(rig.call("POST", "/v1/org", BODY).status)

    thread = threading.Thread(target=others)
    thread.start()
    try:
        given = rig.call("POST", "/v1/org", {"name": "late"})
    finally:
        done.set()
        thread.join()
    assert (given.status, given.json["code"]) == (504, "upstream_timeout")
    assert given.json["outcome"] == "unknown" and outcome(rig, given)["sent"] == "all"
    assert results and set(results) == {200}
    peer.wait(lambda: any(f[0] == RST for f in peer.connections[0].frames))
    late = [r.stream for r in peer.requests if b"late" in r.body][0]
    assert [(f[2], f[3]) for f in peer.seen(RST)] == [(late, struct.pack(">I", CANCEL))]
    assert len(peer.connections) == 1


def test_an_answer_that_stops(start):
    rig, peer = start(lambda c, r: c.send(frame(HEADERS, END_HEADERS, r.stream, block())),
                      upstream={"response_timeout": 0.3})
    answer = rig.call("DELETE", "/v1/org/1")
    assert (answer.status, answer.json["code"], answer.json["upstream_status"]) == (504, "upstream_timeout", 200)
    assert outcome(rig, answer)["answer_cut"] is True


def test_a_proxy_that_was_stopped_reads_what_is_there(start):
    def handler(c, request):
        if len(peer.requests) > 1:
            time.sleep(0.3)
        c.send(answer(request.stream))

    rig, peer = start(handler, upstream={"response_timeout": 0.5})
    assert rig.call("POST", "/v1/org", BODY).status == 200
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        call = pool.submit(rig.call, "POST", "/v1/org", BODY)
        peer.wait_for(2)
        rig.proxy.signal(signal.SIGSTOP)
        time.sleep(1.5)  # a span of time is what is tested
        rig.proxy.signal(signal.SIGCONT)
        assert call.result().status == 200
    assert len(peer.connections) == 1


def test_a_peer_that_fell_silent_is_left(start):
    def handler(c, request):
        if c.number:
            c.send(answer(request.stream))

    rig, peer = start(handler, upstream={"response_timeout": 0.3})
    assert rig.call("POST", "/v1/org", BODY).status == 504
    assert rig.call("POST", "/v1/org", BODY).status == 200
    assert len(peer.connections) == 2


def test_idle_connections_close(start):
    rig, peer = start(upstream={"idle_timeout": 0.2})
    assert rig.call("POST", "/v1/org", BODY).status == 200
    until(lambda: rig.metric("cention_upstream_open") == 0, what="idle")
    peer.wait(lambda: any(f[0] == h2peer.GOAWAY for f in peer.connections[0].frames))


# -- clients

def test_a_client_that_doesn_t_read_stops_no_other(start):
    """Its stream's window fills; memory stays where it was and others are served."""
    size = 20 * 1024 * 1024
    sent = [0]

    def handler(c, request):
        if b"large" not in request.body:
            c.send(answer(request.stream))
            return
        c.send(frame(HEADERS, END_HEADERS, request.stream,
                     block(200, [("content-length", str(size))])))

        def pump():
            with contextlib.suppress(OSError):  # the proxy may end first
                while sent[0] < size:
                    def room():
                        return min(c.room.get(request.stream, 65535) - sent[0], 16384, size - sent[0],
                                   c.room.get(0, 65535) - sent[0] - 100000)  # others need some, too

                    peer.wait(lambda: room() > 0, 60)
                    piece = room()
                    c.send(frame(DATA, 0, request.stream, b"x" * piece))
                    sent[0] += piece
                c.send(frame(DATA, END_STREAM, request.stream))

        threading.Thread(target=pump, daemon=True).start()

    rig, peer = start(handler)
    assert rig.call("POST", "/v1/org", BODY).status == 200
    before = rig.proxy.memory()
    body = b'{"name":"large"}'
    with rig.raw(b"POST /v1/org HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                 b"Content-Length: %d\r\n\r\n%s" % (len(body), body)) as slow:
        last = -1
        while sent[0] != last or sent[0] < 65535:  # until nothing moves any more
            last = sent[0]
            assert rig.call("POST", "/v1/org", BODY).status == 200
            threading.Event().wait(0.2)
        assert sent[0] < size
        assert [a.status for a in together(rig, 16)] == [200] * 16
        assert sanitized() or rig.proxy.memory() - before < 16 * 1024 * 1024
        with slow.makefile("rb") as stream:
            given = read_answer(stream)
    assert given.status == 200 and len(given.body) == size
    assert len(peer.connections) == 1


def test_a_client_that_leaves(start):
    """Its answer is nobody's; the connection and the others on it stay."""
    held = []
    rig, peer = start(lambda c, r: held.append((c, r)) if b"gone" in r.body
                      else c.send(answer(r.stream)))
    body = b'{"name":"gone"}'
    with rig.raw(b"POST /v1/org HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                 b"Content-Length: %d\r\n\r\n%s" % (len(body), body)):
        peer.wait_for(1)
    assert rig.call("POST", "/v1/org", BODY).status == 200
    connection, request = held[0]
    connection.send(answer(request.stream))
    until(lambda: len(rig.records("outcome")) == 2, what="its outcome")
    assert sorted(r["status"] for r in rig.records("outcome")) == [200, 200]
    assert rig.call("POST", "/v1/org", BODY).status == 200
    assert len(peer.connections) == 1


# -- hostile peers

@contextlib.contextmanager
def slowest_look(rig):
    """A list of one: the longest that /healthz took meanwhile, in seconds."""
    slowest, over = [0.0], threading.Event()

    def look():
        while not over.is_set():
            began = time.monotonic()
            assert rig.admin("/healthz").status == 200
            slowest[0] = max(slowest[0], time.monotonic() - began)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        looking = pool.submit(look)
        try:
            yield slowest
        finally:
            over.set()
        looking.result(30)
    assert slowest[0] > 0


def endless(make):
    def handler(c, request):
        with contextlib.suppress(OSError):
            if request.stream == 1:
                while True:
                    c.send(make(request.stream) * 100)

    return handler


@pytest.mark.parametrize("kind", ["ping", "settings", "priority", "empty", "interim", "unknown",
                                  "continuation", "window", "indexed", "huffman", "table sizes"])
def test_floods(start, kind):
    make = {"ping": lambda s: frame(PING, 0, 0, b"12345678"),
            "settings": lambda s: settings(streams=100),
            "priority": lambda s: frame(2, 0, s, b"\0\0\0\0\1"),
            "empty": lambda s: frame(DATA, 0, s),
            "interim": lambda s: frame(HEADERS, END_HEADERS, s, block(100)),
            "unknown": lambda s: frame(0xfa, 0, s, b"x" * 16384),
            "continuation": lambda s: frame(HEADERS, 0, s, b"\x88") +
                            frame(CONTINUATION, 0, s, block(None, [("a", "v" * 1000)])) * 1000,
            "window": lambda s: frame(8, 0, s, b"\0\0\0\1"),
            # One byte for 4,000 each time (RFC 7541, 6.1), codes to unpack, and a table that comes and goes.
            "indexed": lambda s: frame(HEADERS, 0, s, b"\x88" + entry(b"v" * 4000)) +
                       frame(CONTINUATION, 0, s, b"\xbe" * 16000) * 10,
            "huffman": lambda s: frame(HEADERS, 0, s, b"\x88") +
                       frame(CONTINUATION, 0, s, entry(b"\0" * 3900, huffman=True) * 4) * 10,
            "table sizes": lambda s: frame(HEADERS, 0, s, b"\x20\x3f\xe1\x1f\x88") +
                           frame(CONTINUATION, 0, s, entry(b"v" * 100) * 100) * 10}[kind]
    rig, peer = start(endless(make), upstream={"response_timeout": 20.0})
    before = rig.proxy.memory()
    with slowest_look(rig) as slowest:
        broken(rig, rig.call("POST", "/v1/org", BODY))
    print("%s: the slowest /healthz took %.3f s" % (kind, slowest[0]))
    assert slowest[0] < 2.0  # most of it the test's own work
    # One that only lost its stream has its connection for a moment still.
    until(lambda: rig.metric("cention_upstream_open") == 0, what="the connection was left")
    peer.handler = lambda c, r: c.send(answer(r.stream))
    assert rig.call("POST", "/v1/org", BODY).status == 200
    assert sanitized() or rig.proxy.memory() - before < 16 * 1024 * 1024


BAD_HEADS = {
    "no status": block(None, [("a", "b")]),
    "two statuses": block(200, [(":status", "200")]),
    "status 099": block("099"),
    "status 600": block(600),
    "a request's pseudo-header": block(200, [(":path", "/")]),
    "upper case": block(200, [("Name", "b")]),
    "CR in a value": block(200, [("a", "b\rc")]),
    "LF in a value": block(200, [("a", "b\nset-cookie: x")]),
    "NUL in a value": block(200, [("a", "b\0c")]),
    "space in a name": block(200, [("a b", "c")]),
    "colon in a name": block(200, [("a:b", "c")]),
    "connection": block(200, [("connection", "close")]),
    "transfer-encoding": block(200, [("transfer-encoding", "chunked")]),
    "two lengths": block(200, [("content-length", "9"), ("content-length", "9")]),
    "a wrong length": block(200, [("content-length", "8")]),
    "a length that is none": block(200, [("content-length", "0x9")]),
    "101": block(101),
    "too large": block(200, [("a", "v" * 8000)] * 10),
    "too many": block(200, [("a", "v")] * 101),
}


@pytest.mark.parametrize("head", sorted(BAD_HEADS))
def test_heads_that_are_refused(start, head):
    """As strict as with HTTP/1.1; only this stream ends."""
    def handler(c, request):
        if len(peer.requests) > 1:
            c.send(answer(request.stream))
            return
        first, rest = BAD_HEADS[head][:16000], BAD_HEADS[head][16000:]
        data = frame(HEADERS, 0 if rest else END_HEADERS, request.stream, first)
        while rest:
            piece, rest = rest[:16000], rest[16000:]
            data += frame(CONTINUATION, 0 if rest else END_HEADERS, request.stream, piece)
        c.send(data + frame(DATA, END_STREAM, request.stream, b'{"id": 1}'))

    rig, peer = start(handler)
    broken(rig, rig.call("POST", "/v1/org", BODY))
    assert rig.call("POST", "/v1/org", BODY).status == 200
    assert len(peer.connections) == 1 and len(peer.requests) == 2


@pytest.mark.parametrize("junk", [
    frame(PUSH, END_HEADERS, 1, b"\0\0\0\2\x82\x84\x87"), frame(DATA, 0, 0, b"x"),
    frame(HEADERS, END_HEADERS, 1, b"\xff" * 20), frame(SETTINGS, 0, 0, b"\0\2\0\0\0\1"),
    frame(HEADERS, END_HEADERS, 2, b"\x88"), b"\xff" * 100],
    ids=["push", "stream 0", "HPACK", "push on", "server's stream", "noise"])
def test_connections_that_are_refused(start, junk):
    def handler(c, request):
        c.send(answer(request.stream) if c.number else junk)

    rig, peer = start(handler)
    broken(rig, rig.call("POST", "/v1/org", BODY))
    assert rig.call("POST", "/v1/org", BODY).status == 200
    assert len(peer.connections) == 2
