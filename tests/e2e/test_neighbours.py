"""What one client may do to the others: nothing. Each user sends as root tells it to, so these need root."""
import collections
import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from rig import sanitized, until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="other users can be tried by root alone")

GOOD, FLOOD = 61001, 61002  # a client of the policy, and nobody's
CLIENTS = {"clients": [{"name": "good", "uid": GOOD}, {"name": "me", "uid": os.geteuid()}],
           "limits": {"rejects": 10}}
WAY = float(os.environ.get("CENTION_STOPPED_SECONDS", 0))

# As the user: so many threads, each sends its requests one after another on a connection of its own, and
# prints the statuses and codes as JSON. A last argument "-" goes on until standard input ends.
SENDER = r"""
import collections, json, os, socket, sys, threading
uid, threads, each, size, port, name = int(sys.argv[1]), *map(int, sys.argv[2:6]), sys.argv[6]
os.setgroups([]); os.setresgid(uid, uid, uid); os.setresuid(uid, uid, uid)
seen, retry, over = collections.Counter(), [0], threading.Event()

def one(n):
    i = 0
    body = json.dumps({"name": "x" * (size >> n % 16)}).encode()  # of all lengths: no room is left over
    while not over.is_set() and (each == 0 or i < each):
        try:
            s = socket.create_connection(("127.0.0.1", port), timeout=60)
            while not over.is_set() and (each == 0 or i < each):
                s.sendall(b"PUT /v1/org/%d HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                          b"X-Request-Id: %s-%d-%d\r\nContent-Length: %d\r\n\r\n" % (
                              n % 10 + 1, name.encode(), n, i, len(body)) + body)
                i += 1
                f = s.makefile("rb")
                line = f.readline()
                if not line:
                    seen["closed"] += 1
                    break
                fields = dict(l.decode().rstrip().lower().split(": ", 1) for l in iter(f.readline, b"\r\n"))
                text = f.read(int(fields["content-length"]))
                status = int(line.split()[1])
                code = json.loads(text).get("code", "") if status >= 400 else ""
                seen["%d %s" % (status, code)] += 1
                retry[0] += "retry-after" in fields
                if fields.get("connection") == "close":
                    break
        except OSError as e:
            seen["broken"] += 1
            if each:
                return

threads = [threading.Thread(target=one, args=(n,), daemon=True) for n in range(threads)]
[t.start() for t in threads]
print("started", flush=True)
if each == 0:
    sys.stdin.read()
    over.set()
[t.join(90) for t in threads]
print(json.dumps([seen, retry[0]]), flush=True)
"""


class Sender:
    def __init__(self, rig, uid, threads, each, size, name):
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-c", SENDER, *map(str, (uid, threads, each, size, rig.port, name))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/")
        assert self.process.stdout.readline() == "started\n"

    def end(self):
        """(what it was answered, how many answers had Retry-After)."""
        out, _ = self.process.communicate(timeout=150)
        seen, retry = json.loads(out)
        return collections.Counter(seen), retry


@pytest.fixture
def objects(lookalike):
    for number in range(20):
        lookalike.api._objects["org", "televox", number] = {"id": number}


# Holds so many connections, sends the beginning of a request on each and reads until standard input ends.
HOLDER = r"""
import os, selectors, socket, sys
uid, count, port, again = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "again"
os.setgroups([]); os.setresgid(uid, uid, uid); os.setresuid(uid, uid, uid)
sel = selectors.DefaultSelector()

def hold():
    s = socket.create_connection(("127.0.0.1", port), timeout=30)
    s.sendall(b"PUT /v1/org/1 HTTP/1.1\r\nHost: localh")
    s.setblocking(False)
    sel.register(s, selectors.EVENT_READ)

for _ in range(count):
    hold()
print("started", flush=True)
sel.register(0, selectors.EVENT_READ)
while True:
    for key, _ in sel.select():
        if key.fileobj == 0:
            sys.exit(0)
        try:
            data = key.fileobj.recv(4096)
        except OSError:
            data = b""
        if not data:
            sel.unregister(key.fileobj)
            key.fileobj.close()
            if again:
                hold()
"""


def test_connections_of_others_stay(make_rig, lookalike, objects):
    """One who takes all connections, again and again, has its own closed, not those of others."""
    rig = make_rig(keeper=CLIENTS, proxy={"limits": {"connections": 64}}).start()
    mine = [rig.connection(20) for _ in range(5)]
    for c in mine:  # idle since before the others come
        assert rig.call("PUT", "/v1/org/1", {"name": "n"}, connection=c).status == 200
    sockets = [c.sock for c in mine]
    time.sleep(0.2)
    holder = subprocess.Popen([sys.executable, "-I", "-c", HOLDER, str(FLOOD), "150", str(rig.port),
                               "again"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/")
    try:
        assert holder.stdout.readline() == "started\n"
        until(lambda: rig.metric("cention_client_displaced_total") > 100, what="displaced connections")
        for _ in range(20):
            for c in mine:
                assert rig.call("PUT", "/v1/org/1", {"name": "n"}, connection=c).status == 200
            time.sleep(0.02)
        assert [c.sock for c in mine] == sockets  # not one was closed
        assert rig.call("PUT", "/v1/org/1", {"name": "n"}).status == 200  # and a new one is let in
    finally:
        holder.stdin.close()
        holder.wait(20)


def test_a_user_whose_requests_all_hang(make_rig, lookalike, objects, authority):
    """It holds every connection busy; a request of another user is still served."""
    clients = {"clients": [{"name": "good", "uid": GOOD}, {"name": "slow", "uid": FLOOD}]}
    rig = make_rig(keeper=clients, proxy={"limits": {"connections": 40}, "upstream": {
        "url": lookalike.url, "ca_file": str(authority.file), "max_connections": 64}}).start()
    lookalike.order(delay=4.0, times=40)
    slow = Sender(rig, FLOOD, 40, 1, 10, "slow")
    until(lambda: len(lookalike.requests) >= 40, what="40 changes under way")
    time.sleep(0.3)
    began = time.monotonic()
    assert Sender(rig, GOOD, 3, 1, 10, "good").end()[0] == {"200 ": 3}
    assert time.monotonic() - began < 3
    assert slow.end()[0] == {"200 ": 40}


def test_a_user_who_fills_the_queue(make_rig, lookalike, objects, authority):
    """Others find a place in the full queue, and are served in their turn, not behind it."""
    clients = {"clients": [{"name": "good", "uid": GOOD}, {"name": "much", "uid": FLOOD}]}
    rig = make_rig(keeper=clients, proxy={"upstream": {
        "url": lookalike.url, "ca_file": str(authority.file), "max_connections": 2, "queue": 8,
        "queue_timeout": 60.0, "http2": False}}).start()
    lookalike.order(delay=0.05, times=100000)
    much = Sender(rig, FLOOD, 40, 0, 10, "much")
    until(lambda: rig.metric("cention_upstream_queued") >= 8, what="a full queue")
    began = time.monotonic()
    good = Sender(rig, GOOD, 2, 10, 10, "good").end()[0]
    took = time.monotonic() - began
    seen, retry = much.end()
    print("20 requests in %.2f s; the other: %s" % (took, seen))
    assert good == {"200 ": 20}, good
    assert set(seen) <= {"200 ", "503 overloaded"} and retry == seen["503 overloaded"], seen
    assert seen["200 "] > 10  # it is served too


@pytest.mark.parametrize("seconds", [WAY] if WAY else [3, 9])
def test_a_flood_while_the_keeper_is_stopped(make_rig, lookalike, authority, objects, seconds):
    """Changes of others are all recorded and answered 200, those under way and those that come."""
    # A busy machine may stop it for longer than it is told to; the default is 10 s.
    rig = make_rig(keeper=CLIENTS, proxy={"keeper_timeout": 20.0, "upstream": {
        "url": lookalike.url, "ca_file": str(authority.file), "max_connections": 64}}).start()
    lookalike.order(delay=1.0, times=30)
    under_way = Sender(rig, GOOD, 30, 1, 10, "first")
    until(lambda: len(lookalike.requests) >= 30, what="30 changes under way")
    rig.keeper.signal(signal.SIGSTOP)
    stopped = time.monotonic()
    try:
        flood = Sender(rig, FLOOD, 400, 0, 1000000, "flood")
        time.sleep(0.5)
        come = Sender(rig, GOOD, 70, 1, 10, "later")
        assert rig.admin("/healthz").status == 200
        time.sleep(max(0.0, stopped + seconds - time.monotonic()))
    finally:
        rig.keeper.signal(signal.SIGCONT)
    assert under_way.end()[0] == {"200 ": 30}
    assert come.end()[0] == {"200 ": 70}
    seen, retry = flood.end()
    print("flood: %s" % seen)
    assert set(seen) <= {"401 unknown_client", "503 overloaded"}, seen
    assert retry == seen["503 overloaded"] > 0
    outcomes = {r["id"]: r for r in rig.records("outcome")}
    ours = [r for r in outcomes.values() if r["id"].startswith(("first-", "later-"))]
    assert len(ours) == 100 and all(r["status"] == 200 for r in ours)
    assert "keeper_lost" not in rig.proxy.log
    assert rig.keeper.log.count("event=link_opened") == 1


# Opens so many connections that each send the beginning of a body and then nothing more.
HALVES = r"""
import os, socket, sys
uid, count, port, length, sent = map(int, sys.argv[1:6])
os.setgroups([]); os.setresgid(uid, uid, uid); os.setresuid(uid, uid, uid)
held = []
for _ in range(count):
    s = socket.create_connection(("127.0.0.1", port), timeout=30)
    s.sendall(b"PUT /v1/org/1 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
              b"Content-Length: %d\r\n\r\n" % length)
    s.settimeout(0.5)
    try:
        s.sendall(b'{"name":"' + b"x" * sent)
    except OSError:
        pass
    held.append(s)
print("started", flush=True)
sys.stdin.read()
told = 0
for s in held:
    try:
        s.settimeout(0.01)
        told += b" 503 " in s.recv(4096)
    except OSError:
        pass
print(told, flush=True)
"""


@pytest.mark.skipif(sanitized(), reason="the sanitizer keeps freed memory")
def test_half_bodies_have_a_budget(make_rig, lookalike, objects):
    """They take no more memory than limits.memory, and others' bodies go through meanwhile."""
    rig = make_rig(keeper=CLIENTS, proxy={"limits": {"memory": 16 << 20, "body_timeout": 60.0}}).start()
    assert rig.call("PUT", "/v1/org/1", {"name": "n"}).status == 200
    before = rig.proxy.memory()
    halves = subprocess.Popen([sys.executable, "-I", "-c", HALVES, str(FLOOD), "60", str(rig.port), "1000000",
                               "700000"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/")
    try:
        assert halves.stdout.readline() == "started\n"
        grown = rig.proxy.memory() - before
        print("60 half bodies: %.1f MiB" % (grown / (1 << 20)))
        assert grown < (16 << 20) + 60 * (192 << 10) + (8 << 20)
        big = b'{"name":"' + b"x" * 900000 + b'"}'
        began = time.monotonic()
        for _ in range(5):
            assert rig.call("PUT", "/v1/org/1", big).status in (200, 422)
            assert rig.call("PUT", "/v1/org/1", {"name": "n"}).status == 200
        assert time.monotonic() - began < 20
        assert rig.proxy.memory() - before < (16 << 20) + 60 * (192 << 10) + (16 << 20)
    finally:
        told, _ = halves.communicate(timeout=60)
    assert int(told) > 30, told
    refused = rig.records("reject")
    assert sum(r.get("repeated", 1) for r in refused if r["code"] in ("overloaded", "unknown_client")) > 0
