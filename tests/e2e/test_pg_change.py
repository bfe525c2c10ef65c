"""The archive's view of changes, its search columns, and bringing an archive in use up to date."""
import itertools
import json
import os
import threading
import time

import pytest

import pg_server
from audit_tool import ctl
from made import Made
from rig import until
from test_pg import DRIVE, drive, lone, shared_lone  # noqa: F401 (fixtures)

pytestmark = pytest.mark.skipif(not DRIVE.exists(), reason="built without PostgreSQL, or `make check` has not run")

RECORDS = int(os.environ.get("CENTION_MIGRATION", "20000"))  # of the archive that is brought up to date
STATUS = (200, 403, 409)
# central.sql as it was before the columns.
BEFORE = """
DROP VIEW cention_audit.change;
DROP PROCEDURE cention_audit.fill();
DROP INDEX cention_audit.record_intent, cention_audit.record_object, cention_audit.record_answer_error,
    cention_audit.record_id;
ALTER TABLE cention_audit.record DROP COLUMN intent, DROP COLUMN object, DROP COLUMN answer_error;
DO $$
DECLARE
    text text := pg_get_functiondef('cention_audit.ship'::regproc);
BEGIN
    text := replace(text, 'line, intent, object, answer_error)', 'line)');
    text := regexp_replace(text, ', u\\.line,\\s+cention_audit\\.line_intent.*line_answer_error\\(u\\.line\\)', ', u.line');
    EXECUTE text;
END $$;
"""


def changes(cluster, what, where="true"):
    rows = cluster.primary.psql("SELECT %s FROM cention_audit.change WHERE %s ORDER BY seq" % (what, where))
    return [row.split("|") for row in rows.split("\n") if row]


def test_columns(lone, made, drive):
    made.intent("a", method="POST", path="/v1/org", fields={"name": "n"})
    made.outcome("a", object="/v1/org/17", answer={
        "object": "no", "id": "17", "q\",\"object\":\"x": "y", "z": {"mac": "1" * 64}, "answer_error": "no",
        "answer_bytes": "no"}, answer_bytes=2, answer_sha256="0" * 64)
    made.intent("b", path="/v1/org/1")
    made.outcome("b", 409, answer={"answer_error": "no", "answer_bytes": "5", "error": "name \"x\" is taken\\"},
                 answer_error="name \"x\" is taken\\", answer_bytes=2, answer_sha256="0" * 64)
    made.intent("c", path="/v1/org/2", fields={"intent": "9", "object": "no"})
    made.outcome("c", 200, answer={"intent": "9", "object": "no"}, answer_bytes=2, answer_sha256="0" * 64)
    drive(lone, made, "-x").wait_line("done")
    rows = lone.primary.psql("SELECT seq, intent, object, answer_error FROM cention_audit.record "
                             "WHERE type IN ('intent', 'outcome') ORDER BY seq")
    assert rows.split("\n") == [
        "2|||", "3|2|/v1/org/17|", "4|||", "5|4||name \\\"x\\\" is taken\\\\", "6|||", "7|6||"]
    assert changes(lone, "seq, outcome, client, method, path, status, object, answer_error") == [
        ["2", "3", "app", "POST", "/v1/org", "200", "/v1/org/17", ""],
        ["4", "5", "app", "PUT", "/v1/org/1", "409", "", "name \\\"x\\\" is taken\\\\"],
        ["6", "7", "app", "PUT", "/v1/org/2", "200", "/v1/org/2", ""]]


def test_one_id_in_every_order(lone, made, drive):
    """Of three requests with one id, of two users: each has its own outcome's status."""
    wanted = {}
    for n, order in enumerate(sorted(set(itertools.permutations([0, 0, 1, 1, 2, 2])))):
        at = {}
        for request in order:
            if request in at:
                made.outcome("same", STATUS[request], intent=at[request])
            else:
                at[request] = made.seq
                wanted[made.seq] = STATUS[request]
                made.intent("same", client={"name": "app%d" % (request % 2)})
        if n % 7 == 0:
            made.segment()
    made.intent("same")
    drive(lone, made, "-x").wait_line("done")
    found = changes(lone, "seq, status")
    assert len(found) == 271 and found.pop()[1] == ""
    assert {int(seq): int(status) for seq, status in found} == wanted


def test_format_1(lone, tmp_path, drive):
    made = Made(tmp_path / "log", form=1)
    wanted = {}
    for order in sorted(set(itertools.permutations([0, 0, 1, 1, 2, 2])))[::9]:
        at = {}
        for request in order:  # format 1 closes the oldest
            if request in at:
                made.outcome("same", 200 + len(wanted))
                oldest = min(s for s in at.values() if s not in wanted)
                wanted[oldest] = 200 + len(wanted)
            else:
                at[request] = made.seq
                made.intent("same")
    made.intent("late")
    late = made.seq - 1
    made.segment(form=2)
    made.outcome("late", 409, intent=late)
    made.intent("late")
    made.outcome("late", 201)
    drive(lone, made, "-x").wait_line("done")
    found = {int(seq): int(status) for seq, status in changes(lone, "seq, status")}
    assert found == {**wanted, late: 409, late + 3 + 1: 201}


def test_by_months(made, drive):
    """The view is that of the whole table, and so are indexes that come later."""
    with pg_server.lone() as cluster:
        made.request("before")
        drive(cluster, made, "-x").wait_line("done")
        months = (pg_server.SOURCE / "conf" / "central-months.sql").read_text()
        cluster.primary.psql(months)
        cluster.primary.psql("ALTER TABLE cention_audit.record DETACH PARTITION cention_audit.record_before")
        assert changes(cluster, "id") == []
        cluster.primary.psql("ALTER TABLE cention_audit.record ATTACH PARTITION cention_audit.record_before FOR VALUES "
                             "FROM (MINVALUE) TO (date_trunc('month', now()) + interval '1 month')")
        assert changes(cluster, "id, status") == [["before", "200"]]
        cluster.primary.psql("DROP INDEX cention_audit.record_object")
        cluster.migrate()
        assert cluster.primary.psql("SELECT count(*), bool_and(indisvalid) FROM pg_index WHERE indexrelid::regclass::text "
                                    "LIKE 'cention_audit.record_object%'").split("|")[1] == "t"
        cluster.migrate()


def test_a_standby_that_lags_is_not_read(made, drive):
    """It would tell of records that are missing. One may ask for it."""
    with pg_server.Cluster(standbys=1) as cluster:
        cluster.role("host1")
        cluster.role("eve", "cention_auditor")
        made.request("first")
        drive(cluster, made, "-x").wait_line("done")
        primary, standby = cluster.servers
        until(lambda: standby.value("SELECT count(*) FROM cention_audit.record") == "3", what="the standby")
        standby.psql("SELECT pg_wal_replay_pause()")
        made.request("second")
        drive(cluster, made, "-x").wait_line("done")
        env = {"PGPASSFILE": str(cluster.passfile)}
        both = cluster.url("eve", [standby, primary])
        for url, ids in ((both, ["first", "second"]), (both + "&target_session_attrs=any", ["first"])):
            shown = ctl("show", "--json", "--from", url, env=env)
            assert shown.returncode == 0, shown
            assert [json.loads(line)["id"] for line in shown.stdout.splitlines()][::2] == ids
        alone = ctl("show", "--json", "--from", cluster.url("eve", [standby]), env=env)
        assert alone.returncode == 1 and b"standby" in alone.stderr


def test_an_auditor_may_look(lone, made, drive):
    made.request("a")
    drive(lone, made, "-x").wait_line("done")
    lone.primary.psql("SET ROLE cention_auditor; SELECT count(*) FROM cention_audit.change")
    done = lone.primary.psql("SET ROLE cention_shipper; SELECT count(*) FROM cention_audit.change", check=False)
    assert "permission denied" in str(done)


def test_an_archive_in_use(lone, made, drive):
    """It is brought up to date while a host ships, and while an auditor's query holds the table for a while."""
    lone.primary.psql(BEFORE)
    other = "'\\x%s'" % ("ab" * 32)
    lone.primary.psql("""
        INSERT INTO cention_audit.log VALUES (%s, 'host1', 'old');
        INSERT INTO cention_audit.record (log, epoch, seq, hash, host, line)
        SELECT %s, 1, n, sha256(n::text::bytea), 'old', CASE WHEN n %% 2 = 1
            THEN format('{"seq":%%s,"time":"2026-11-24T09:00:00.000000Z","type":"intent","id":"r%%s","client":{"name":"a"},'
                        '"method":"PUT","workspace":"w","path":"/v1/org/%%s","fields":{},"h":"x"}', n, n / 2, n %% 1000)
            ELSE format('{"seq":%%s,"time":"2026-11-24T09:00:00.000000Z","type":"outcome","id":"r%%s","intent":%%s,'
                        '"status":200,"sent":"all","object":"/v1/org/%%s","h":"x"}', n, n / 2 - 1, n - 1, (n - 1) %% 1000) END
        FROM generate_series(1, %d) n""" % (other, other, RECORDS))
    for i in range(40):
        made.request("r%d" % i)
    daemon = drive(lone, made, "-b", "1", "-o")
    daemon.wait_line("ack 5")
    acks, stop = [], threading.Event()

    def watch():  # ships the same log again and again, and notes when each answer came
        while not stop.is_set():
            again = drive(lone, made, "-b", "1", "-o", "-x")
            again.wait_line("done", 60)
            acks.append(time.monotonic())

    thread = threading.Thread(target=watch)
    thread.start()
    holds = threading.Thread(target=lone.primary.psql, args=(
        "BEGIN; SELECT count(*) FROM cention_audit.alarm, (SELECT FROM cention_audit.record LIMIT 1) r; "
        "SELECT pg_sleep(3); COMMIT",))
    holds.start()
    began = time.monotonic()
    try:
        lone.migrate()
    finally:
        took = time.monotonic() - began
        stop.set()
        thread.join(60)
        holds.join(60)
    gaps = [b - a for a, b in zip([began, *acks], acks)]
    print("%d records in %.1f s, %d rounds shipped meanwhile, the longest took %.2f s" % (
        RECORDS, took, len(acks), max(gaps)))
    assert len(acks) > 3 and max(gaps) < 5
    rows = lone.primary.psql("SELECT count(*), count(intent), count(object) FROM cention_audit.record "
                             "WHERE log = %s AND type = 'outcome'" % other)
    assert rows == "|".join([str(RECORDS // 2)] * 3)
    assert changes(lone, "status, object", "log = %s AND seq = 11" % other) == [["200", "/v1/org/11"]]
    lone.migrate()  # and again
