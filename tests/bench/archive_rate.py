#!/usr/bin/python3
"""How fast an archive takes records: ships a log of make_log (pairs of an intent of 660 bytes and its
outcome of 210) and the same number of intents alone into a PostgreSQL of its own on loopback, with
no standby and with one that every commit waits for.

    archive_rate.py BUILD [RECORDS]

CPU time is that of the server's process for the connection, which is what limits it."""
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "e2e"), str(TESTS)]

import pg_server  # noqa: E402
from made import Made  # noqa: E402

BUILD = pathlib.Path(sys.argv[1]).resolve()
RECORDS = int(sys.argv[2]) if len(sys.argv) > 2 else 100000


def server_cpu(cluster, stop, out):
    """Of the role's server process: microseconds, as long as it can be seen."""
    pid = None
    while not stop.is_set():
        if not pid:
            pid = cluster.primary.psql(
                "SELECT pid FROM pg_stat_activity WHERE usename = 'host1'", database="postgres")
        else:
            try:
                stat = pathlib.Path("/proc/%s/stat" % pid).read_text().rpartition(")")[2].split()
                out[0] = (int(stat[11]) + int(stat[12])) * 1e6 / os.sysconf("SC_CLK_TCK")
            except OSError:
                return
        stop.wait(0.02)


def ship(cluster, segments, n):
    cluster.primary.psql("TRUNCATE cention_audit.record, cention_audit.log; CHECKPOINT")
    options = ["-s"] if len(cluster.servers) > 1 else []
    stop, cpu = threading.Event(), [0]
    watch = threading.Thread(target=server_cpu, args=(cluster, stop, cpu))
    watch.start()
    begin = time.monotonic()
    subprocess.run([BUILD / "tests" / "e2e" / "pg_drive", "-x", "-p", cluster.passfile, *options,
                    cluster.url("host1"), *segments], check=True, stdout=subprocess.DEVNULL)
    took = time.monotonic() - begin
    stop.set()
    watch.join()
    assert int(cluster.primary.psql("SELECT count(*) FROM cention_audit.record")) == n
    size = int(cluster.primary.psql("SELECT pg_total_relation_size('cention_audit.record')"))
    return "%8d records/s  %5.1f us CPU/record in the server  %4d bytes/record there" % (
        n / took, cpu[0] / n, size / n)


def main():
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        subprocess.run([BUILD / "tests" / "bench" / "make_log", folder, str(RECORDS)], check=True)
        pairs = sorted(folder.glob("audit-*.jsonl"), key=lambda p: int(p.stem[6:]))
        n = sum(p.read_bytes().count(b"\n") for p in pairs)
        made = Made(folder / "intents")
        for i in range(RECORDS):
            made.intent("019abc-%016x" % i, client={
                "uid": 1000, "pid": 4711, "exe": "/usr/bin/legacy", "via": "unix",
                "address": "/run/cention-proxy/http.sock"}, path="/v1/org/%d" % (i % 500),
                fields={"active": "true", "anonymize_day": "365", "external_id": "123456",
                        "bright_settings.language_code": "SE", "name": "new organisation",
                        "time_zone": "CET", "working_time_data.Friday.start": "09:00",
                        "working_time_data.Friday.end": "18:00"}, body_mac="b" * 64)
        for standbys in (0, 1):
            with pg_server.Cluster(standbys=standbys, shared_buffers="256MB") as cluster:
                cluster.role("host1")
                for what, segments, count in (("pairs", pairs, n),
                                              ("intents", [made.path], len(made.lines))):
                    print("%d standbys, %-7s %s" % (standbys, what,
                                                    ship(cluster, segments, count)), flush=True)


main()
