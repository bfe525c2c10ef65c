"""The trail: what each record says, that nothing is missing, and that nothing secret is in it."""
import json
import os
import re
import shutil
import subprocess

import pytest

from rig import SECRET, Daemon, head, program, read_answer, until

TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")
# Facts of the API's document and of independent vectors: body, fields as signed (flatten).
FIELDS = [
    ('{"name":"myorgname"}', {"name": "myorgname"}),
    ('{"agents":[1, 2, 3]}', {"agents": "1,2,3"}),
    ('{"user_name":"myusername","login_name":"admin"}',
     {"login_name": "admin", "user_name": "myusername"}),
    ("{}", {}),
    ('{"areas":[],"tag_name":""}', {"areas": "", "tag_name": ""}),
    ('{"name":"a","active":false,"anonymize_day":0}',
     {"active": "false", "anonymize_day": "0", "name": "a"}),
    ('{"b":"3","a_b":"2","aB":"1","C":"0","a":"a"}',
     {"C": "0", "a": "a", "aB": "1", "a_b": "2", "b": "3"}),
    ('{"name":"n","bright_settings":{"survey_reference_code":"123","active":true,'
     '"language_code":"SE"}}', {"bright_settings": "true:SE:123", "name": "n"}),
    ('{"agent_groups":[{"name":"API Agents","id":1},{"id":2,"name":"B"}],"name":"Area 1"}',
     {"agent_groups": "1:API Agents,2:B", "name": "Area 1"}),
]


def test_shapes(rig):
    assert rig.call("POST", "/v1/org", {"name": "n"}).status == 200
    assert rig.call("GET", "/v1/org").status == 405
    start, fields, key, key2, intent, outcome, reject = rig.events()
    for number, record in enumerate(rig.records(), 1):
        assert list(record)[:3] == ["seq", "time", "type"] and list(record)[-1] == "h"
        assert record["seq"] == number and TIME.match(record["time"])
    assert (start["type"], fields["type"]) == ("start", "fields")
    assert list(start)[3:-1] == ["version", "pid", "fields_key", "heartbeat"]
    assert start["heartbeat"] == 3600
    assert list(fields)[3:-1] == ["event", "key_id"] and fields["key_id"] == start["fields_key"]
    assert {key["type"], key2["type"]} == {"key"}
    assert {(key["workspace"], key["key"]), (key2["workspace"], key2["key"])} == {
        ("televox", "xyz"), ("second", "other-id")}
    assert list(intent)[3:-1] == [
        "id", "client", "method", "workspace", "path", "fields", "body_mac", "key"]
    assert intent["client"]["via"] == "tcp"
    assert re.match(r"127\.0\.0\.1:\d+$", intent["client"]["address"])
    assert (intent["method"], intent["workspace"], intent["path"], intent["key"]) == (
        "POST", "televox", "/v1/org", "xyz")
    assert list(outcome)[3:-1] == [
        "id", "intent", "status", "sent", "duration_us", "object", "answer", "answer_bytes", "answer_sha256"]
    assert outcome["id"] == intent["id"] and outcome["intent"] == intent["seq"] and outcome["sent"] == "all"
    assert 0 < outcome["duration_us"] < 10_000_000
    assert reject["type"] == "reject" and reject["status"] == 405
    assert (reject["method"], reject["path"]) == ("GET", "/v1/org")
    assert "client" in reject and "fields" not in reject


@pytest.mark.parametrize("body, fields", FIELDS)
def test_fields_as_signed(lax_rig, lookalike, body, fields):
    lax_rig.call("PUT", "/v1/org/1", body.encode())
    record = lax_rig.records("intent")[0]
    assert record["fields"] == fields and list(record["fields"]) == list(fields)
    assert lookalike.requests[0].problem is None


def test_every_character_survives(rig, lookalike):
    text = "".join(map(chr, [*range(0x20), 0x22, 0x5c, 0x7f, 0x85, 0x2028, 0xffff, 0x10ffff]))
    assert rig.call("POST", "/v1/org", {"name": text}).status == 200
    assert rig.records("intent")[0]["fields"]["name"] == text
    assert len(lookalike.accepted) == 1


def test_nothing_secret_is_written(rig, lookalike):
    for method, path, body in [("POST", "/v1/org", {"name": "n"}), ("DELETE", "/v1/org/1", None),
                               ("POST", "/s/second/v1/tag", {"areas": [], "tag_name": "t"}),
                               ("POST", "/s/none/v1/tag", {"areas": []})]:
        rig.call(method, path, body, {"Authorization": "Bearer client-secret"})
    signatures = [dict(r.fields)["Authorization"].split(",")[1] for r in lookalike.requests]
    assert len(signatures) == 3
    written = b"".join(p.read_bytes() for p in rig.audit_folder.iterdir())
    written += (rig.proxy.log + rig.keeper.log).encode()
    for word in [SECRET, "client-secret", "CENTION1", *signatures]:
        assert word.encode() not in written
    assert b'"xyz"' in written  # the search would find it


def test_seq_goes_on_over_restarts(rig):
    for _ in range(3):
        assert rig.call("POST", "/v1/org", {"name": "n"}).status == 200
        rig.keeper.stop()
        rig.start_keeper()
        rig.wait_ready()
    kinds = [r["type"] for r in rig.records()]
    assert kinds.count("start") == 4 and kinds.count("stop") == 3
    assert len(list(rig.audit_folder.glob("audit-*.jsonl"))) == 1
    assert oct((rig.audit_folder / "audit-1.jsonl").stat().st_mode & 0o777) == "0o640"


def test_a_torn_tail_is_set_aside(make_rig):
    rig = make_rig()
    rig.start_keeper()
    rig.keeper.stop()
    segment = rig.audit_folder / "audit-1.jsonl"
    whole = segment.read_bytes()
    segment.write_bytes(whole + b'{"seq":99,"time":"20')
    rig.start_keeper()
    rig.keeper.stop()
    assert segment.read_bytes().startswith(whole)
    assert b'{"seq":99,"time":"20' in b"".join(
        p.read_bytes() for p in rig.audit_folder.glob("*.torn"))
    assert len(rig.records("recovery")) == 1


def test_damage_refuses_the_start(make_rig):
    rig = make_rig()
    rig.start_keeper()
    rig.keeper.stop()
    segment = rig.audit_folder / "audit-1.jsonl"
    lines = segment.read_bytes().splitlines(True)
    segment.write_bytes(lines[0] + lines[2])
    daemon = Daemon(program("cention-keeperd"), "-c", str(rig.keeper_conf))
    assert daemon.process.wait(10) == 1
    daemon._reader.join(5)
    assert "audit-1.jsonl" in daemon.log and "2" in daemon.log
    segment.write_bytes(b"".join(lines))


def test_orphans_are_closed_at_the_next_start(rig, lookalike):
    lookalike.order(delay=2.0)
    sock = rig.raw(head("POST", "/v1/org", b'{"name":"n"}'))
    lookalike.wait_for(1)
    rig.keeper.kill()
    rig.proxy.kill()
    sock.close()
    assert [r["type"] for r in rig.records()][-1] == "intent"
    rig.start_keeper()
    rig.start_proxy()
    rig.wait_ready()
    outcome = rig.records("outcome")[0]
    assert outcome["id"] == rig.records("intent")[0]["id"] and outcome["sent"] == "unknown"


@pytest.mark.skipif(not shutil.which("prlimit"), reason="prlimit is not installed")
def test_a_log_that_can_not_be_written(rig, lookalike):
    """A file size limit makes the next write fail: nothing is signed from then on."""
    assert rig.call("POST", "/v1/org", {"name": "n"}).status == 200
    size = (rig.audit_folder / "audit-1.jsonl").stat().st_size
    subprocess.run(["prlimit", "--pid", str(rig.keeper.pid), "--fsize=%d:" % (size + 10)],
                   check=True)
    for _ in range(3):
        answer = rig.call("POST", "/v1/org", {"name": "n"})
        assert (answer.status, answer.json["code"]) == (503, "audit_unavailable"), answer.body
        assert answer.json["outcome"] == "not-sent"
    assert len(lookalike.requests) == 1
    until(lambda: rig.admin("/readyz").status == 503, what="readiness is lost")
    assert b"audit_unavailable" in rig.admin("/readyz").body
    until(lambda: "level=error" in rig.keeper.log)
    subprocess.run(["prlimit", "--pid", str(rig.keeper.pid), "--fsize=unlimited:"], check=True)
    assert rig.call("POST", "/v1/org", {"name": "n"}).status == 503  # it stays so: no retry
    rig.keeper.stop()
    rig.start_keeper()
    rig.wait_ready()
    assert rig.call("POST", "/v1/org", {"name": "n"}).status == 200


def test_one_line_one_record(rig):
    rig.call("POST", "/v1/org", {"name": "a\nb\r\u2028c"})
    for line in (rig.audit_folder / "audit-1.jsonl").read_bytes().split(b"\n")[:-1]:
        json.loads(line)


@pytest.mark.parametrize("mode", [0o777, 0o772])
def test_a_folder_that_others_can_write_is_refused(make_rig, mode):
    rig = make_rig()
    os.chmod(rig.audit_folder, mode)
    daemon = Daemon(program("cention-keeperd"), "-c", str(rig.keeper_conf), "-t")
    assert daemon.process.wait(10) in (1, 78)
    daemon._reader.join(5)
    assert str(rig.audit_folder) in daemon.log


def test_request_ids_of_clients(rig):
    for given, kept in [("abc-1.2_3:x+/=@", True), ("a b", False), ('a"b', False),
                        ("x" * 128, True), ("x" * 129, False), ("\u00e9", False)]:
        data = head("DELETE", "/v1/org/1", extra=["X-Request-Id: " + given])
        with rig.raw(data) as sock:
            answer = read_answer(sock.makefile("rb"))
        assert (answer.field("x-request-id") == given) == kept
        assert rig.records("intent")[-1]["id"] == answer.field("x-request-id")
