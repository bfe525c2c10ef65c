"""Refusals are cheap: whatever a client sends that may not, the audit log grows slowly, and everybody is
answered with the right status."""
import collections
import datetime
import os
import subprocess
import threading
import time

import pytest

from rig import program, until

SECONDS = float(os.environ.get("CENTION_REFUSAL_SECONDS", 4))  # of each flood
RAW = {"limits": {"rejects": 10}}
PROBLEMS = ("{" + ",".join('"x%d":1' % i for i in range(60)) + "}").encode()
BIG = ("{" + ",".join('"x%05d":[1,2,3]' % i for i in range(4000)) + "}").encode()


def bytes_of_log(rig):
    return sum(p.stat().st_size for p in rig.audit_folder.glob("audit-*"))


def flood(rig, clients, body, headers=None, path="/v1/org", method="POST"):
    """So many connections that send the body as fast as they are answered: (statuses, bytes sent)."""
    statuses, sent, stop = collections.Counter(), [0] * clients, time.monotonic() + SECONDS

    def one(n):
        connection = rig.connection(20)
        while time.monotonic() < stop:
            answer = rig.call(method, path, body, headers, connection=connection)
            statuses[answer.status] += 1
            sent[n] += len(body) + 200
        connection.close()

    threads = [threading.Thread(target=one, args=(n,)) for n in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses, sum(sent)


def by_second(records):
    return collections.Counter(r["time"][:19] for r in records)


def rejects(rig, n):
    """All reject records, once they stand for n refusals."""
    def all_of_them():
        records = rig.records("reject")
        return records if sum(r.get("repeated", 1) for r in records) >= n else None
    records = until(all_of_them, what="%d refusals" % n)
    assert sum(r.get("repeated", 1) for r in records) == n
    return records


def check_flood(rig, body, status, code):
    before = bytes_of_log(rig)
    statuses, sent = flood(rig, 8, body)
    assert set(statuses) == {status} and statuses[status] > 50, statuses
    records = rejects(rig, statuses[status])
    assert {(r["status"], r["code"]) for r in records} == {(status, code)}
    grown = bytes_of_log(rig) - before
    print("%d refusals of %d bytes: %d records, %.3f bytes of log for each byte received" % (
        statuses[status], len(body), len(records), grown / sent))
    assert grown <= 2 * sent
    # At most ten in any second since the first one.
    times = sorted(datetime.datetime.fromisoformat(r["time"].rstrip("Z")) for r in records)
    assert len(records) <= 10 * (int((times[-1] - times[0]).total_seconds()) + 2), len(records)
    counted = [r for r in records if "repeated" in r]
    assert counted and all("id" not in r and r["client"]["uid"] == os.geteuid() for r in counted)
    assert max(by_second(counted).values()) <= 2
    return records


def test_bodies_full_of_problems(make_rig):
    rig = make_rig(keeper=RAW).start()
    for record in check_flood(rig, PROBLEMS, 422, "unknown_field"):
        if "repeated" not in record:
            assert len(record["problems"]) == 16 and record["problems_total"] > 60
    assert rig.call("POST", "/v1/org", {"name": "n"}).status == 200


def test_large_bodies(make_rig):
    rig = make_rig(keeper=RAW).start()
    check_flood(rig, BIG, 422, "unknown_field")


def test_an_unknown_client_is_told_nothing(make_rig):
    """Neither what is wrong with its body, nor whether a path is there."""
    rig = make_rig(keeper={"clients": [{"name": "someone", "uid": 61001}], **RAW}).start()
    for method, path, body, headers in (
            ("POST", "/v1/org", PROBLEMS, {}), ("POST", "/v1/nothing", b'{"a":1}', {}),
            ("POST", "/v1/org", b'{"a":1,"a":2}', {}), ("POST", "/v1/org/1", b'{"a":1}', {}),
            ("POST", "/v1/org", b"<a/>", {"Content-Type": "text/xml"})):
        answer = rig.call(method, path, body, headers)
        assert (answer.status, answer.json["code"]) == (401, "unknown_client"), (path, answer.body)
        assert set(answer.json) == {"error", "code", "outcome"} and b"x1" not in answer.body
        assert answer.field("www-authenticate")
    for record in rejects(rig, 5):
        assert (record["status"], record["code"]) == (401, "unknown_client")
        assert "problems" not in record and "field" not in record
    check = check_flood(make_rig(keeper={"clients": [{"name": "someone", "uid": 61001}], **RAW}).start(),
                        PROBLEMS, 401, "unknown_client")
    assert all("problems" not in r for r in check)


def test_refusals_use_up_the_rate(make_rig):
    client = {"name": "me", "uid": os.geteuid(), "rate": 0.001, "burst": 5}
    rig = make_rig(keeper={"clients": [client]}).start()
    for _ in range(5):
        assert rig.call("POST", "/v1/org", PROBLEMS).status == 422
    assert rig.call("POST", "/v1/org", PROBLEMS).status == 422  # answered, but only counted
    answer = rig.call("POST", "/v1/org", {"name": "n"})
    assert (answer.status, answer.json["code"]) == (503, "overloaded")
    records = rejects(rig, 7)
    assert [r["status"] for r in records if "repeated" not in r] in ([422] * 5, [422] * 5 + [503])
    assert {r["client"]["name"] for r in records} == {"me"}


def test_counted_refusals_are_written_when_the_keeper_stops(make_rig):
    rig = make_rig(keeper={"limits": {"rejects": 1}}).start()
    for _ in range(3):
        assert rig.call("POST", "/v1/none", b"{}").status == 404
    rig.proxy.stop()
    assert rig.keeper.stop() == 0
    assert sum(r.get("repeated", 1) for r in rig.records("reject")) == 3


@pytest.mark.parametrize("wrong", [0, -1, 1000001, "10"])
def test_bad_settings(make_rig, wrong):
    rig = make_rig(keeper={"limits": {"rejects": wrong}})
    done = subprocess.run([program("cention-keeperd"), "-t", "-c", rig.keeper_conf],
                          capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 78 and "limits.rejects" in done.stderr, done
