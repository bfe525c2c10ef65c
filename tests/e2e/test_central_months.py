"""conf/central-months.sql: the archive in months, which takes, compares and proves as before."""
import os
import subprocess

import pytest

import central
import speed
from pg_server import SOURCE, Cluster
from rig import program, until

MONTHS = (SOURCE / "conf" / "central-months.sql").read_text(encoding="utf-8")
# As doc/central.md has it.
SPLIT = """$10 == "segment" { f = dir "/audit-" substr($3, 2, length($3) - 2) ".jsonl" } { print >>f }"""

pytestmark = pytest.mark.skipif(bool(speed.missing()), reason=speed.missing() or "-")


class Archive:
    """One host that ships to one server."""

    def __init__(self, cluster, rig, folder):
        self.cluster, self.rig, self.pg = cluster, rig, cluster.primary
        self.url = cluster.role("host1")
        self.reader = cluster.role("eve", "cention_auditor")
        self.shipper = central.Shipper(folder / "ship", rig.audit_folder, [{
            "name": "archive", "type": "postgresql", "url": self.url, "passfile": cluster.passfile,
            "standby": False, "receipt": True}], "host-1").start()
        self.log = None

    def changes(self, n):
        """So many changes, until the archive has them all."""
        for i in range(n):
            assert self.rig.call("POST", "/v1/org", {"name": "n%d" % i}).status == 200
        self.arrived()

    def arrived(self):
        def all_there():
            self.log, self.records = central.local(self.rig.audit_folder)
            return self.rows("record") + self.rows("put_away") >= len(self.records)
        until(all_there, 30, what="all records are in the archive: " + self.shipper.daemon.log[-500:])

    def rows(self, table):
        if self.pg.psql("SELECT to_regclass('cention_audit.%s')" % table) == "":
            return 0
        return int(self.pg.psql("SELECT count(*) FROM cention_audit.%s" % table))

    def export(self, table, folder):
        """Appends the lines of a month to the segments that they belong to."""
        lines = self.pg.psql("SELECT line FROM cention_audit.%s WHERE log = decode('%s', 'hex') "
                             "ORDER BY seq, epoch" % (table, self.log))
        newest = max(folder.iterdir(), key=lambda p: int(p.name.split("-")[1].split(".")[0]),
                     default="")
        subprocess.run(["awk", "-F", '"', "-v", "dir=%s" % folder, "-v", "f=%s" % newest, SPLIT],
                       input=lines + "\n", text=True, check=True)

    def verify(self, url=None, *more):
        return subprocess.run(
            [program("cention-proxyctl"), "audit", "verify", "--from", url or self.reader, *more],
            env=dict(os.environ, PGPASSFILE=str(self.cluster.passfile)), capture_output=True, text=True,
            timeout=60, check=False)


@pytest.fixture
def archive(make_rig, tmp_path):
    with speed.Upstream() as upstream, Cluster() as cluster:
        rig = make_rig(url=upstream.url)
        rig.keeper_settings["audit"].update(segment_bytes=8192)
        rig.write_conf()
        it = Archive(cluster, rig.start(), tmp_path)
        yield it
        it.shipper.stop()


def test_months(archive, tmp_path):
    pg = archive.pg
    archive.changes(40)
    before = pg.psql("SELECT md5(string_agg(line, '' ORDER BY seq)) FROM cention_audit.record WHERE seq <= 40")
    assert pg.psql(MONTHS) == "12"
    assert pg.psql(MONTHS) == "0"
    archive.cluster.migrate()  # central.sql again changes nothing
    assert before == pg.psql(
        "SELECT md5(string_agg(line, '' ORDER BY seq)) FROM cention_audit.record WHERE seq <= 40")
    archive.changes(20)
    assert archive.rows("record_before") == archive.rows("record")
    # The next month.
    pg.psql("ALTER TABLE cention_audit.record ALTER received SET DEFAULT now() + interval '1 month'")
    archive.changes(40)
    first, second = archive.rows("record_before"), archive.rows("record")
    assert 0 < first < second
    done = archive.verify()
    print(done.stdout, done.stderr)
    # Nothing that is in any month is taken again or taken otherwise.
    for seq in (1, first - 1, first + 1, second):
        epoch, _, digest, line = archive.records[seq - 1]
        for other in (digest, "00" * 32):
            answer = pg.psql(
                "SELECT taken, place FROM cention_audit.ship(decode('%s', 'hex'), 'host-1', %d, %d, '{%d}', "
                "ARRAY[decode('%s', 'hex')], ARRAY[$line$%s$line$])" % (
                    archive.log, seq - 1, seq, epoch, other, line.decode()),
                user="host1", password=archive.cluster.passwords["host1"])
            assert answer == ("%d|" % seq if other == digest else "|%d" % seq), answer
    archive.arrived()
    # Put away: the rest begins in the middle, and says so.
    heads = tmp_path / "heads"
    pg.psql("ALTER TABLE cention_audit.record DETACH PARTITION cention_audit.record_before; "
            "ALTER TABLE cention_audit.record_before RENAME TO put_away")
    archive.changes(10)
    done = archive.verify()
    assert done.returncode == 1 and "seq 1 to %d" % first in done.stdout, done.stdout
    # The month as files, and those behind it when their time comes: the log as the host has it.
    folder = tmp_path / "files" / "host-1"
    folder.mkdir(parents=True)
    heads.write_text(subprocess.run(
        [program("cention-proxyctl"), "audit", "head", "--from", archive.reader], check=True,
        env=dict(os.environ, PGPASSFILE=str(archive.cluster.passfile)), capture_output=True,
        text=True).stdout)
    archive.export("put_away", folder)
    done = archive.verify("dir:%s" % folder.parent, "--head", heads)
    assert done.returncode == 1 and "truncated" in done.stdout, done.stdout
    archive.export("record", folder)
    done = archive.verify("dir:%s" % folder.parent, "--head", heads)
    assert done.returncode in (0, 2) and "sound" in done.stdout, done.stdout + done.stderr
    for path in folder.iterdir():
        assert (archive.rig.audit_folder / path.name).read_bytes().startswith(path.read_bytes())
    # Brought back, it is one archive again.
    pg.psql("ALTER TABLE cention_audit.record ATTACH PARTITION cention_audit.put_away FOR VALUES FROM "
            "(MINVALUE) TO (date_trunc('month', now() + interval '1 month'))")
    done = archive.verify()
    assert done.returncode == 0, done.stdout
