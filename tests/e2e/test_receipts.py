"""The keeper waits for receipts: a test plays the shipper and writes them, or lets them be."""
import os
import threading

import pytest

import trail
from outage import verified
from rig import until

BODY = {"name": "n"}
LAG = 'cention_audit_receipt_lag_%s{receipt="%s"}'


def folder(rig):
    """Beside the rig's, all of which the keeper may read: it has its settings there."""
    return rig.folder.with_name(rig.folder.name + "-ship")


class Shipper:
    """Writes receipts as cention-shipd does: another file in the place of the last one."""

    def __init__(self, rig, name="archive"):
        self.rig, self.name = rig, name
        self.path = folder(rig) / (name + ".receipt")
        self.path.parent.mkdir(exist_ok=True)

    def put(self, text):
        new = self.path.with_suffix(".new")
        new.write_text(text)
        os.rename(new, self.path)

    def receipt(self, record, log=None):
        self.put('{"sink":"%s","log":"%s","epoch":1,"seq":%d,"hash":"%s",'
                 '"time":"2026-01-01T00:00:00.000000Z"}\n' % (
                     self.name, log or self.rig.records()[0]["log"], record["seq"], record["h"]))

    def all(self):
        """Covers every record so far."""
        self.receipt(self.rig.records()[-1])

    def lag(self, what="records"):
        return self.rig.metric(LAG % (what, self.name))


@pytest.fixture
def stage(make_rig):
    """stage(names, ...): (rig, shipper ...), started, with small segments."""
    def make(*names, **settings):
        rig = make_rig()
        shippers = [Shipper(rig, name) for name in names or ("archive",)]
        paths = [s.path for s in shippers]
        rig.keeper_settings["audit"].update(
            segment_bytes=4096, receipts=paths if len(paths) > 1 else paths[0], **settings)
        rig.write_conf()
        return (rig.start(), *shippers)
    return make


def work(rig, n=40):
    for _ in range(n):
        assert rig.call("POST", "/v1/org", BODY).status == 200


def firsts(rig):
    """The first seqs of all segments."""
    return [trail.number(p) for p in trail.segments(rig.audit_folder)]


def record(rig, seq):
    return next(r for r in rig.records() if r["seq"] == seq)


@pytest.mark.parametrize("compress", [False, True])
def test_nothing_goes_without_a_receipt(stage, compress):
    rig, shipper = stage(keep_segments=2, compress=compress)
    work(rig)
    rig.keeper.wait_line(r"event=audit_retention segment=\S*/audit-1\.jsonl\S* .*waits for receipts")
    before = firsts(rig)
    assert before[0] == 1 and len(before) > 4 and not rig.records("retired")
    if compress:  # that waits for nobody
        until(lambda: all(p.name.endswith(".zst") for p in trail.segments(rig.audit_folder)[:-1]),
              what="all are compressed")
    # A record less than the second segment has: the first goes, and that one stays.
    shipper.receipt(record(rig, before[2] - 2))
    until(lambda: firsts(rig)[0] == before[1], what="the first is retired")
    until(lambda: shipper.lag() == rig.records()[-1]["seq"] - (before[2] - 2), what="it is told")
    assert firsts(rig)[0] == before[1] and len(rig.records("retired")) == 1
    assert shipper.lag("seconds") >= 0
    shipper.receipt(record(rig, before[2] - 1))
    until(lambda: firsts(rig)[0] == before[2], what="the second is retired")
    until(lambda: shipper.all() or len(firsts(rig)) == 2, what="two are left")
    assert rig.keeper.log.count("event=audit_retention") == 1
    rig.stop()
    verified(rig.audit_folder)


def test_the_one_that_is_behind_counts(stage):
    rig, one, other = stage("one", "other", keep_segments=2)
    work(rig)
    before = firsts(rig)
    one.all()
    until(lambda: one.lag() < 5 < other.lag(), what="the look at the receipts")
    assert firsts(rig) == before
    other.receipt(record(rig, before[1] - 1))
    until(lambda: firsts(rig)[0] == before[1], what="the first is retired")
    body = rig.admin("/readyz").body.decode()
    assert body.startswith("ready\nreceipt one: ") and "\nreceipt other: " in body, body


def spoil(shipper, how):
    last = shipper.rig.records()[-1]
    if how == "garbage":
        shipper.put("[]\n")
    elif how == "long":
        shipper.put("x" * 100000)
    elif how == "another log":
        shipper.receipt(last, log="0123456789abcdef" * 4)
    elif how == "ahead":
        shipper.receipt({"seq": last["seq"] + 1000, "h": last["h"]})
    elif how == "link":
        shipper.receipt(last)
        os.rename(shipper.path, shipper.path.with_name("real"))
        os.symlink("real", shipper.path)
    elif how == "fifo":
        os.mkfifo(shipper.path)


SPOILT = {"garbage": r"audit_receipt .*no receipt", "long": r"audit_receipt .*no receipt",
          "another log": r"audit_receipt .*another log", "ahead": r"level=error event=audit_alarm "
          r"receipt=archive .*cut off", "link": r"audit_receipt .*symbolic link",
          "fifo": r"audit_receipt .*no regular file"}


@pytest.mark.parametrize("how", SPOILT)
def test_what_is_no_receipt_covers_nothing(stage, how):
    rig, shipper = stage(keep_segments=1)
    work(rig, 15)
    before = firsts(rig)
    assert len(before) > 2
    spoil(shipper, how)
    rig.keeper.wait_line(SPOILT[how])
    work(rig, 15)  # more segments, and nothing goes with them
    rig.keeper.wait_line(r"event=audit_retention")
    assert firsts(rig)[:len(before)] == before and not rig.records("retired")
    if how in ("link", "fifo"):
        shipper.path.unlink()
    shipper.all()
    until(lambda: firsts(rig)[0] > 1, what="a good one counts")


def full(rig):
    """Works until it is refused; the refusal."""
    for _ in range(200):
        answer = rig.call("POST", "/v1/org", BODY)
        if answer.status != 200:
            return answer
    raise AssertionError("the quota was not reached")


def well_again(rig, shipper):
    def ready():
        shipper.all()  # and what the keeper has recorded of its own since
        return rig.admin("/readyz").status == 200
    until(ready, what="readiness")
    assert rig.call("POST", "/v1/org", BODY).status == 200


def test_quota(stage, lookalike):
    rig, shipper = stage(quota=16384)
    answer = full(rig)
    assert (answer.status, answer.json["code"], answer.json["outcome"]) == (
        503, "audit_unavailable", "not-sent")
    assert answer.json["error"].startswith("audit.quota: ") and "archive" in answer.json["error"]
    sent = len(lookalike.requests)
    until(lambda: rig.admin("/readyz").status == 503, what="readiness is told")
    reason = rig.admin("/readyz").body.decode()
    assert reason.startswith("audit_unavailable: audit.quota: ") and "receipt of archive" in reason
    assert "receipt archive: " in reason.splitlines()[1]
    assert rig.metric("cention_audit_waiting_bytes") > rig.metric("cention_audit_quota_bytes")
    assert (rig.metric("cention_audit_quota_bytes"), rig.metric("cention_audit_ok")) == (16384, 0)
    rig.keeper.wait_line(r"level=error event=audit_quota state=reached waiting=\d+ quota=16384")
    # Whatever is asked now, the log has the keeper's own records only; refusals are answered.
    before = len(rig.records())
    unrecorded = rig.metric("cention_unrecorded_total")
    for _ in range(30):
        assert rig.call("POST", "/v1/org", BODY).status == 503
        assert rig.call("GET", "/v1/org").status == 405
    assert {r["type"] for r in rig.records()[before:]} <= {"checkpoint"}
    assert rig.metric("cention_unrecorded_total") == unrecorded + 30
    assert len(lookalike.requests) == sent
    # Some progress that leaves too much is not enough.
    well_again(rig, shipper)
    rig.keeper.wait_line(r"event=audit_quota state=recovered")
    until(lambda: shipper.all() or rig.metric("cention_audit_waiting_bytes") == 0,
          what="nothing waits")
    assert rig.admin("/readyz").body.startswith(b"ready\nreceipt archive: ")
    work(rig, 5)
    rig.stop()
    verified(rig.audit_folder)


def test_a_whole_segment_makes_room(stage):
    """It recovers by what is covered, not only when everything is."""
    rig, shipper = stage(quota=16384)
    full(rig)
    before = firsts(rig)
    shipper.receipt(record(rig, before[1] - 2))
    until(lambda: shipper.lag() == rig.records()[-1]["seq"] - (before[1] - 2), what="the look")
    assert rig.call("POST", "/v1/org", BODY).status == 503
    shipper.receipt(record(rig, before[2] - 1))
    until(lambda: rig.admin("/readyz").status == 200, what="readiness")
    work(rig, 5)


def test_what_is_under_way_ends(stage, lookalike):
    rig, shipper = stage(quota=16384)
    lookalike.order(delay=3)
    answers = []
    thread = threading.Thread(target=lambda: answers.append(rig.call("POST", "/v1/org", BODY)))
    thread.start()
    lookalike.wait_for(1)
    for _ in range(400):  # refusals fill the log as well
        rig.call("GET", "/v1/org")
        if rig.metric("cention_unrecorded_total"):
            break
    assert rig.call("POST", "/v1/org", BODY).status == 503
    assert not answers, "the first request ended too early to tell"
    thread.join()
    assert answers[0].status == 200
    assert rig.records("outcome")[-1]["id"] == answers[0].field("x-request-id")
    well_again(rig, shipper)


def test_a_keeper_that_starts_over_its_quota(stage):
    rig, shipper = stage(quota=16384)
    full(rig)
    for restart in ("stop", "kill"):
        getattr(rig.keeper, restart)()
        until(lambda: rig.metric("cention_keeper_connected") == 0, what="it has gone")
        rig.start_keeper()
        until(lambda: rig.metric("cention_keeper_connected") == 1, what="it is back")
        assert rig.call("POST", "/v1/org", BODY).json["error"].startswith("audit.quota: ")
        assert rig.admin("/readyz").status == 503
    well_again(rig, shipper)


def test_a_folder_that_comes_later(stage, make_rig):
    rig = make_rig()
    path = folder(rig) / "archive.receipt"
    rig.keeper_settings["audit"].update(segment_bytes=4096, receipts=path, keep_segments=1)
    rig.write_conf()
    rig.start()
    rig.keeper.wait_line(r"event=audit_receipt receipt=archive .*covers=nothing why=\"No such file")
    work(rig, 15)
    shipper = Shipper(rig)
    shipper.all()
    rig.keeper.wait_line(r"event=audit_(receipt .*needs a restart|retired)")
    rig.keeper.stop()
    rig.start_keeper()
    rig.wait_ready()
    until(lambda: shipper.all() or firsts(rig)[0] > 1, what="the first is retired")


def test_kills_while_segments_go(stage):
    """Whenever the keeper is killed: what is gone was covered, and what is left is sound."""
    rig, shipper = stage(keep_segments=1, compress=True)
    covered = 0
    for number in range(10):
        work(rig, 12)
        records = rig.records()
        covered = records[-3]["seq"]
        shipper.receipt(records[-3])
        if number % 2:  # while it retires the next ones
            rig.keeper.wait_line("event=audit_retired")
        rig.keeper.kill()
        first = firsts(rig)[0]
        assert first - 1 <= covered, (first, covered)
        rig.start_keeper()  # first: a kill may leave a segment without its header
        rig.wait_ready()
        verified(*trail.segments(rig.audit_folder), living=True)
    until(lambda: firsts(rig)[0] > 1, what="some are retired")
    assert firsts(rig)[0] - 1 <= covered


@pytest.mark.parametrize("setting, seconds", [(1.5, 2), (7, 7), (None, 3600)])
def test_heartbeat_on_record(make_rig, setting, seconds):
    rig = make_rig()
    if setting:
        rig.keeper_settings["audit"]["heartbeat"] = setting
        rig.write_conf()
    rig.start()
    start = rig.records("start")[0]
    assert start["heartbeat"] == seconds and list(start)[-2:] == ["heartbeat", "h"]
