"""The auditor's side with real centres: what shippers brought into PostgreSQL and NATS JetStream, and
what then was changed there or on the hosts, as `cention-proxyctl audit ... --from` finds it."""
import json
import os
import shutil

import pytest

import pg_server
import trail
from audit_tool import ctl
from central import Shipper, local, shown
from nats_cluster import Cluster, needs_nats
from pg_server import EMPTY
from rig import BUILD, until
from test_from import change, findings, hosts, rows  # noqa: F401 (a fixture)

pytestmark = [needs_nats, pytest.mark.skipif(
    not ((BUILD / "tests/e2e/pg_drive").exists() and (BUILD / "tests/e2e/js_drive").exists()),
    reason="built without PostgreSQL or NATS, or `make check` has not run")]


@pytest.fixture(scope="module")
def archive():
    with pg_server.lone() as cluster:
        yield cluster


@pytest.fixture
def nats(tmp_path):
    with Cluster(tmp_path / "nats", nodes=1) as cluster:
        yield cluster


class Both:
    """Two hosts, each with a shipper to both centres."""

    def __init__(self, archive, nats, hosts, folder):  # noqa: F811
        self.archive, self.nats, self.hosts, self.folder = archive, nats, hosts, folder
        self.env = {**os.environ, "PGPASSFILE": str(archive.passfile)}
        self.urls = {"archive": archive.url("eve"), "stream": nats.url}
        self.shippers = [self.ship(rig, rig.host, "host%d" % i) for i, rig in enumerate(hosts, 1)]
        for rig, shipper in zip(hosts, self.shippers):
            self.wait(rig, shipper)

    def ship(self, rig, host, role):
        sinks = [{"name": "archive", "type": "postgresql", "url": self.archive.url(role),
                  "passfile": self.archive.passfile, "standby": False},
                 {"name": "stream", "type": "nats", "url": self.nats.url, "replicas": 1}]
        return Shipper(self.folder / ("ship-" + host), rig.audit_folder, sinks, host).start()

    def wait(self, rig, shipper):
        """All is at both centres."""
        def there():
            try:
                values = shipper.metrics()
            except OSError:
                return False
            return [v for k, v in values.items()
                    if k.startswith("cention_ship_acknowledged_seq{")] == [
                        rig.records()[-1]["seq"]] * 2
        until(there, 30, lambda: shipper.daemon.log)

    def ctl(self, *arguments):
        return ctl(*arguments, env=self.env)

    def verify(self, centre, *arguments, code=0):
        result = self.ctl("verify", "--from", self.urls[centre], *arguments)
        text = result.stdout.decode()
        assert result.returncode == code, (centre, text, result.stderr)
        return text

    def sql(self, text):
        return self.archive.primary.psql(text)

    def stop(self):
        for shipper in self.shippers:
            shipper.stop()


@pytest.fixture
def both(archive, nats, hosts, tmp_path):  # noqa: F811
    both = Both(archive, nats, hosts, tmp_path)
    yield both
    both.stop()
    archive.primary.psql(EMPTY)


def log_of(rig):
    return rig.records("segment")[0]["log"]


def row(rig, seq):
    return "cention_audit.record WHERE log = '\\x%s' AND seq = %d" % (log_of(rig), seq)


def seq_of(rig, kind, n=0):
    return rig.records(kind)[n]["seq"]


def test_nothing_found(both, hosts, tmp_path):  # noqa: F811
    known, heads = tmp_path / "hosts", tmp_path / "heads"
    for centre in ("archive", "stream"):
        result = both.ctl("head", "--from", both.urls[centre])
        assert result.returncode == 0 and len(result.stdout.splitlines()) == 2
        heads.write_bytes(result.stdout)
        text = both.verify(centre, "--identities", known, "--learn", "--head", heads,
                           hosts[0].audit_folder)
        assert findings(text) == [] and "The centre is not behind this host's log" in text
        for rig in hosts:
            last = str(rig.records()[-1]["seq"])
            assert rows(text)[rig.host][2:4] == [last, last]
        assert len(known.read_text().splitlines()) == 2
        lines = both.ctl("show", "--from", both.urls[centre]).stdout.splitlines()
        names = [json.loads(line)["fields"]["name"] for line in lines
                 if json.loads(line)["type"] == "intent"]
        assert names == ["of web1 0", "of web2 0"] * 3
        only = both.ctl("show", "--from", both.urls[centre], "--host", "web2", "--all").stdout
        assert shown(only) == [line for _, _, _, line in local(hosts[1].audit_folder)[1]]


def test_a_record_altered_in_the_archive(both, hosts):  # noqa: F811
    first, second = seq_of(hosts[0], "outcome"), seq_of(hosts[1], "intent", 2)
    both.sql("UPDATE %s" % row(hosts[0], first).replace(
        " WHERE", " SET line = replace(line, '\"status\":200', '\"status\":500') WHERE"))
    both.sql("UPDATE %s" % row(hosts[1], second).replace(
        " WHERE", " SET hash = sha256(hash) WHERE"))
    text = both.verify("archive", code=1)
    assert findings(text) == [("altered", "web1", first, first), ("altered", "web2", second, second)]
    assert hosts[0].records("outcome")[0]["time"] in text
    assert findings(both.verify("stream")) == []


def test_rows_deleted_in_the_archive(both, hosts):  # noqa: F811
    first, second = seq_of(hosts[0], "outcome"), seq_of(hosts[1], "intent", 1)
    both.sql("DELETE FROM " + row(hosts[0], first))
    for seq in range(second, second + 3):
        both.sql("DELETE FROM " + row(hosts[1], seq))
    assert findings(both.verify("archive", code=1)) == [
        ("gap", "web1", first, first), ("gap", "web2", second, second + 2)]


def test_a_row_twice_and_a_row_elsewhere(both, hosts):  # noqa: F811
    seq = seq_of(hosts[0], "intent")
    both.sql("INSERT INTO cention_audit.record (log, epoch, seq, hash, host, line) "
             "SELECT log, epoch + 1, seq, hash, host, line FROM " + row(hosts[0], seq))
    assert findings(both.verify("archive", code=1)) == [("fork", "web1", seq, seq)]
    both.sql("DELETE FROM %s AND epoch = 2" % row(hosts[0], seq))
    both.sql("UPDATE %s" % row(hosts[0], seq).replace(" WHERE", " SET epoch = 9 WHERE"))
    assert findings(both.verify("archive", code=1)) == [("altered", "web1", seq, seq)]


def test_a_log_deleted_in_the_archive(both, hosts, tmp_path):  # noqa: F811
    known = tmp_path / "hosts"
    both.verify("archive", "--identities", known, "--learn")
    both.sql("DELETE FROM cention_audit.record WHERE host = 'web1'")
    for arguments in ((), ("--identities", known)):
        assert [f[:2] for f in findings(both.verify("archive", *arguments, code=1))] == [
            ("missing", "web1")]
    both.sql("DELETE FROM cention_audit.log WHERE host = 'web1'")
    assert findings(both.verify("archive")) == []
    assert [f[:2] for f in findings(both.verify("archive", "--identities", known, code=1))] == [
        ("missing", "web1")]


def test_the_end_deleted_in_the_archive(both, hosts, tmp_path):  # noqa: F811
    """A head that was kept elsewhere, the host's own log, and its shipper, each find it."""
    heads = tmp_path / "heads"
    heads.write_bytes(both.ctl("head", "--from", both.urls["archive"]).stdout)
    last = hosts[0].records()[-1]["seq"]
    both.shippers[0].stop()
    both.sql("DELETE FROM " + row(hosts[0], last).replace("seq =", "seq >= -2 +"))
    found = findings(both.verify("archive", "--head", heads, code=1))
    assert ("truncated", "web1", last - 2, last - 1) in found
    both.shippers[0].start()
    # It sends them again, and leaves evidence.
    until(lambda: [f[:2] for f in findings(both.verify("archive", "--head", heads, code=1))] == [
        ("alarm", "web1")], 30, lambda: both.shippers[0].daemon.log)
    assert ": behind, " in both.verify("archive", code=1)


def alarm(both, shipper, centre, *arguments):
    """The kinds of alarm that a centre has of this host once there is one."""
    def told():
        result = both.ctl("verify", "--from", both.urls[centre], *arguments)
        return [line for line in result.stdout.decode().splitlines() if line.startswith("alarm: ")]
    return until(told, 30, "an alarm: " + shipper.daemon.log)


def test_a_truncated_host_log(both, hosts):  # noqa: F811
    hosts[0].keeper.stop()
    both.wait(hosts[0], both.shippers[0])
    both.shippers[0].stop()
    segment = trail.segments(hosts[0].audit_folder)[-1]
    lines = segment.read_bytes().splitlines(True)
    segment.write_bytes(b"".join(lines[:-5]))
    both.shippers[0].start()
    for centre in ("archive", "stream"):
        told = alarm(both, both.shippers[0], centre)
        assert len(told) == 1 and told[0].startswith("alarm: web1, log %s" % log_of(hosts[0])[:8])
        assert ": truncated, " in told[0]
        assert "on the host epoch 1 seq %d " % (len(lines) - 5) in told[0]
        assert "at the centre epoch 1 seq %d " % len(lines) in told[0]
        found = findings(both.verify(centre, hosts[0].audit_folder, code=1))
        assert ("truncated", "local", len(lines) - 4, len(lines)) in found
    segment.write_bytes(b"".join(lines))


def test_two_copies_of_one_log_go_on(both, hosts):  # noqa: F811
    """A rewritten tail, to one who has one of them; a fork, to the centres."""
    twin = hosts.more("twin")
    shutil.rmtree(twin.audit_folder)
    shutil.copytree(hosts[0].audit_folder, twin.audit_folder)
    common = hosts[0].records()[-1]["seq"]
    change(hosts[0], 2)
    both.wait(hosts[0], both.shippers[0])
    twin.start()
    change(twin, 9)
    shipper = both.ship(twin, "twin", "host1")
    both.shippers.append(shipper)
    for centre in ("archive", "stream"):
        told = alarm(both, shipper, centre)
        assert told[0].startswith("alarm: twin, log ") and (
            ": conflict (a fork), " in told[0] or ": rewritten, " in told[0]), told
        found = findings(both.verify(centre, twin.audit_folder, code=1))
        assert ("rewritten", "local", common + 1) in [f[:3] for f in found], found
        assert ("alarm", "twin") in [f[:2] for f in found]


def test_a_stopped_and_a_silent_host(both, hosts):  # noqa: F811
    hosts[1].keeper.stop()
    last = hosts[1].records()[-1]["seq"]
    both.wait(hosts[1], both.shippers[1])
    for centre in ("archive", "stream"):
        assert findings(both.verify(centre, code=1)) == [("stopped", "web2", last, last)]
    hosts[0].keeper.kill()
    signed_seq = hosts[0].records()[-1]["seq"]
    both.wait(hosts[0], both.shippers[0])
    for centre in ("archive", "stream"):
        found = until(lambda: [f for f in findings(ctl(
            "verify", "--from", both.urls[centre], "--silent", "1", "--log", log_of(hosts[0]),
            env=both.env).stdout.decode()) if f[0] == "silent"], what="silence")
        assert found == [("silent", "web1", signed_seq, signed_seq)]


def test_what_can_not_be_read(both, archive):
    password = archive.passwords["eve"]
    for url in (archive.url("eve").replace("eve@", "eve:x%s@" % password),
                archive.url("host1"), archive.url("eve").replace("/audit", "/postgres"),
                "nats://eve:%s@127.0.0.1:1" % password):
        result = both.ctl("verify", "--from", url)
        assert result.returncode == 2 and result.stderr and not b"sound" in result.stdout, result
        assert password.encode() not in result.stderr + result.stdout


def test_a_stream_that_is_not_one_log(both, hosts, nats):
    """It is named, and the other logs are read all the same."""
    with nats.client() as client:
        client.make_stream("CENTION_AUDIT_" + "ab" * 8, ["one", "two"])
    text = both.verify("stream", code=1)
    assert "log abababab-abababab: its stream has not its subject" in text
    assert len(findings(text)) == 1
    assert set(rows(text)) >= {rig.host for rig in hosts}
    heads = both.ctl("head", "--from", both.urls["stream"])
    assert heads.returncode == 1 and b"log abababab-abababab: its stream" in heads.stderr
    assert len(heads.stdout.splitlines()) == 2
    told = both.ctl("show", "--from", both.urls["stream"])
    assert told.returncode != 0 and b"log abababab-abababab: its stream" in told.stderr
    assert both.ctl("show", "--from", both.urls["stream"],
                    "--log", log_of(hosts[0])).returncode == 0
