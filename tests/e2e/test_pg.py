"""The archive in PostgreSQL: the sink by itself (pg_drive.c) against real servers, central.sql, and
reading it. What it does together with the shipper is in the shipper's tests."""
import hashlib
import os
import pathlib
import re
import signal
import subprocess

import pytest

import pg_server
from lookalike import Authority
from made import Made
from pg_server import EMPTY
from rig import BUILD, Daemon, free_port, until

DRIVE = BUILD / "tests" / "e2e" / "pg_drive"
pytestmark = pytest.mark.skipif(not DRIVE.exists(),
                                reason="built without PostgreSQL, or `make check` has not run")
LOG = "0" * 64  # of every made log


@pytest.fixture(scope="module")
def shared_lone():
    with pg_server.lone() as cluster:
        yield cluster


@pytest.fixture
def lone(shared_lone):
    """A server without standbys, that other tests have emptied and left as it was."""
    yield shared_lone
    shared_lone.primary.psql(EMPTY)


@pytest.fixture
def pair():
    with pg_server.Cluster(standbys=1) as cluster:
        cluster.role("host1")
        yield cluster


@pytest.fixture
def drive():
    """drive(cluster, made, options...): ships the log's segments; its output by lines."""
    running = []

    def start(cluster, made, *options, url=None, passfile=True):
        options += ("-p", str(cluster.passfile)) if passfile else ()
        segments = sorted(made.folder.glob("audit-*"), key=lambda p: int(p.stem[6:]))
        daemon = Daemon(str(DRIVE), *options, url or cluster.url("host1"), *map(str, segments))
        running.append((cluster, daemon))
        return daemon

    yield start
    for cluster, daemon in running:
        if daemon.process.poll() is None:
            # One that has just ended by itself may not catch the signal any more.
            assert daemon.stop() in (0, -signal.SIGTERM), daemon.log
        assert "ERROR: " not in daemon.log and "runtime error" not in daemon.log, daemon.log
        for password in cluster.passwords.values():
            assert password not in daemon.log


def told(daemon, word, skip=0):
    """Its lines that begin with the word."""
    return [line for line in daemon.lines[skip:] if line and line.split()[0] == word]


def rows(cluster, made):
    """That the archive has exactly the log's lines, byte for byte, once and in their places."""
    found = cluster.primary.psql(
        "SELECT seq, encode(sha256(convert_to(line, 'UTF8')), 'hex'), octet_length(line), "
        "encode(hash, 'hex') FROM cention_audit.record ORDER BY seq").split("\n")
    assert found == ["%d|%s|%d|%s" % (n, hashlib.sha256(line).hexdigest(), len(line),
                                      line[-66:-2].decode())
                     for n, line in enumerate(made.lines, 1)]


def grow(made, requests):
    for i in range(requests):
        made.request("id-%d" % i, fields={"name": "n%d" % i, "time_zone": "CET"})
    return made


# -- what is kept


def test_kept_byte_for_byte(lone, made, drive):
    made.add("start", version="x", pid=1, fields_key="0" * 16)
    made.intent("a", client={"name": "cr\"m\\", "uid": 7}, path="/v1/org/\"1\",\"path\":\"x",
                fields={"path": "no", "method": "no", "nul": "a\0b", "\u00e5\U0001f600": "\ud7ff"})
    made.outcome("a", 422, error="x,\"status\":9 \x7f\x01")
    made.intent("b", client={"user": "eva", "uid": 8}, path="/" + "\u00e5" * 2000,
                fields={"big": "9" * 5000, "long": "\u00e5\0" * 500000})
    made.outcome("b", 0, sent="unknown")
    made.segment()
    made.intent("c", client={"uid": 4294967294})
    made.outcome("c", 10 ** 30)
    made.add("reject", client={})
    made.add("reject", time="9999-99-99T99:99:99.999999Z", id="d", client={"via": "tcp"},
             status=403)
    made.add("x" * 500, time="0000-00-00T00:00:00.000000Z", id=["no", {"client": {"name": 1}}])
    made.add("config", result="applied", status=1, path="/", client={"name": "no"}, method="no")
    drive(lone, made, "-x").wait_line("done")
    rows(lone, made)
    columns = lone.primary.psql(
        "SELECT seq, epoch, time AT TIME ZONE 'UTC', left(type, 9), id, client, method, "
        "left(path, 30), length(path), status, host FROM cention_audit.record ORDER BY seq")
    assert columns.split("\n") == [
        "1|1|2026-11-24 09:00:01|segment|||||||host",
        "2|1|2026-11-24 09:00:02|start|||||||host",
        "3|1|2026-11-24 09:00:03|intent|a|cr\\\"m\\\\|PUT|"
        "/v1/org/\\\"1\\\",\\\"path\\\":\\\"x|26||host",
        "4|1|2026-11-24 09:00:04|outcome|a|||||422|host",
        "5|1|2026-11-24 09:00:05|intent|b|eva|PUT|/" + "\u00e5" * 29 + "|512||host",
        "6|1|2026-11-24 09:00:06|outcome|b||||||host",
        "7|1|2026-11-24 09:00:07|epoch|||||||host",
        "8|2|2026-11-24 09:00:08|segment|||||||host",
        "9|2|2026-11-24 09:00:09|intent|c|4294967294|PUT|/v1/org/1|9||host",
        "10|2|2026-11-24 09:00:10|outcome|c||||||host",
        "11|2|2026-11-24 09:00:11|reject|||||||host",
        "12|2||reject|d|||||403|host",
        "13|2||xxxxxxxxx|||||||host",
        "14|2|2026-11-24 09:00:14|config|||||||host",
    ]


def test_columns_are_indexed(lone, made, drive):
    drive(lone, grow(made, 2000), "-x").wait_line("done")
    lone.primary.psql("ANALYZE cention_audit.record")
    for where in ("time = '2026-11-24 09:00:05Z'", "host = 'x'", "client = 'x'", "path = '/x'",
                  "status = 500"):
        plan = lone.primary.psql("EXPLAIN SELECT line FROM cention_audit.record WHERE " + where)
        assert "record_" + where.split()[0] in plan, plan


def test_goes_on_where_the_archive_ends(lone, made, drive):
    drive(lone, grow(made, 700), "-x").wait_line("done")
    grow(made, 900)
    again = drive(lone, made, "-x", "-b", "100")
    assert again.wait_line(r"ready (\d+) (\d+) (\w+)").groups() == (
        "1", "1401", made.lines[1400][-66:-2].decode())
    again.wait_line("done")
    rows(lone, made)
    # What is there already is compared, not doubled.
    over = drive(lone, made, "-o", "-x")
    over.wait_line("done")
    rows(lone, made)


def test_a_line_that_is_not_utf8_is_no_silent_gap(lone, made, drive):
    made.request("a")
    line = made.line("outcome", id="b", error="?")
    covered = line[:-72].replace(b"?", b"\xff")
    digest = hashlib.sha256(b"\0" + bytes.fromhex(made.lines[-2][-66:-2].decode()) +
                            covered).hexdigest()
    made.raw(covered + b',"h":"' + digest.encode() + b'"}\n')
    lost = drive(lone, made)
    lost.wait_line("^lost .*invalid byte sequence")
    assert lone.primary.value("SELECT count(*) FROM cention_audit.record") == "0"


def test_unit_program_with_a_server(lone):
    """What tests/unit/central/postgres/test_pg_sink.c can do only here."""
    done = subprocess.run(
        [BUILD / "tests" / "unit" / "central" / "postgres" / "test_pg_sink"], capture_output=True, text=True, timeout=120,
        env=dict(os.environ, CENTION_PG_URL=lone.url("host1"),
                 CENTION_PG_PASSFILE=str(lone.passfile)), check=False)
    assert done.returncode == 0 and "0 skipped" in done.stdout, done.stdout + done.stderr


# -- conflicts


def forked(made, folder, requests):
    """Another log with the same first records as made's."""
    other = Made(folder)
    other.path.write_bytes(made.path.read_bytes())
    other.seq, other.hash, other.second = made.seq, made.hash, made.second
    other.lines = list(made.lines)
    for i in range(requests):
        other.request("other-%d" % i)
    return other


def test_conflict(lone, made, drive, tmp_path):
    grow(made, 20)
    other = forked(made, tmp_path / "other", 3000)
    grow(made, 20)
    drive(lone, made, "-x").wait_line("done")
    found = drive(lone, other, "-o", "-b", "30")  # the fourth is behind the archive
    here = found.wait_line(r"^conflict (\d+) (\w+) (\d+) (\w+)").groups()
    assert here == ("42", other.lines[41][-66:-2].decode(), "42",
                    made.lines[41][-66:-2].decode())
    until(lambda: lone.primary.value("SELECT count(*) FROM cention_audit.alarm") == "1", 30)
    assert lone.primary.value(
        "SELECT kind, here_seq, there_seq, encode(here_hash, 'hex') FROM cention_audit.alarm"
    ) == "conflict|42|42|" + here[1]
    found.stop()
    rows(lone, made)  # nothing of the other's, though it was on its way
    # The same evidence is kept once.
    drive(lone, other, "-o").wait_line("^conflict")
    assert lone.primary.value("SELECT count(*) FROM cention_audit.alarm") == "1"


def test_conflict_with_another_epoch(lone, made, drive, tmp_path):
    grow(made, 20)
    other = forked(made, tmp_path / "other", 0)
    made.segment()
    grow(made, 20)
    for i in range(30):
        other.request("other-%d" % i)
    drive(lone, made, "-x").wait_line("done")
    # Behind the archive's end, but of an epoch before its last.
    assert drive(lone, other, "-b", "7").wait_line(r"^conflict (\d+) \w+ (\d+)").groups() == (
        "84", "83")
    rows(lone, made)


@pytest.mark.parametrize("change", [
    "UPDATE cention_audit.record SET hash = sha256('x') WHERE seq = 17",
    "UPDATE cention_audit.record SET epoch = 3 WHERE seq = 17",
    "INSERT INTO cention_audit.record (log, epoch, seq, hash, host, line) "
    "SELECT log, 3, seq, sha256('x'), host, line FROM cention_audit.record WHERE seq = 17"])
def test_altered_or_doubled_there(lone, made, drive, change):
    drive(lone, grow(made, 20), "-x").wait_line("done")
    lone.primary.psql(change)
    assert drive(lone, made, "-o").wait_line(r"^conflict (\d+) \w+ (\d+)").groups() == (
        "17", "17")


def test_deleted_there(lone, made, drive):
    drive(lone, grow(made, 20), "-x").wait_line("done")
    lone.primary.psql("DELETE FROM cention_audit.record WHERE seq = 17")
    assert drive(lone, made, "-o").wait_line(r"^conflict (\d+) \w+ (\d+)").groups() == ("17", "0")
    # At the end it is the archive's word that counts: sent again.
    lone.primary.psql("DELETE FROM cention_audit.record WHERE seq > 15")
    drive(lone, made, "-x").wait_line("done")
    rows(lone, made)


# -- rights

ARGUMENTS = "decode(repeat('00', 32), 'hex')"
SHIP = ("SELECT cention_audit.ship(%s, 'h', %%d, %%d, '{1}', ARRAY[sha256('x')], '{x}')" %
        ARGUMENTS)
ALARM = ("SELECT cention_audit.alarm(%s, 'h', 'k', 1, 1, sha256('x'), 1, 1, sha256('x'), 'why')" %
         ARGUMENTS)
HEAD = "SELECT seq FROM cention_audit.head(%s)" % ARGUMENTS


def test_rights(lone, made, drive):
    server = lone.primary
    drive(lone, grow(made, 5), "-x").wait_line("done")

    def refused(user, sql):
        done = server.psql(sql, user=user, password=lone.passwords[user], check=False)
        assert done.returncode == 3, (user, sql, done.stdout)
        return done.stderr

    def allowed(user, sql):
        return server.psql(sql, user=user, password=lone.passwords[user])

    tables = ("record", "log", "alarm")
    changes = ["INSERT INTO cention_audit.%s SELECT * FROM cention_audit.%s" % (t, t)
               for t in tables[1:]]
    changes += ["INSERT INTO cention_audit.record (log, epoch, seq, hash, host, line) "
                "VALUES (%s, 1, 1, sha256('x'), 'h', 'x')" % ARGUMENTS]
    for table in tables:
        changes += ["UPDATE cention_audit.%s SET host = 'x'" % table,
                    "DELETE FROM cention_audit.%s" % table, "TRUNCATE cention_audit.%s" % table,
                    "DROP TABLE cention_audit.%s" % table,
                    "ALTER TABLE cention_audit.%s ADD COLUMN x text" % table,
                    "COPY cention_audit.%s FROM STDIN" % table]
    changes += ["SET ROLE cention_audit_owner", "CREATE TABLE cention_audit.x (x text)",
                "CREATE OR REPLACE FUNCTION cention_audit.version() RETURNS integer "
                "LANGUAGE sql AS 'SELECT 2'",
                "SELECT cention_audit.hold(%s, 'h')" % ARGUMENTS,
                "SELECT cention_audit.check_owner(%s)" % ARGUMENTS]
    for user in ("host1", "host2", "eve"):
        for change in changes:
            assert re.search("permission denied|must be owner", refused(user, change))
    for table in tables:
        select = "SELECT count(*) FROM cention_audit.%s" % table
        for user in ("host1", "host2"):
            assert "permission denied" in refused(user, select)
        allowed("eve", select)
    for call in (HEAD, SHIP % (11, 12), ALARM):
        assert "another role ships this log" in refused("host2", call)
        assert "permission denied" in refused("eve", call)
    assert allowed("host1", HEAD) == "11"
    allowed("host1", ALARM)
    # With a path of its own an attacker's functions stand before the system's.
    allowed("host1", "CREATE TEMP TABLE log (log bytea, role name, host text); "
                     "SET search_path = pg_temp; " + HEAD)
    rows(lone, made)
    # By the sink, too.
    url = lone.url("host2")
    drive(lone, made, url=url).wait_line("^lost another role ships this log")


# -- which servers are good enough


def lost(drive, cluster, made, why, *options, **more):
    daemon = drive(cluster, made, *options, **more)
    daemon.wait_line("^lost .*" + why)
    daemon.stop()
    assert not told(daemon, "ready") and not told(daemon, "ack")


def test_settings_that_would_lose_records(lone, made, drive):
    server = lone.primary
    for setting, why in (("fsync", "fsync = off"), ("full_page_writes", "full_page_writes = off")):
        server.psql("ALTER SYSTEM SET %s = off" % setting)
        server.psql("SELECT pg_reload_conf()")
        until(lambda s=setting: server.psql("SHOW " + s) == "off", 30)
        lost(drive, lone, made, why)
        server.psql("ALTER SYSTEM RESET %s" % setting)
        server.psql("SELECT pg_reload_conf()")
        until(lambda s=setting: server.psql("SHOW " + s) == "on", 30)
    lost(drive, lone, made, "synchronous_standby_names is empty", "-s")
    drive(lone, made, "-x").wait_line("done")


def test_schema_that_is_missing_or_another(lone, made, drive):
    server = lone.primary
    server.psql("CREATE ROLE nobody1 LOGIN PASSWORD 'x1x'; CREATE DATABASE bare")
    lone.passfile.write_text(lone.passfile.read_text() + "127.0.0.1:*:*:nobody1:x1x\n")
    lost(drive, lone, made, "the role is no shipper", url=lone.url("nobody1"))
    lost(drive, lone, made, "cention_audit is missing",
         url=lone.url("host1").replace("/audit", "/bare"))
    version = "CREATE OR REPLACE FUNCTION cention_audit.version() RETURNS integer " \
              "LANGUAGE sql IMMUTABLE AS 'SELECT %d'"
    server.psql(version % 99)
    lost(drive, lone, made, "another version")
    server.psql(version % 1)
    drive(lone, made, "-x").wait_line("done")


def test_migration_again_and_where_it_cannot_be(lone, made, drive):
    drive(lone, grow(made, 10), "-x").wait_line("done")
    lone.migrate()
    rows(lone, made)
    lone.primary.psql("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    done = lone.primary.psql(pg_server.SCHEMA.read_text(), database="latin", check=False)
    assert done.returncode == 3 and "must be UTF8" in done.stderr
    assert lone.primary.psql("SELECT count(*) FROM pg_namespace WHERE nspname = 'cention_audit'",
                             database="latin") == "0"


def test_a_schema_of_another(lone):
    """Whoever made it first could drop, or replace, what is in it."""
    server = lone.primary
    server.psql("CREATE DATABASE taken")
    for made_first, name in (("CREATE SCHEMA cention_audit AUTHORIZATION host1", "cention_audit"),
                             ("CREATE TABLE cention_audit.alarm (x text); "
                              "ALTER TABLE cention_audit.alarm OWNER TO host1", "alarm"),
                             ("CREATE FUNCTION cention_audit.hold() RETURNS void LANGUAGE sql AS ''; "
                              "ALTER FUNCTION cention_audit.hold() OWNER TO host1", "hold")):
        if "SCHEMA" not in made_first:
            server.psql("CREATE SCHEMA cention_audit AUTHORIZATION cention_audit_owner",
                        database="taken")
        server.psql(made_first, database="taken")
        done = server.psql(pg_server.SCHEMA.read_text(), database="taken", check=False)
        assert done.returncode == 3 and name + " belongs to another role" in done.stderr, done
        server.psql("DROP SCHEMA cention_audit CASCADE", database="taken")
    server.psql(pg_server.SCHEMA.read_text(), database="taken")
    server.psql("DROP DATABASE taken")


def test_a_record_put_in_by_hand(lone, made, drive):
    """Beside the log's end, where no lock is held: told as a conflict, not tried for ever."""
    server = lone.primary
    drive(lone, grow(made, 5), "-x").wait_line("done")
    put = ("INSERT INTO cention_audit.record (log, epoch, seq, hash, host, line) "
           "VALUES (%s, 1, %%s, sha256('x'), 'h', 'x')" % ARGUMENTS)
    grow(made, 3)
    server.psql(put % 14)
    assert drive(lone, made, "-o").wait_line(r"^conflict (\d+) \w+ (\d+)").groups() == ("12", "0")
    server.psql("DELETE FROM cention_audit.record WHERE seq = 14")
    server.psql(put % (2 ** 63 - 1))
    assert drive(lone, made).wait_line(r"^ready (\d+) (\d+)").groups() == ("1", str(2 ** 63 - 1))
    assert drive(lone, made, "-o").wait_line(r"^conflict (\d+) \w+ (\d+)").groups() == ("12", "0")


def test_isolation(lone, made, drive):
    """What another one took while it waited for the log must be seen."""
    server = lone.primary
    done = server.psql("SET default_transaction_isolation = 'repeatable read'; " + SHIP % (0, 1),
                       user="host1", password=lone.passwords["host1"], check=False)
    assert done.returncode == 3 and "must be read committed" in done.stderr
    server.psql("ALTER DATABASE audit SET default_transaction_isolation = 'serializable'")
    try:
        drive(lone, grow(made, 5), "-x").wait_line("done")
    finally:
        server.psql("ALTER DATABASE audit RESET default_transaction_isolation")
    rows(lone, made)


def test_connection_strings(lone, made, drive):
    def refused(url):
        done = subprocess.run([DRIVE, url, made.path], capture_output=True, text=True, timeout=20,
                              check=False)
        assert done.returncode == 1 and "s3cret" not in done.stdout + done.stderr
        return done.stdout

    assert "holds a password" in refused("postgresql://u:s3cret@localhost/audit")
    assert "holds a password" in refused("host=x password=s3cret")
    assert "no connection string" in refused("host=x s3cret")
    assert "no connection string" in refused("postgresql://u:s3cret@[/x")
    assert "2 hosts, but 3 ports" in refused("host=a,b port=1,2,3")
    lone.passfile.write_text(lone.passfile.read_text().replace(
        "host2:" + lone.passwords["host2"], "host2:s3cret"))
    wrong = drive(lone, made, url=lone.url("host2"))
    wrong.wait_line("^lost .*password authentication failed")
    assert "s3cret" not in wrong.log
    port = lone.primary.port
    # A name is looked up; what doesn't answer, has no name or refuses is passed over.
    drive(lone, made, "-x", url="host=127.0.0.1,localhost port=%d,%d user=host1 dbname=audit" % (
        free_port(), port), passfile=False).wait_line("^lost .*refused.*no password")
    lone.passfile.write_text(lone.passfile.read_text().replace("127.0.0.1:", "*:"))
    drive(lone, made, "-x", url="host=127.0.0.1,localhost port=%d,%d user=host1 dbname=audit" % (
        free_port(), port)).wait_line("done")


def test_tls(lone, made, drive, authority, certificate, tmp_path):
    server = lone.primary
    for name, source in zip(("server.pem", "server.key"), certificate):
        path = lone.folder / name
        path.write_bytes(pathlib.Path(source).read_bytes())
        path.chmod(0o600)
        if lone.user:
            os.chown(path, lone.user.pw_uid, lone.user.pw_gid)
    server.psql("ALTER SYSTEM SET ssl_cert_file = '%s/server.pem'" % lone.folder)
    server.psql("ALTER SYSTEM SET ssl_key_file = '%s/server.key'" % lone.folder)
    server.psql("ALTER SYSTEM SET ssl = on")
    server.psql("SELECT pg_reload_conf()")
    until(lambda: server.psql("SHOW ssl") == "on", 30)
    passfile = lone.passfile.read_text()
    lone.passfile.write_text(passfile.replace("127.0.0.1:", "localhost:"))
    url = "postgresql://host1@%s:%d/audit?sslmode=verify-full&sslrootcert=%s"
    secure = drive(lone, grow(made, 3000), url=url % ("localhost", server.port, authority.file))
    secure.wait_line("done")
    assert server.psql("SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) "
                       "WHERE usename = 'host1'") == "t"
    rows(lone, made)
    other = tmp_path / "other"
    other.mkdir()
    lost(drive, lone, made, "certificate verify failed",
         url=url % ("localhost", server.port, Authority(other).file))
    # The name counts, though the address is what is connected to.
    lost(drive, lone, made, "does not match host name",
         url=url % ("elsewhere.example", server.port, authority.file) + "&hostaddr=127.0.0.1")
    server.psql("ALTER SYSTEM RESET ssl")
    server.psql("SELECT pg_reload_conf()")
    lone.passfile.write_text(passfile)


def test_server_that_hangs(lone, made, drive):
    shipped = drive(lone, grow(made, 10), "-t", "500")
    shipped.wait_line("done")
    lone.primary.pause()
    try:
        grow(made, 10)
        hung = drive(lone, made, "-t", "500", url=lone.url("host1") + "&connect_timeout=1")
        hung.wait_line("^lost .*not connected within 1 s")
    finally:
        lone.primary.resume()
    hung.wait_line("done")
    rows(lone, made)


# -- servers that die


def exactly_once(cluster, made):
    rows(cluster, made)
    assert cluster.primary.value(
        "SELECT count(*) = count(DISTINCT seq) FROM cention_audit.record") == "t"


def test_killed_server_comes_back(pair, made, drive):
    shipping = drive(pair, grow(made, 20000), "-s", "-b", "50")
    for _ in range(3):
        skip = len(shipping.lines)
        shipping.wait_line("^ack", skip=skip)
        pair.primary.kill()
        shipping.wait_line("^lost", skip=skip)
        pair.primary.start()
        shipping.wait_line("^ready", seconds=30, skip=skip)
    shipping.wait_line("done", seconds=60)
    exactly_once(pair, made)


def test_promotion(pair, made, drive):
    old, new = pair.servers
    shipping = drive(pair, grow(made, 20000), "-s", "-b", "50")
    shipping.wait_line("^ack")
    skip = len(shipping.lines)
    old.kill()
    shipping.wait_line("^lost", skip=skip)
    skip = len(shipping.lines)
    acknowledged = int(told(shipping, "ack")[-1].split()[1])
    pair.promote(new)
    # What was acknowledged is there.
    head = int(shipping.wait_line(r"^ready \d+ (\d+)", seconds=30, skip=skip).group(1))
    assert head >= acknowledged
    # Without a standby of its own nothing is acknowledged.
    assert not told(shipping, "ack", skip)
    pair.build(old)
    shipping.wait_line("done", seconds=60)
    exactly_once(pair, made)


def test_old_primary_is_not_taken_back(pair, made, drive):
    old, new = pair.servers
    shipping = drive(pair, grow(made, 5), "-s", "-t", "1000")
    shipping.wait_line("done")
    skip = len(shipping.lines)
    old.kill()
    pair.promote(new)
    shipping.wait_line("^ready", seconds=30, skip=skip)
    # It doesn't know, and takes writes; it is the first in the string, too.
    old.start()
    new.kill()
    shipping.wait_line("^lost .*an old primary: its timeline is 1, another server's was 2",
                       seconds=30, skip=skip)
    skip = len(shipping.lines)
    new.start()
    shipping.wait_line("^ready", seconds=30, skip=skip)


def test_no_acknowledgement_without_the_standby(pair, made, drive):
    primary, standby = pair.servers
    # What the server, the database and the role say, doesn't count.
    primary.psql("ALTER SYSTEM SET synchronous_commit = off; ")
    primary.psql("SELECT pg_reload_conf()")
    primary.psql("ALTER DATABASE audit SET synchronous_commit = off; "
                 "ALTER ROLE host1 SET synchronous_commit = local")
    standby.pause()
    try:
        shipping = drive(pair, grow(made, 20), "-s", "-t", "20000")
        shipping.wait_line("^ready")
        waiting = "SELECT pid FROM pg_stat_activity WHERE usename = 'host1' AND " \
                  "wait_event = 'SyncRep'"
        pid = until(lambda: primary.psql(waiting), 30)
        assert not told(shipping, "ack")
        # Let go by hand, it is committed here, and not there: a warning is all that tells.
        primary.psql("SELECT pg_cancel_backend(%s)" % pid)
        shipping.wait_line("^lost not acknowledged, the server warns: canceling wait")
        assert not told(shipping, "ack")
    finally:
        standby.resume()
    # The next connection finds it there; its head is read, and what is read waits for nobody.
    shipping.wait_line("done", seconds=30)
    exactly_once(pair, made)
    # The list of standbys is emptied while it is connected.
    grow(made, 20)
    again = drive(pair, made, "-s")
    again.wait_line("done")
    primary.psql("ALTER SYSTEM SET synchronous_standby_names = ''")
    primary.psql("SELECT pg_reload_conf()")
    until(lambda: primary.psql("SHOW synchronous_standby_names") == "", 30)
    lost(drive, pair, made, "synchronous_standby_names is empty", "-s")


# -- reading


def test_reading(lone, made, drive):
    made.request("a", fields={"name": "\u00e5"})
    drive(lone, made, "-x", "-h", "one").wait_line("done")
    server = lone.primary
    server.psql(ALARM, user="host1", password=lone.passwords["host1"])
    socket_url = "host=%s port=%d user=%%s dbname=audit" % (lone.folder, server.port)

    def read(url):
        done = subprocess.run([DRIVE, "-r", url], capture_output=True, timeout=60, check=False,
                              env={"PGPASSFILE": str(lone.passfile)})
        return done.returncode, done.stdout.decode().split("\n")

    code, lines = read(lone.url("eve"))
    assert code == 0
    assert lines[0] == "log %s h 1 3" % LOG
    assert lines[4:] == ["alarm k %s 1 1 why" % LOG, ""]
    for line, record in zip(lines[1:4], made.lines):
        what, epoch, seq, digest, host, received, text = line.split(" ", 6)
        assert (what, epoch, host, text.encode()) == ("record", "1", "one", record)
        assert digest == record[-66:-2].decode()
        assert abs(int(received) / 1e6 - float(server.psql(
            "SELECT extract(epoch FROM received) FROM cention_audit.record WHERE seq = %s" %
            seq))) < 1e-5
    # What the server has to say beside it is not for the terminal.
    server.psql("CREATE FUNCTION noisy() RETURNS integer LANGUAGE plpgsql AS "
                "$$BEGIN RAISE WARNING 'noise'; RETURN 1; END$$; "
                "ALTER TABLE cention_audit.alarm RENAME TO quiet; "
                "CREATE VIEW cention_audit.alarm AS SELECT * FROM cention_audit.quiet "
                "WHERE noisy() = 1; GRANT SELECT ON cention_audit.alarm TO cention_auditor")
    try:
        done = subprocess.run([DRIVE, "-r", lone.url("eve")], capture_output=True, timeout=60,
                              check=True, env={"PGPASSFILE": str(lone.passfile)})
        assert done.stdout.decode().split("\n") == lines and b"noise" not in done.stderr
    finally:
        server.psql("DROP VIEW cention_audit.alarm; DROP FUNCTION noisy; "
                    "ALTER TABLE cention_audit.quiet RENAME TO alarm")
    for received, us in (("infinity", 2 ** 63 - 1 + 946684800 * 10 ** 6), ("-infinity", 0)):
        server.psql("UPDATE cention_audit.record SET received = '%s'" % received)
        assert read(lone.url("eve"))[1][1].split()[5] == str(us)
    # A log whose row is gone is found by its records.
    server.psql("DELETE FROM cention_audit.log")
    assert read(lone.url("eve"))[1][0] == "log %s one 1 3" % LOG
    code, lines = read(lone.url("host1"))
    assert code == 1 and "refused the role is no auditor" in lines[0]
    code, lines = read("postgresql://u:s3cret@[/x")
    assert code == 1 and lines[0] == "refused is no connection string of PostgreSQL"
    code, lines = read("postgresql://u:s3cret@127.0.0.1:%d/audit" % free_port())
    assert code == 1 and "refused" in lines[0] and "s3cret" not in lines[0]
    assert socket_url
