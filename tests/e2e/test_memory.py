"""Memory that runs out while a request is served: that request may fail, the daemon and the next one don't."""
import collections
import http.client
import mmap
import os
import signal
import struct

import pytest

from h2peer import Peer, answer
from outage import library
from rig import until

BODY = {"name": "n" * 200}
FIRST, STEP, MOST = 40, 13, 1500  # pieces: all of the first ones, then every 13th


class Scarce:
    """Tells tests/e2e/preload/scarce.c what to do."""

    def __init__(self, folder):
        file = folder / "scarce"
        file.write_bytes(bytes(24))
        with file.open("r+b") as f:
            self._map = mmap.mmap(f.fileno(), 24)
        self.environment = {**os.environ, "LD_PRELOAD": str(library("scarce")),
                            "CENTION_PRELOAD_SCARCE": str(file)}

    def begin(self, piece, all_after):
        self._map[8:] = struct.pack("=QQ", all_after, 0)
        self._map[:8] = struct.pack("=Q", piece)

    def end(self):
        """How many pieces were asked for."""
        self._map[:8] = bytes(8)
        return struct.unpack("=Q", self._map[16:])[0]


def leave(connection, request):
    connection.closed = True  # known before the answer is
    connection.send(answer(request.stream))
    connection.close()


def settled(rig, peer):
    """What the peer left is seen; a connection that no request came on stays, and may be used."""
    until(lambda: not peer.connections or not peer.connections[-1].closed or
          rig.metric("cention_upstream_open") == 0, what="the peer's leave was seen")


@pytest.fixture
def start(make_rig, certificate, tmp_path):
    """start(name): daemons before a peer that leaves after each answer, and what lets that one's memory run out."""
    with Peer(certificate, leave) as peer:
        def make(name):
            scarce, rig = Scarce(tmp_path), make_rig(peer.url)
            if name == "cention-keeperd":
                rig.keeper_env = scarce.environment
            else:
                rig.proxy_env = scarce.environment
            return rig.start(), peer, scarce

        yield make


def attempt(rig):
    try:
        return rig.call("POST", "/v1/org", BODY).status
    except (OSError, http.client.HTTPException):
        return "closed"


@pytest.mark.parametrize("all_after", [False, True], ids=["one", "all-after"])
@pytest.mark.parametrize("name", ["cention-proxyd", "cention-keeperd"])
def test_memory_runs_out(start, name, all_after):
    rig, peer, scarce = start(name)
    seen, piece, asked, enough = collections.Counter(), 0, 0, 0
    while enough < 2 and piece < MOST:  # twice: one may have found a connection that was left over
        piece += 1 if piece < FIRST else STEP
        scarce.begin(piece, all_after)
        seen[attempt(rig)] += 1
        asked = scarce.end()
        enough = enough + 1 if asked < piece else 0
        assert rig.keeper.process.poll() is None and rig.proxy.process.poll() is None, rig.proxy.log
        settled(rig, peer)
        rig.wait_ready()
        assert attempt(rig) == 200, "after piece %d" % piece
        settled(rig, peer)
    print("\n%s, %d pieces: %s" % (name, asked, dict(seen)))
    assert enough == 2 and set(seen) <= {200, 500, 502, 503, "closed"}
    assert len(seen) > 1  # it did run out
    rig.keeper.signal(signal.SIGTERM)
    assert rig.keeper.process.wait(15) == 0
