"""Slow, idle and many clients: honest ones are served, the slow ones are cut off, nothing spins."""
import contextlib
import os
import resource
import signal
import socket
import threading
import time

import pytest

from rig import head, read_answer, sanitized, until

BODY = b'{"name":"n"}'
MIB = 1024 * 1024
HONEST = 100
LIMIT = 0.25  # seconds of CPU within an idle second; a spinning loop needs all of it


@pytest.fixture(autouse=True)
def descriptors():
    """Enough for both ends' worth of sockets here; the daemons are started with the old limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 4096:
        pytest.skip("the hard limit of descriptors is %d" % hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4096), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def cpu(daemon):
    """Seconds of CPU time that it has used."""
    fields = open("/proc/%d/stat" % daemon.pid).read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def quiet(rig, what):
    """The CPU time of a second in which nobody honest wants anything. What came before may still be
    going on, longer beside a busy core: one quiet second of ten is enough. A loop that spins has
    none."""
    limit = LIMIT if not sanitized() else 0.6
    for _ in range(10):
        before = cpu(rig.proxy)
        time.sleep(1)  # a span of time is what is measured
        used = cpu(rig.proxy) - before
        print("\n%s: %.2f s of CPU in 1 s" % (what, used))
        if used < limit:
            return
    raise AssertionError("%s: %.2f s of CPU in each second" % (what, used))


def honest(rig, what, count=HONEST, keep=False):
    """Calls on a new connection each, as a script makes them; prints how long they took."""
    took = []
    held = rig.connection() if keep else None
    for _ in range(count):
        began = time.monotonic()
        answer = rig.call("POST", "/v1/org", BODY, connection=held)
        assert answer.status == 200, answer.body
        took.append(time.monotonic() - began)
    if held:
        held.close()
    took.sort()
    p99 = took[(count * 99 + 99) // 100 - 1]  # by nearest rank
    print("\n%s: %d honest calls, p50 %.1f ms, p99 %.1f ms, max %.1f ms" % (
        what, count, took[count // 2] * 1e3, p99 * 1e3, took[-1] * 1e3))
    return p99


@contextlib.contextmanager
def crowd(rig, count, data=b"", small=False):
    """That many connections, each having sent `data`."""
    socks = []
    try:
        for _ in range(count):
            sock = socket.socket()
            if small:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            sock.settimeout(20)
            sock.connect(("127.0.0.1", rig.port))
            with contextlib.suppress(ConnectionError):
                sock.sendall(data)
            socks.append(sock)
        yield socks
    finally:
        for sock in socks:
            sock.close()


class Trickle:
    """Sends one more byte on every connection each 50 ms, as slowloris does."""

    def __init__(self, socks, byte):
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(socks, byte))

    def _run(self, socks, byte):
        while not self._stop.wait(0.05):
            for sock in socks:
                with contextlib.suppress(OSError):
                    sock.send(byte)

    def __enter__(self):
        self._thread.start()

    def __exit__(self, *ignored):
        self._stop.set()
        self._thread.join()


HEAD = b"POST /v1/org HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
SLOW = {"heads": (HEAD + b"X: ", b"x", "header_timeout", "the head"),
        "bodies": (HEAD + b"Content-Length: 100000\r\n\r\n{", b" ", "body_timeout", "the body"),
        "chunks": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n10000\r\n{", b" ", "body_timeout",
                   "the body")}


@pytest.mark.parametrize("name", sorted(SLOW))
def test_slowloris_is_cut_off_in_time(make_rig, name):
    """408, at the time that the setting says, however steadily the bytes come."""
    data, byte, setting, words = SLOW[name]
    rig = make_rig(proxy={"limits": {setting: 1.0}}).start()
    began = time.monotonic()
    with crowd(rig, 50, data) as socks, Trickle(socks, byte):
        honest(rig, "slow " + name, keep=True)
        for sock in socks:
            answer = read_answer(sock.makefile("rb"))
            assert (answer.status, answer.json["code"]) == (408, "timeout"), answer.body
            assert answer.json["outcome"] == "not-sent" and words in answer.json["error"]
            assert answer.field("connection") == "close"
        took = time.monotonic() - began
    assert 0.9 < took < 6, took
    until(lambda: rig.metric("cention_client_connections") == 0, what="the end of the slow ones")
    assert [r["status"] for r in rig.records("reject")] == [408] * 50
    quiet(rig, "afterwards")


@pytest.mark.parametrize("name", sorted(SLOW))
def test_slowloris_on_every_connection(make_rig, lookalike, name):
    """More slow ones than there may be connections, and time enough for them: they make room."""
    data, byte, _, _ = SLOW[name]
    rig = make_rig(proxy={"limits": {"connections": 256}}).start()
    with crowd(rig, 400, data) as socks:
        until(lambda: rig.metric("cention_client_connections") >= 256, what="the crowd")
        with Trickle(socks, byte):
            honest(rig, "400 with slow %s on 256 places" % name)
        assert rig.metric("cention_client_displaced_total") >= HONEST
        assert rig.metric("cention_client_connections") <= 256 + 64
        quiet(rig, "400 with slow " + name)
    assert len(lookalike.accepted) == HONEST
    rig.proxy.wait_line("event=connections_full ")


def test_slow_readers(make_rig, lookalike):
    """Windows of 2 KiB and answers that nobody reads, on every connection there may be."""
    size = 3 * MIB
    rig = make_rig(proxy={"limits": {"connections": 24, "write_timeout": 60.0},
                          "upstream": {"max_connections": 64}}).start()
    for _ in range(24):
        lookalike.order(stream=size)
    with crowd(rig, 24, head("POST", "/v1/org", BODY), small=True) as socks:
        lookalike.wait_for(24)
        until(lambda: len(rig.records("outcome")) == 24, what="the outcomes")
        quiet(rig, "24 unread answers of 3 MiB")
        honest(rig, "24 unread answers on 24 places")
        # Those that were not displaced get their answer whole once they read.
        whole = 0
        for sock in socks:
            with contextlib.suppress(ConnectionError, AssertionError, ValueError):
                answer = read_answer(sock.makefile("rb"))
                whole += answer is not None and len(answer.body) == size
        print("\n%d of 24 read their answer in the end" % whole)
        assert whole >= 22
    assert len(lookalike.requests) == 24 + HONEST


def test_a_slow_reader_is_let_go(make_rig, lookalike):
    """Within write_timeout without progress, on every connection."""
    rig = make_rig(proxy={"limits": {"write_timeout": 0.5}}).start()
    for _ in range(16):
        lookalike.order(stream=3 * MIB)
    with crowd(rig, 16, head("POST", "/v1/org", BODY), small=True):
        lookalike.wait_for(16)
        until(lambda: rig.metric("cention_client_connections") == 0, what="the end")
    honest(rig, "afterwards")


def test_2000_idle_connections(make_rig, lookalike):
    """Twice as many as there may be by default; they stay if the limit says so."""
    rig = make_rig(proxy={"limits": {"connections": 2200, "idle_timeout": 3600}}).start()
    before = rig.proxy.memory()
    with crowd(rig, 2000) as socks:
        until(lambda: rig.metric("cention_client_connections") == 2000, what="the crowd")
        print("\n2000 idle: %.1f KiB each" % ((rig.proxy.memory() - before) / 2000 / 1024))
        quiet(rig, "2000 idle")
        honest(rig, "2000 idle")
        assert rig.metric("cention_client_displaced_total") == 0
        socks[0].sendall(head("POST", "/v1/org", BODY))
        assert read_answer(socks[0].makefile("rb")).status == 200
    until(lambda: rig.metric("cention_client_connections") == 0, what="the end")


def test_2000_idle_connections_past_the_limit(rig):
    with crowd(rig, 2000):
        honest(rig, "2000 idle on 1024 places")
        quiet(rig, "2000 idle on 1024 places")
        assert rig.metric("cention_client_connections") <= 1024 + 64
        assert rig.metric("cention_client_displaced_total") > 0


def test_a_storm_of_connections(make_rig):
    """New ones all the time, from threads that never stop: what is young can't make room, but the
    storm's own age soon."""
    rig = make_rig(proxy={"limits": {"connections": 128}}).start()
    stop = threading.Event()

    def storm():
        held = []
        while not stop.is_set():
            with contextlib.suppress(OSError):
                held.append(socket.create_connection(("127.0.0.1", rig.port), timeout=0.5))
            time.sleep(0.002)
            if len(held) > 300:
                held.pop(0).close()
        for sock in held:
            sock.close()

    threads = [threading.Thread(target=storm) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        until(lambda: rig.metric("cention_client_displaced_total") > 0, what="the storm")
        honest(rig, "a storm on 128 places")
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_busy_ones_don_t_make_room(make_rig, lookalike):
    """Who waits for the upstream is not thrown out: then the new one is told 503."""
    rig = make_rig(proxy={"limits": {"connections": 8}}).start()
    for _ in range(8):
        lookalike.order(delay=1.5)
    with crowd(rig, 8, head("POST", "/v1/org", BODY)) as socks:
        lookalike.wait_for(8)
        answer = rig.call("POST", "/v1/org", BODY)
        assert (answer.status, answer.json["code"]) == (503, "overloaded")
        for sock in socks:
            assert read_answer(sock.makefile("rb")).status == 200
    assert rig.metric("cention_client_displaced_total") == 0


def test_a_kept_connection_is_not_lost_at_once(make_rig):
    """One that was used within the last 0.1 s: its next request may be on the way."""
    rig = make_rig(proxy={"limits": {"connections": 1}}).start()
    began = time.monotonic()
    with rig.raw(head("POST", "/v1/org", BODY)) as held:
        stream = held.makefile("rb")
        assert read_answer(stream).status == 200
        with rig.raw(head("POST", "/v1/org", BODY)) as second:  # there is room for a moment
            assert read_answer(second.makefile("rb")).status == 200
            assert stream.read() == b""
            assert 0.1 <= time.monotonic() - began < 10
            second.sendall(head("POST", "/v1/org", BODY))
            assert read_answer(second.makefile("rb")).status == 200
    assert rig.metric("cention_client_displaced_total") == 1


def test_all_active(make_rig):
    """More clients than places, and none ever idle: the ones too many are told so."""
    rig = make_rig(proxy={"limits": {"connections": 4}}).start()
    stop, statuses = threading.Event(), []

    def client(keep):
        while not stop.is_set():
            try:
                connection = rig.connection()
                for _ in range(1000000 if keep else 1):
                    if stop.is_set():
                        break
                    answer = rig.call("POST", "/v1/org", BODY, connection=connection)
                    statuses.append(answer.status)
                    if answer.status != 200:
                        break
                connection.close()
            except OSError:
                pass

    threads = [threading.Thread(target=client, args=(True,)) for _ in range(72)]
    for thread in threads:
        thread.start()
    try:
        until(lambda: statuses.count(503) > 10, 20, "the refusals")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert set(statuses) == {200, 503} and statuses.count(200) >= 4


def test_fewer_descriptors_than_connections(make_rig, lookalike):
    """The hard limit is low from the start: fewer connections, and enough left for the upstream."""
    rig = make_rig()
    rig.start_keeper()
    rig.start_proxy("prlimit", "--nofile=256:256")
    rig.proxy.traced = False  # prlimit becomes the program
    rig.wait_ready()
    places = int(rig.proxy.wait_line(r"event=connections_limited connections=(\d+)").group(1))
    assert places < 256
    with crowd(rig, 400):
        until(lambda: rig.metric("cention_client_connections") >= places, what="the crowd")
        lookalike.close_all()  # so that new ones are needed there, too
        honest(rig, "400 idle with 256 descriptors")
        quiet(rig, "400 idle with 256 descriptors")
    assert "accept_failed" not in rig.proxy.log


def test_descriptors_run_out(make_rig, lookalike):
    """The limit falls below what is open while it runs: the longest-waiting make room."""
    rig = make_rig().start()
    with crowd(rig, 200):
        until(lambda: rig.metric("cention_client_connections") == 200, what="the crowd")
        lookalike.close_all()
        resource.prlimit(rig.proxy.pid, resource.RLIMIT_NOFILE, (64, 64))
        # Now nothing can be opened until enough of the crowd was closed.
        until(lambda: rig.call("POST", "/v1/org", BODY).status == 200, what="room")
        honest(rig, "200 idle, then 64 descriptors")
        quiet(rig, "200 idle, then 64 descriptors")
    print("\n%d lines about accept" % rig.proxy.log.count("accept_failed"))


def test_descriptors_run_out_for_good(make_rig):
    """Not one can be opened, and nobody can be closed: it rests, and comes back."""
    rig = make_rig(proxy={"limits": {"connections": 8}}).start()
    held = rig.connection()
    assert rig.call("POST", "/v1/org", BODY, connection=held).status == 200
    resource.prlimit(rig.proxy.pid, resource.RLIMIT_NOFILE, (3, 4096))
    with rig.raw(head("POST", "/v1/org", BODY)) as waiting:
        time.sleep(0.3)  # the held one is displaced, which is not enough
        quiet(rig, "no descriptor at all")
        resource.prlimit(rig.proxy.pid, resource.RLIMIT_NOFILE, (4096, 4096))
        assert read_answer(waiting.makefile("rb")).status == 200
    assert rig.proxy.log.count("accept_failed") < 30
    held.close()


# -- the upstream's time

@pytest.mark.parametrize("framing, length", [("length", 10000), ("chunked", None)])
def test_an_answer_that_drips(make_rig, lookalike, framing, length):
    """A byte at a time keeps to response_timeout for ever; total_timeout ends it."""
    rig = make_rig(proxy={"upstream": {"response_timeout": 5.0, "total_timeout": 1.0}}).start()
    fields = b"Content-Length: 10000" if length else b"Transfer-Encoding: chunked"
    piece = b"x" if length else b"1\r\nx\r\n"
    lookalike.order(answer=b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n\r\n", drip=(piece, 0.05))
    began = time.monotonic()
    answer = rig.call("POST", "/v1/org", BODY)
    assert (answer.status, answer.json["code"], answer.json["outcome"]) == (504, "upstream_timeout", "unknown")
    assert answer.json["upstream_status"] == 200 and 0.9 < time.monotonic() - began < 4
    outcome = rig.records("outcome")[-1]
    assert outcome["answer_cut"] is True and outcome["answer_bytes"] > 0
    assert "total_timeout" in outcome["error"]
    assert rig.call("POST", "/v1/org", BODY).status == 200


def test_a_long_answer_that_drips(make_rig, lookalike):
    """Behind the first 64 KiB, of which the client has got some: it is cut off."""
    rig = make_rig(proxy={"upstream": {"response_timeout": 5.0, "total_timeout": 1.0}}).start()
    lookalike.order(answer=b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 70000, drip=(b"x", 0.05))
    began = time.monotonic()
    with rig.raw(head("POST", "/v1/org", BODY)) as sock, contextlib.suppress(OSError):
        while sock.recv(65536):
            pass
    assert 0.9 < time.monotonic() - began < 4
    until(lambda: rig.metric("cention_running") == 0, what="the end of the exchange")
    assert rig.records("outcome")[-1]["answer_more"] is True


def test_total_timeout_of_one_without_an_answer(make_rig, lookalike):
    rig = make_rig(proxy={"upstream": {"response_timeout": 20.0, "total_timeout": 0.5}}).start()
    lookalike.order(delay=5)
    began = time.monotonic()
    answer = rig.call("POST", "/v1/org", BODY)
    assert (answer.status, answer.json["code"]) == (504, "upstream_timeout") and time.monotonic() - began < 4
    assert "upstream_status" not in answer.json and rig.records("outcome")[-1]["status"] == 504


def test_a_proxy_that_was_stopped_reads_what_is_there(make_rig, lookalike):
    """The answer came in time; that the proxy stood still for longer than response_timeout is not its fault."""
    rig = make_rig(proxy={"upstream": {"response_timeout": 0.5}}).start()
    for cut in (0, 30, 90):
        body = b'{"id":1,"name":"%s"}' % (b"x" * 50)
        whole = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        lookalike.order(answer=whole[:cut], then=(0.3, whole[cut:]))
        with rig.raw(head("POST", "/v1/org", BODY)) as sock:
            lookalike.wait_for(len(lookalike.requests) + 1)
            rig.proxy.signal(signal.SIGSTOP)
            time.sleep(1.5)  # a span of time is what is tested
            rig.proxy.signal(signal.SIGCONT)
            with sock.makefile("rb") as stream:
                answer = read_answer(stream)
        assert (answer.status, answer.body) == (200, body), cut
