"""What a request costs the daemons, and how many records share a sync.

    CENTION_BUILD=build-plain python3 tests/bench/audit_cost.py [REQUESTS [enforce|off]]

For 1, 8 and 64 connections, REQUESTS (default 20000) of them, after a tenth as many to warm up:
microseconds of CPU (user and system, /proc/PID/schedstat) for each request, with its intent and
outcome, in the keeper and in the proxy; records for each fdatasync (/metrics); requests a second and wrk's latencies.
The last word is the sandbox's setting. Over loopback, against an upstream without TLS, with the audit log in a temporary folder.
"""
import pathlib
import sys
import tempfile

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "e2e"), str(TESTS)]

import speed  # noqa: E402
from rig import Rig, until  # noqa: E402

LONGEST = 120  # seconds of one run


def cpu_us(pid):
    """The daemons have one thread."""
    return int(pathlib.Path("/proc/%d/schedstat" % pid).read_text().split()[0]) / 1000


def used(rig):
    return [cpu_us(daemon.pid) for daemon in (rig.keeper, rig.proxy)]


def settled(rig):
    """Signatures, records, syncs, when the last is counted: the keeper tells once a second."""
    until(lambda: rig.metric("cention_running") == 0, what="the last answers")
    wanted = rig.metric("cention_requests_total")
    until(lambda: rig.metric("cention_signatures_total") == wanted, what="the keeper's counters")
    return [rig.metric("cention_" + name) for name in
            ("signatures_total", "audit_records_total", "audit_syncs_total")]


def load(rig, connections, count):
    end = rig.metric("cention_requests_total") + count
    return speed.load(rig.port, connections, LONGEST,
                      lambda: rig.metric("cention_requests_total") >= end)


def main():
    if speed.missing():
        sys.exit(speed.missing())
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20000
    sandbox = {"sandbox": sys.argv[2] if len(sys.argv) > 2 else "enforce"}
    print("%11s %9s %12s %11s %13s %9s %7s %7s" % ("connections", "requests", "keeper us/r", "proxy us/r",
                                              "records/sync", "r/s", "p50 us", "p99 us"))
    with tempfile.TemporaryDirectory() as folder, speed.Upstream() as upstream:
        rig = Rig(folder, upstream.url, proxy=sandbox, keeper=sandbox).start()
        try:
            for connections in (1, 8, 64):
                load(rig, connections, count // 10)
                before, cpu = settled(rig), used(rig)
                seen = load(rig, connections, count)
                cpu = [now - was for now, was in zip(used(rig), cpu)]
                requests, records, syncs = (
                    after - was for after, was in zip(settled(rig), before))
                assert seen["failed"] == 0, seen
                print("%11d %9d %12.1f %11.1f %13.2f %9.0f %7d %7d" % (
                    connections, requests, cpu[0] / requests, cpu[1] / requests, records / syncs,
                    seen["requests"] / seen["seconds"], seen["p50_us"], seen["p99_us"]))
        finally:
            rig.stop()


if __name__ == "__main__":
    main()
