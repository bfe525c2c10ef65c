"""Many at once: no error, one intent and one outcome each, few syncs, flat memory."""
import http.client
import os
import re
import shutil
import threading
import time

import pytest

from manager import activated
from rig import Daemon, program, sanitized

SECONDS = float(os.environ.get("CENTION_LOAD_SECONDS", "3"))
CONNECTIONS = 64
BODY = b'{"name":"Support","active":true,"anonymize_day":365,"time_zone":"CET"}'


def test_64_connections(rig, lookalike):
    end = time.monotonic() + SECONDS
    third = time.monotonic() + SECONDS / 3
    counts, failures = [], []

    def client():
        connection = http.client.HTTPConnection("127.0.0.1", rig.port, timeout=30)
        done = 0
        while time.monotonic() < end:
            connection.request("POST", "/v1/org", body=BODY,
                               headers={"Content-Type": "application/json"})
            response = connection.getresponse()
            response.read()
            if response.status != 200:
                failures.append(response.status)
            done += 1
        connection.close()
        counts.append(done)

    threads = [threading.Thread(target=client) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    time.sleep(max(0.0, third - time.monotonic()))  # a point in time is what is wanted here
    early = rig.proxy.memory(), rig.keeper.memory()
    for thread in threads:
        thread.join()
    late = rig.proxy.memory(), rig.keeper.memory()
    total = sum(counts)
    assert failures == [] and total > CONNECTIONS

    assert rig.proxy.stop() == 0 and rig.keeper.stop() == 0
    intents = [r["id"] for r in rig.records("intent")]
    outcomes = [r["id"] for r in rig.records("outcome")]
    assert len(intents) == len(set(intents)) == total
    assert sorted(intents) == sorted(outcomes)
    assert len(lookalike.accepted) == len(lookalike.requests) == total
    match = rig.keeper.wait_line(r"event=stopped records=(\d+) syncs=(\d+)")
    syncs = int(match.group(2))
    print("\n%d requests, %d records, %d fdatasync, memory %s -> %s" % (
        total, int(match.group(1)), syncs, early, late))
    assert syncs < 1.5 * total  # two records each, often shared even by this slow client
    if not sanitized():
        for before, after in zip(early, late):
            assert after - before < 8 * 1024 * 1024


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
@pytest.mark.skipif(sanitized(), reason="the sanitizer's leak check can't run under a tracer")
def test_fdatasync_is_called_and_shared(make_rig, lookalike, tmp_path):
    """Counted by the kernel's side: fewer syncs than records, and never none."""
    rig = make_rig()
    trace = tmp_path / "trace"
    rig.keeper = Daemon("strace", "-f", "-o", str(trace), "-e", "trace=fdatasync",
                        program("cention-keeperd"), "-c", str(rig.keeper_conf))
    rig.keeper.traced = True
    rig.daemons.append(rig.keeper)
    rig.keeper.wait_line("event=listening")
    rig.start_proxy()
    rig.wait_ready()

    def client():
        connection = rig.connection()
        for _ in range(10):
            assert rig.call("POST", "/v1/org", BODY, connection=connection).status == 200
        connection.close()

    threads = [threading.Thread(target=client) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    calls = len(re.findall(r"fdatasync\(\d+\)\s+= 0", trace.read_text()))
    records = len(rig.records())
    assert records >= 640 and 0 < calls < records * 0.8, (calls, records)


def test_inherited_sockets(make_rig, lookalike):
    """As a service manager passes them: the configured listeners stay closed."""
    rig = make_rig(proxy={"listen": [{"address": "127.0.0.1", "port": 1}]})  # would not bind
    rig.keeper = Daemon(*activated(str(rig.socket), "keeper", program("cention-keeperd"), "-c",
                                   str(rig.keeper_conf)))
    rig.daemons.append(rig.keeper)
    rig.keeper.wait_line("event=listening")
    rig.proxy = Daemon(*activated("0,0", "api:admin", program("cention-proxyd"), "-c",
                                  str(rig.proxy_conf)))
    rig.daemons.append(rig.proxy)
    rig.learn_ports(rig.proxy)
    rig.wait_ready()
    assert rig.call("POST", "/v1/org", BODY).status == 200
    assert len(lookalike.accepted) == 1
    assert rig.keeper.stop() == 0
    assert rig.socket.exists()  # not ours to remove


def test_a_thousand_idle_connections(rig, lookalike):
    import socket
    idle = [socket.create_connection(("127.0.0.1", rig.port)) for _ in range(900)]
    began = time.process_time()
    for _ in range(20):
        assert rig.call("POST", "/v1/org", BODY).status == 200
    assert time.process_time() - began < 5
    for sock in idle:
        sock.close()
