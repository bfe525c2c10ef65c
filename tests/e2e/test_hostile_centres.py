"""Centres in the wrong hands: whatever one sends, and however much, the shipper answers its administrator,
its memory stays bounded, and SIGTERM ends it. Each trick goes on for as long as the shipper takes it."""
import contextlib
import itertools
import json
import os
import pathlib
import socket
import struct
import threading
import time

import pytest

from central import Shipper
from rig import sanitized, until

MIB = 1 << 20
SENT_MOST = 1024 * MIB  # bytes of one trick: then it has not worked
GROWS_MOST = 160  # MiB resident: libnats keeps 64 for each subscription
LIMIT = 1024  # MiB: the shipper's own, for what its libraries take in one piece
LARGE = {"a row description of 400 MiB", "a message of 400 MiB", "headers of 400 MiB", "a line without end",
         "an error without end", "a number without end"}
ANSWERS_WITHIN = 1.0  # seconds, of the administrator's socket

pytestmark = pytest.mark.skipif(sanitized(), reason="measures memory and times of the plain build")


class Centre:
    """Talks to each who connects as `talk(centre, socket)` says, and then sends `blocks` for ever."""

    def __init__(self, talk, blocks):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.talk, self.blocks = talk, blocks
        self.sent, self.began, self.ended = 0, 0, 0
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                peer = self.listener.accept()[0]
                threading.Thread(target=self.attack, args=(peer,), daemon=True).start()

    def attack(self, peer):
        peer.settimeout(60)
        with contextlib.suppress(OSError), peer:
            self.talk(peer)
            self.began += 1
            for block in self.blocks():
                if self.sent >= SENT_MOST:
                    break
                peer.sendall(block)
                self.sent += len(block)
        self.ended += 1

    def close(self):
        self.listener.close()


# -- PostgreSQL: its documentation, "Message Formats"

def message(kind, body, length=None):
    return kind + struct.pack("!I", len(body) + 4 if length is None else length) + body


def postgres(peer, until_ready=True):
    got = peer.recv(8)
    if struct.unpack("!I", got[4:8])[0] == 80877103:  # SSLRequest
        peer.sendall(b"N")
        got = peer.recv(8)
    peer.recv(4096)
    if until_ready:
        peer.sendall(message(b"R", struct.pack("!I", 0)) +
                     b"".join(message(b"S", name + b"\0" + value + b"\0") for name, value in (
                         (b"server_version", b"15.0"), (b"client_encoding", b"UTF8"),
                         (b"standard_conforming_strings", b"on"))) + message(b"Z", b"I"))
        peer.recv(4096)  # the first query


def before_login(peer):
    postgres(peer, until_ready=False)


def after_login_before_ready(peer):
    postgres(peer, until_ready=False)
    peer.sendall(message(b"R", struct.pack("!I", 0)))


def same(data):
    """Blocks of about 64 KiB of one message."""
    block = data * (65536 // len(data) + 1)
    return lambda: itertools.repeat(block)


def names():
    """Parameters of ever new names."""
    for n in itertools.count():
        yield b"".join(message(b"S", b"p%d\0\0" % (n * 4096 + i)) for i in range(4096))


def begun(kind, length):
    """One message of that length, without an end."""
    def blocks():
        yield message(kind, b"", length)
        yield from itertools.repeat(b"\0" * 65536)
    return blocks


def rows():
    yield message(b"1", b"") + message(b"2", b"")
    yield message(b"T", struct.pack("!H", 1) + b"n\0" + struct.pack("!IHIHIH", 0, 0, 25, 65535, 0, 0))
    yield from same(message(b"D", struct.pack("!HI", 1, 1) + b"x"))()


POSTGRES = {
    "notifications": (postgres, same(message(b"A", b"\0\0\0\1channel\0payload\0"))),
    "notices": (postgres, same(message(b"N", b"SWARNING\0VWARNING\0C01000\0Mbeware\0\0"))),
    "parameters": (postgres, names),
    "rows": (postgres, rows),
    "a row description of 1 GiB": (postgres, begun(b"T", 0x3fffffff)),
    "a row description of 400 MiB": (postgres, begun(b"T", 400 * MIB)),
    "a row of 2 GiB": (postgres, begun(b"D", 0x7fffffff)),
    "an error of 1 GiB": (postgres, begun(b"E", 0x3fffffff)),
    "copy data": (postgres, same(message(b"d", b"x" * 1000))),
    "results without end": (postgres, same(message(b"1", b"") + message(b"2", b"") + message(b"n", b""))),
    "ready without end": (postgres, same(message(b"Z", b"I"))),
    "an error of 1 GiB for a login": (before_login, begun(b"E", 0x3fffffff)),
    "an old error without end": (before_login, same(b"E" + b"x" * 1000)),
    "a request for a password of 1 GiB": (before_login, begun(b"R", 0x3fffffff)),
    "negotiations": (before_login, same(message(b"v", struct.pack("!II", 3, 0)))),
    "parameters before ready": (after_login_before_ready, names),
    "notices before ready": (after_login_before_ready, same(message(b"N", b"SWARNING\0Mbeware\0\0"))),
    "a parameter of 1 GiB before ready": (after_login_before_ready, begun(b"S", 0x3fffffff)),
}


# -- NATS: docs.nats.io, "Client Protocol"

INFO = {"server_id": "x", "version": "2.10.0", "proto": 1, "max_payload": 1048576, "headers": True,
        "host": "127.0.0.1", "port": 4222, "jetstream": True}


def nats(peer):
    peer.sendall(b"INFO " + json.dumps(INFO).encode() + b"\r\n")
    got = b""
    while b"PING" not in got:
        got += peer.recv(4096) or b"PING"
    peer.sendall(b"PONG\r\n")
    peer.recv(4096)


def nothing(peer):
    del peer


def servers():
    """INFO lines that name ever new servers."""
    for n in itertools.count():
        urls = ["10.%d.%d.%d:4222" % (i >> 8 & 255, i & 255, n & 255) for i in range(1000)]
        yield b"INFO " + json.dumps({**INFO, "connect_urls": urls}).encode() + b"\r\n"


def no_end(text):
    def blocks():
        yield text
        yield from itertools.repeat(b"x" * 65536)
    return blocks


NATS = {
    "pings": (nats, same(b"PING\r\n")),
    "pongs": (nats, same(b"PONG\r\n")),
    "server lists": (nats, servers),
    "a line without end": (nats, no_end(b"INFO {")),
    "a first line without end": (nothing, no_end(b"INFO {")),
    "an error without end": (nats, no_end(b"-ERR '")),
    "errors": (nats, same(b"-ERR 'no'\r\n")),
    "a message of 2 GiB": (nats, no_end(b"MSG a 1 2147483000\r\n")),
    "headers of 2 GiB": (nats, no_end(b"HMSG a 1 2147483000 2147483000\r\n")),
    "a message of 400 MiB": (nats, no_end(b"MSG a 1 400000000\r\n")),
    "headers of 400 MiB": (nats, no_end(b"HMSG a 1 400000000 400000000\r\n")),
    "a number without end": (nats, lambda: itertools.chain([b"MSG a 1 "], itertools.repeat(b"9" * 65536))),
    "messages for nobody": (nats, same(b"MSG a 77 5\r\nhello\r\n")),
    "messages": (nats, same(b"MSG _INBOX.x 1 5\r\nhello\r\n")),
    "messages with headers": (nats, same(b"HMSG _INBOX.x 1 18 23\r\nNATS/1.0\r\nA: b\r\n\r\nhello\r\n")),
}


def resident(pid):
    """(now, at most so far) in MiB."""
    words = dict(line.split(":", 1) for line in pathlib.Path("/proc/%d/status" % pid).read_text().splitlines())
    return tuple(int(words[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))


def attack(rig, tmp_path, kind, talk, blocks, url, **more):
    centre = Centre(talk, blocks)
    ship = Shipper(tmp_path / "ship", rig.audit_folder,
                   [{"name": "evil", "type": kind, "url": url % centre.port, **more}])
    try:
        ship.start()
        ship.daemon.wait_line("event=shipping")
        first, _ = resident(ship.daemon.pid)
        until(lambda: centre.began, 20)
        slowest, end = 0.0, time.monotonic() + 6
        while time.monotonic() < end and centre.sent < SENT_MOST:
            began = time.monotonic()
            assert ship.ask("/healthz")[0] == 200
            slowest = max(slowest, time.monotonic() - began)
            time.sleep(0.02)
        grown = resident(ship.daemon.pid)[1] - first
        descriptors = len(os.listdir("/proc/%d/fd" % ship.daemon.pid))
        began = time.monotonic()
        assert ship.daemon.stop() == 0
        return centre, slowest, grown, time.monotonic() - began, descriptors
    finally:
        centre.close()
        ship.stop()


def fair(trick, told):
    centre, slowest, grown, stopping, descriptors = told
    print("%.0f MiB sent, %d connections; grown by %.0f MiB, slowest answer %.3f s, stopped in %.1f s" % (
        centre.sent / MIB, centre.began, grown, slowest, stopping))
    assert slowest < ANSWERS_WITHIN, told
    assert grown < (LIMIT if trick in LARGE else GROWS_MOST), told
    assert stopping < 8 and descriptors < 64, told


@pytest.fixture
def logged(rig, lookalike):
    assert rig.call("POST", "/v1/org", {"name": "n"}).status == 200
    return rig


@pytest.mark.parametrize("trick", POSTGRES)
def test_postgres(trick, logged, tmp_path):
    fair(trick, attack(logged, tmp_path, "postgresql", *POSTGRES[trick],
                       "postgresql://u@127.0.0.1:%d/audit?sslmode=disable&gssencmode=disable"))


@pytest.mark.parametrize("trick", NATS)
def test_nats(trick, logged, tmp_path):
    fair(trick, attack(logged, tmp_path, "nats", *NATS[trick], "nats://127.0.0.1:%d"))
