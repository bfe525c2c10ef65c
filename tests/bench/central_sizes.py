"""What an archive costs: bytes for each million changes in PostgreSQL, in a stream, and as segments.

    CENTION_BUILD=build python3 tests/bench/central_sizes.py [CHANGES]      (default: 200000)

make_log writes the log (a change is an intent with 8 fields and its outcome), cention-shipd brings it to a
real PostgreSQL with a quorum standby and to a cluster of three nats-servers, one after the other. All of
it lies in a temporary folder and is gone afterwards.
"""
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "tests" / "e2e"), str(TOP / "tests")]

import central  # noqa: E402
import leaks  # noqa: E402
import nats_cluster  # noqa: E402
import pg_server  # noqa: E402
import trail  # noqa: E402
from rig import BUILD, until  # noqa: E402

SIZES = """
SELECT 'heap', pg_relation_size('cention_audit.record')
UNION ALL SELECT 'toast', pg_total_relation_size(reltoastrelid) FROM pg_class
          WHERE oid = 'cention_audit.record'::regclass
UNION ALL SELECT 'index ' || indexrelid::regclass, pg_relation_size(indexrelid) FROM pg_index
          WHERE indrelid = 'cention_audit.record'::regclass
UNION ALL SELECT 'all', pg_total_relation_size('cention_audit.record');
"""


def used(folder):
    return sum(p.stat().st_blocks * 512 for p in folder.rglob("*") if p.is_file())


def drain(folder, audit, sink, last):
    """Seconds until the sink has acknowledged the last record."""
    shipper = central.Shipper(folder, audit, [sink])
    began = time.monotonic()
    shipper.start()

    def done():
        try:
            metrics = shipper.metrics()
        except OSError:
            return False
        return any(v >= last for k, v in metrics.items() if k.startswith("cention_ship_acknowledged_seq"))

    until(done, 600, what="the last record is acknowledged")
    seconds = time.monotonic() - began
    shipper.stop()
    return seconds


def main():
    changes = int(sys.argv[1]) if len(sys.argv) > 1 else 200000
    leaks.begin()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="cention-sizes-"))
    try:
        audit = folder / "audit"
        audit.mkdir(mode=0o750)
        subprocess.run([BUILD / "tests" / "bench" / "make_log", audit, str(2 * changes)], check=True)
        raw = b"".join(trail.content(p) for p in trail.segments(audit))
        records = raw.count(b"\n")
        facts = [("segments, plain", len(raw))]
        packed = sum(len(subprocess.run(["zstd", "-qc", str(p)], stdout=subprocess.PIPE, check=True).stdout)
                     for p in trail.segments(audit))
        facts.append(("segments, zstd", packed))
        with pg_server.Cluster(standbys=1) as pg:
            url = pg.role("host1")
            seconds = drain(folder / "pg", audit, {"name": "archive", "type": "postgresql", "url": url,
                                                   "passfile": pg.passfile, "receipt": True}, records)
            print("PostgreSQL: %d records in %.1f s, %.0f a second" % (records, seconds, records / seconds))
            pg.primary.psql("VACUUM ANALYZE cention_audit.record")
            for line in pg.primary.psql(SIZES).splitlines():
                name, size = line.split("|")
                facts.append(("PostgreSQL, " + name, int(size)))
            wal = pg.primary.psql("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')")
            facts.append(("PostgreSQL, WAL written since initdb", int(wal)))
        with nats_cluster.Cluster(folder / "nats") as nodes:
            seconds = drain(folder / "js", audit, {"name": "stream", "type": "nats", "url": nodes.url,
                                                   "stream": "CENTION_AUDIT"}, records)
            print("JetStream: %d records in %.1f s, %.0f a second" % (records, seconds, records / seconds))
            with nodes.client() as nc:
                name = [n for n in nc.streams() if not n.endswith("_ALARMS")][0]
                state = nc.stream(name)["state"]
            assert state["messages"] == records, state
            facts.append(("JetStream, the stream's own count", state["bytes"]))
            nodes.stop()
            facts += [("JetStream, disk of node %d" % i, used(nodes.folder / ("n%d" % i))) for i in range(3)]
        print("%d changes, %d records" % (changes, records))
        for name, size in facts:
            print("%-44s %12d bytes %8.0f for each change %8.0f MiB per million" % (
                name, size, size / changes, size / changes * 1e6 / 2 ** 20))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
