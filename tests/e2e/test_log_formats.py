"""Formats 1 and 2 of the audit log: each rule that a verifier has is broken once, by a log that breaks no other;
which outcome belongs to which intent; and a keeper that goes on with a log of format 1."""
import itertools
import json
import re

import pytest

import trail
from audit_tool import ctl
from made import Made
from rig import needs_signatures, until

pytestmark = needs_signatures


def verdicts(folder):
    """What the tool and the second verifier say: None for sound, or the reason."""
    result = ctl("verify", folder)
    tool = None if result.returncode in (0, 2) else result.stderr.decode()
    try:
        trail.verify(folder)
        second = None
    except trail.Broken as why:
        second = str(why)
    return tool, second


@pytest.fixture
def log(tmp_path):
    def make(form=2, name="log"):
        made = Made(tmp_path / name, form=form, signed=True)
        made.request("first")
        return made
    return make


def sound(made):
    made.seal()
    assert verdicts(made.folder) == (None, None)


# -- each of these breaks one rule, on a log that is sound otherwise; the tool's words

def outcome_without_intent_member(m):
    m.intent("a")
    m.form = 1
    m.outcome("a")
    m.form = 2


def outcome_of_nothing(m):
    m.outcome("a", intent=99)


def outcome_of_a_closed_one(m):
    m.request("a")
    m.outcome("a", intent=m.seq - 2)


def outcome_of_one_that_comes_later(m):
    m.outcome("a", intent=m.seq + 1)
    m.intent("a")


def outcome_of_another_kind_of_record(m):
    m.outcome("first", intent=3)  # itself an outcome


def outcome_of_itself(m):
    m.outcome("a", intent=m.seq)


def outcome_of_another_id(m):
    m.intent("a")
    m.intent("b")
    m.outcome("a", intent=m.seq - 1)


def stop_with_an_open_request(m):
    m.intent("a")
    m.add("stop")


def header_leaves_one_out(m):
    m.intent("a")
    m.intent("b")
    m.segment(open=[m.seq - 2])


def header_lists_a_closed_one(m):
    m.intent("a")
    m.segment(open=[2, m.seq - 1])


def header_lists_none(m):
    m.intent("a")
    m.segment(open=[])


def header_of_an_older_format(m):
    m.segment(form=1)


def header_with_a_count(m):
    m.segment(open=0)


def header_with_a_descending_list(m):
    m.intent("a")
    m.intent("b")
    m.segment(open=[m.seq - 1, m.seq - 2])


def header_of_a_format_to_come(m):
    m.segment(format=3)


def header_of_another_log(m):
    m.segment(log="ab" * 32)


def header_of_another_epoch(m):
    m.segment(epoch=m.epoch + 2)


def header_with_another_key(m):
    m.segment(public_key="ab" * 32)


def header_with_another_seq_before(m):
    m.segment(previous_seq=m.seq - 1)


def header_with_another_hash_before(m):
    m.segment(previous_hash="ab" * 32)


def no_epoch_at_the_end(m):
    m.seal = lambda kind: None
    m.segment()
    del m.seal


def header_inside(m):
    m.add("segment", format=2, log=m.log.hex(), epoch=m.epoch, public_key=m.key.public.hex(),
          previous_seq=m.seq - 1, previous_hash=m.hash.hex(), open=[])


def checkpoint_of_another_epoch(m):
    m.seal(epoch=m.epoch + 1)


def checkpoint_of_another_hash(m):
    m.seal(hash="ab" * 32)


def checkpoint_with_another_signature(m):
    m.seal(signature="ab" * 64)


def retired_with_another_hash(m):
    m.add("retired", first=1, last=0, hash="ab" * 32, segment="audit-0.jsonl", reason="age")


def a_seq_too_far(m):
    m.seq += 1
    m.request("a")


RULES = {
    outcome_without_intent_member: "an outcome that doesn't say of which intent",
    outcome_of_nothing: "an outcome without an open intent",
    outcome_of_a_closed_one: "an outcome without an open intent",
    outcome_of_one_that_comes_later: "an outcome without an open intent",
    outcome_of_another_kind_of_record: "an outcome without an open intent",
    outcome_of_itself: "an outcome without an open intent",
    outcome_of_another_id: "an outcome with another id than its intent",
    stop_with_an_open_request: "the log was closed with requests open",
    header_leaves_one_out: "the header leaves out a request that is open",
    header_lists_a_closed_one: "the header lists a request that is not open",
    header_lists_none: "the header leaves out a request that is open",
    header_of_an_older_format: "the segment's format is older",
    header_with_a_count: "its members are not those of a segment header",
    header_with_a_descending_list: "its members are not those of a segment header",
    header_of_a_format_to_come: "it is no segment header of format 1 or 2",
    header_of_another_log: "the segment belongs to another log",
    header_of_another_epoch: "the header's epoch and key are not those",
    header_with_another_key: "the header's epoch and key are not those",
    header_with_another_seq_before: "the header doesn't follow the segment before it",
    header_with_another_hash_before: "the header doesn't follow the segment before it",
    no_epoch_at_the_end: "doesn't end with an epoch record",
    header_inside: "a segment header in the middle of a segment",
    checkpoint_of_another_epoch: "signed for an epoch that is not the current one",
    checkpoint_of_another_hash: "signed for another record before it",
    checkpoint_with_another_signature: "its signature is not one of the epoch's key",
    retired_with_another_hash: "it names another hash for what was before the first segment",
    a_seq_too_far: "its seq is ",
}


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.__name__)
def test_each_rule(rule, log):
    made = log()
    sound(made)
    rule(made)
    tool, second = verdicts(made.folder)
    assert tool and RULES[rule] in tool, tool
    assert second


def count_too_small(m):
    m.intent("a")
    m.segment(open=0)


def count_too_large(m):
    m.segment(open=1)


def outcome_of_an_unknown_id(m):
    m.intent("a")
    m.outcome("b")


def goes_on_and_leaves_one_out(m):
    m.intent("a")
    m.segment(form=2, open=[])


def goes_on_and_lists_too_many(m):
    m.intent("a")
    m.segment(form=2, open=[1, m.seq - 1])


FORMAT_1 = {
    count_too_small: "the header counts other open requests than there are",
    count_too_large: "the header counts other open requests than there are",
    outcome_of_an_unknown_id: "an outcome without an open intent",
    goes_on_and_leaves_one_out: "the header leaves out a request that is open",
    goes_on_and_lists_too_many: "the header lists a request that is not open",
}


@pytest.mark.parametrize("rule", FORMAT_1, ids=lambda r: r.__name__)
def test_each_rule_of_format_1(rule, log):
    made = log(form=1)
    sound(made)
    rule(made)
    tool, second = verdicts(made.folder)
    assert tool and FORMAT_1[rule] in tool, tool
    assert second


# -- which outcome is whose

def orders():
    """Every order of three intents and their outcomes: numbers of requests, the second time as the outcome."""
    for order in set(itertools.permutations([0, 0, 1, 1, 2, 2])):
        yield order


STATUS = (200, 403, 409)


@pytest.mark.parametrize("new_segment", [None, 1, 3, 5])
def test_one_id_in_every_order(new_segment, log):
    """Three requests with one X-Request-Id, of two users; the header in between lists what is open."""
    assert len(list(orders())) == 90
    for n, order in enumerate(sorted(orders())):
        made = log(name="log%d" % n)
        at, said = {}, {}
        for place, request in enumerate(order):
            if place == new_segment:
                made.segment()
            if request not in at:
                at[request] = made.seq
                made.intent("same", path="/v1/org/%d" % request, fields={"name": "n%d" % request},
                            client={"name": "app%d" % (request % 2)})
            else:
                said[request] = made.seq
                made.outcome("same", STATUS[request], intent=at[request])
        sound(made)
        # show: a line of the intent, then that of its own outcome
        shown = [json.loads(line) for line in ctl("show", "--id", "same", "--json", made.folder).stdout.splitlines()]
        pairs = {shown[i]["seq"]: shown[i + 1] for i in range(0, len(shown), 2)}
        assert {r: pairs[at[r]]["seq"] for r in range(3)} == said, order
        # history: in the order of the outcomes, each with its own status
        for request in range(3):
            life = [json.loads(line) for line in ctl("history", "--json", "/v1/org/%d" % request, made.folder).stdout.splitlines()]
            assert [(e["seq"], e["status"], e["event"]) for e in life if e["id"] == "same"] == [
                (at[request], STATUS[request], "changed" if request == 0 else "refused")], order
        # diff: of the newest intent up to a time
        for request in range(3):
            time = pairs_time(made, at[request])
            change = json.loads(ctl("diff", "--json", "--time", time, "same", made.folder).stdout)
            assert (change["path"], change["status"], change["result"]) == (
                "/v1/org/%d" % request, STATUS[request], "done" if request == 0 else "failed"), order


def pairs_time(made, seq):
    return json.loads(made.lines[seq - 1])["time"]


def test_swapped_outcomes_are_found(log):
    """Re-hashed and re-chained, up to the signature over them."""
    made = log()
    made.intent("same", path="/v1/org/1")
    made.intent("same", path="/v1/org/2")
    first = made.seq - 2
    made.outcome("same", 200, intent=first)
    made.outcome("same", 403, intent=first + 1)
    sound(made)
    forged = Made(made.folder.parent / "forged", signed=True)
    forged.log, forged.key, forged.hash, forged.seq, forged.second = made.log, made.key, bytes(32), 1, 0
    forged.path.write_bytes(b"")
    for line in made.lines[:-1]:
        record = json.loads(line)
        record.pop("h")
        if record.get("intent") in (first, first + 1):
            record["intent"] = 2 * first + 1 - record["intent"]
        kind, time = record.pop("type"), record.pop("time")
        record.pop("seq")
        forged.add(kind, time, **record)
    assert verdicts(forged.folder) == (None, None)  # nothing is signed so far but what was not changed
    forged.raw(made.lines[-1] + b"\n")
    tool, second = verdicts(forged.folder)
    assert tool and second


def test_a_log_from_the_middle(log):
    """Its first header lists what was open, and the ids aren't known."""
    made = log()
    made.intent("a")
    made.intent("b")
    a, b = made.seq - 2, made.seq - 1
    made.segment()
    made.intent("c")
    made.outcome("b", intent=b)
    made.segment()
    made.outcome("c")
    made.outcome("a", intent=a)
    made.add("stop")
    made.seal()
    assert verdicts(made.folder) == (None, None)
    paths = trail.segments(made.folder)
    for n in range(1, 3):
        result = ctl("verify", *paths[n:])
        assert result.returncode == 2, result
        verifier = trail.Verifier()
        for path in paths[n:]:
            verifier.segment(path.name, path.read_bytes())
        assert verifier.open == {}


# -- format 1 goes on

def test_format_1_in_the_middle_goes_on(log):
    """Its header says how many are open; the first of format 2 lists them."""
    made = log(form=1)
    made.intent("a")
    made.intent("a")
    made.segment()
    made.intent("b")
    made.segment(form=2)
    made.outcome("a", 200, intent=5)
    made.outcome("a", 409, intent=4)
    made.outcome("b")
    made.add("stop")
    sound(made)
    assert ctl("verify", *trail.segments(made.folder)[1:]).returncode == 2


def continued(make_rig, made):
    rig = make_rig()
    made.key.write(made.folder / (".epoch-%d.key" % made.epoch))
    rig.audit_folder.rmdir()
    made.folder.rename(rig.audit_folder)
    rig.start()
    return rig


@pytest.mark.parametrize("segments", [1, 2])
def test_a_keeper_goes_on_with_format_1(segments, make_rig, lookalike, log):
    """In format 2, from its first record on; what was open gets its outcome by its own seq."""
    made = log(form=1)
    made.intent("same", path="/v1/org/1", fields={"name": "one"})
    if segments == 2:
        made.segment()
    made.intent("same", path="/v1/org/2", fields={"name": "two"})
    made.request("third")
    made.seal()
    before = made.seq
    rig = continued(make_rig, made)
    assert rig.call("POST", "/v1/org", {"name": "new"}, {"X-Request-Id": "same"}).status == 200
    until(lambda: rig.records("outcome")[-1].get("status") == 200, what="the outcome")
    headers = rig.records("segment")
    assert [h["format"] for h in headers] == [1] * segments + [2]
    assert headers[-1]["seq"] == before + 1  # behind the epoch record
    ends = [r for r in rig.records("outcome") if r["seq"] > before]
    opened = [r["seq"] for r in rig.records("intent") if r["id"] == "same"]
    assert headers[-1]["open"] == [s for s in opened[:2] if s not in (r.get("intent") for r in rig.records("outcome")
                                                                      if r["seq"] < before)]
    assert [(r["intent"], r["sent"]) for r in ends] == [
        (s, "unknown") for s in headers[-1]["open"]] + [(opened[-1], "all")]
    rig.stop()
    assert verdicts(rig.audit_folder) == (None, None)
    change = json.loads(ctl("diff", "--json", "same", rig.audit_folder).stdout)
    assert change["result"] == "done" and change["path"] == "/v1/org"
    assert re.search(rb"third", ctl("show", rig.audit_folder).stdout)
