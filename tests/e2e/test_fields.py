"""How field values are kept in the audit log: plain, as a keyed hash, or not at all."""
import hmac
import json
import os
import struct
import subprocess

import pytest

import trail
from rig import Daemon, program, until

WITHHELD = "(withheld: the field is kept from the log)"
ADDRESS, NUMBER = "eva.lind@example.com", "+46 70 123 45 67"
AREA = {"name": "Area 1", "agent_groups": [{"id": 1, "name": "API Agents"}],
        "server_emails": [{"id": -1, "name": ADDRESS, "order": 1}]}


def key_of(rig):
    return (rig.audit_folder / ".fields.key").read_bytes()


def field_mac(key, value):
    return hmac.new(key, b"cention-audit-field-1\0" + value.encode(), "sha256").hexdigest()


def body_mac(key, fields):
    """Of a list of (name, value) in the order of the names' bytes."""
    text = b"".join(struct.pack(">I", len(s)) + s for f in fields for s in map(str.encode, f))
    return hmac.new(key, b"cention-audit-body-1\0" + text, "sha256").hexdigest()


def key_id(key):
    return hmac.new(key, b"cention-audit-key-id-1", "sha256").hexdigest()[:16]


def with_rules(make_rig, rules, **kwargs):
    rig = make_rig(**kwargs)
    rig.keeper_settings["audit"]["fields"] = rules
    rig.write_conf()
    return rig.start()


def nowhere(rig, *words):
    """No file of the audit directory holds any of the words."""
    written = b"".join(p.read_bytes() for p in rig.audit_folder.iterdir())
    assert b'"type":"start"' in written
    for word in words:
        assert word.encode() not in written, word


def test_addresses_and_numbers_are_hashed(rig, lookalike):
    body = dict(AREA, reply_to_email_address=ADDRESS, external_forward_number=NUMBER,
                description="ask " + ADDRESS, external_experts_by_email=True, time_zone="CET",
                external_experts_from_address="", external_id="0012345678901234567")
    assert rig.call("POST", "/v1/area", body).status == 200
    intent, = rig.records("intent")
    key, fields = key_of(rig), intent["fields"]
    signed = [("agent_groups", "1:API Agents"), ("description", "ask " + ADDRESS),
              ("external_experts_by_email", "true"), ("external_experts_from_address", ""),
              ("external_forward_number", NUMBER), ("external_id", "0012345678901234567"),
              ("name", "Area 1"), ("reply_to_email_address", ADDRESS),
              ("server_emails", "-1:%s:1" % ADDRESS), ("time_zone", "CET")]
    private = {"description", "external_forward_number", "reply_to_email_address", "server_emails"}
    assert list(fields) == [name for name, _ in signed]
    assert fields == {name: {"mac": field_mac(key, value)} if name in private else value
                      for name, value in signed}
    assert intent["body_mac"] == body_mac(key, signed)
    nowhere(rig, ADDRESS, NUMBER, key.hex())
    # What is signed and sent is what it was.
    assert len(lookalike.accepted) == 1 and ADDRESS.encode() in lookalike.requests[0].body


def test_equal_values_match(lax_rig):
    for path, body in [("/v1/org/1", {"name": ADDRESS}), ("/v1/area/2", {"x": ADDRESS, "y": "b@c"})]:
        lax_rig.call("PUT", path, body)
    one, other = (r["fields"] for r in lax_rig.records("intent"))
    assert one["name"] == other["x"] != other["y"]


@pytest.mark.parametrize("nested", ["flatten", "json"])
@pytest.mark.parametrize("value", [
    {"name": "Bob", "phone": "0701234567"}, ["a", "0701234567"], [{"a": 1, "b": [ADDRESS]}],
    {"Bob": NUMBER}])
def test_nested_values(make_rig, lookalike, nested, value):
    rig = make_rig(proxy={"validation": "off", "signature": {"nested": nested}}).start()
    rig.call("PUT", "/v1/org/1", {"contact": value})
    assert list(rig.records("intent")[0]["fields"]["contact"]) == ["mac"]
    nowhere(rig, ADDRESS, NUMBER, "0701234567")


def test_what_stays_plain(lax_rig):
    body = {"date": "01-02-2026", "day": "2026-11-24", "id": 46701234567, "colour": "#00ff00",
            "at": "09:00", "zone": "+0100", "tag": "@support", "done_date": "", "email": None,
            "hours": {"Friday": {"start": "09:00", "end": "18:00"}}, "list": [1, 2, 3]}
    lax_rig.call("PUT", "/v1/org/1", body)
    fields = lax_rig.records("intent")[0]["fields"]
    assert all(isinstance(value, str) for value in fields.values()), fields


def test_without_fields_there_is_a_body_mac(rig):
    assert rig.call("DELETE", "/v1/org/1").status in (200, 404)
    assert rig.call("PUT", "/v1/org/1", {}).status in (200, 404)
    macs = [r["body_mac"] for r in rig.records("intent")]
    assert macs == [body_mac(key_of(rig), [])] * 2


def test_rules(make_rig):
    rig = with_rules(make_rig, [
        {"method": "PUT", "path": "/v1/area/:id", "field": "server_emails[].name", "keep": "omit"},
        {"field": "server_emails", "keep": "plain"},
        {"path": "/v1/*/:id", "field": "name", "keep": "mac"},
        {"method": "DELETE", "field": "*", "keep": "omit"}])
    assert rig.call("POST", "/v1/area", AREA).status == 200
    rig.call("PUT", "/v1/area/7", AREA)
    made, changed = rig.records("intent")
    key = key_of(rig)
    assert made["fields"] == {"agent_groups": "1:API Agents", "name": "Area 1",
                              "server_emails": "-1:%s:1" % ADDRESS}
    assert changed["fields"] == {"agent_groups": "1:API Agents",
                                 "name": {"mac": field_mac(key, "Area 1")},
                                 "server_emails": {"omitted": True}}
    assert made["body_mac"] == changed["body_mac"] == body_mac(
        key, [("agent_groups", "1:API Agents"), ("name", "Area 1"),
              ("server_emails", "-1:%s:1" % ADDRESS)])


def test_omitted_is_nowhere(make_rig, lookalike):
    rig = with_rules(make_rig, [{"field": "description", "keep": "omit"}])
    assert rig.call("POST", "/v1/area", dict(AREA, description="a quiet word")).status == 200
    assert rig.records("intent")[0]["fields"]["description"] == {"omitted": True}
    nowhere(rig, "quiet word")
    assert b"quiet word" in lookalike.requests[0].body



def test_texts_of_a_reject(make_rig):
    rig = with_rules(make_rig, [{"field": "external_id", "keep": "mac"},
                                {"field": "pro_active_chat", "keep": "plain"}])
    body = ('{"name":"n","time_zone":"%s","external_id":71717171,"anonymize_day":"0701234567",'
            '"anonymize_contact":"\\u002b46701234567","active":"visible","pro_active_chat":%d}'
            % (ADDRESS, 81818181)).encode()
    answer = rig.call("POST", "/v1/org", body)
    assert answer.status == 422
    told = {e["field"]: e["error"] for e in answer.json["errors"]}
    assert ADDRESS in told["time_zone"] and "71717171" in told["external_id"]
    record, = rig.records("reject")
    kept = {p["field"]: p["error"] for p in record["problems"]}
    assert {p["code"] for p in record["problems"]} == {"invalid_field"}
    assert {f for f, text in kept.items() if text == WITHHELD} == {
        "time_zone", "external_id", "anonymize_day", "anonymize_contact"}
    assert {f: told[f] for f in ("active", "pro_active_chat")} == {
        f: kept[f] for f in ("active", "pro_active_chat")}
    assert record["field"] == answer.json["field"] and record["error"] == kept[record["field"]]
    nowhere(rig, ADDRESS, "71717171", "0701234567", "46701234567")


def test_texts_of_a_warning(make_rig, lookalike):
    rig = with_rules(make_rig, [{"field": "external_id", "keep": "omit"}],
                     proxy={"validation": "warn"})
    body = {"name": "n", "time_zone": ADDRESS, "external_id": 71717171, "anonymize_day": -1,
            "my_phone": 5}
    assert rig.call("POST", "/v1/org", body).status == 200
    intent, = rig.records("intent")
    kept = {p["field"]: p["error"] for p in intent["problems"]}
    assert set(kept) == {"time_zone", "external_id", "anonymize_day", "my_phone"}
    assert [kept[f] for f in ("time_zone", "external_id", "my_phone")] == [WITHHELD] * 3
    assert "-1" in kept["anonymize_day"]
    nowhere(rig, ADDRESS, "71717171")


def test_a_name_that_is_given_twice(rig):
    answer = rig.call("POST", "/v1/org", b'{"name":1,"%s":1,"%s":2}' % ((ADDRESS.encode(),) * 2))
    assert answer.status == 400 and ADDRESS in answer.json["error"]
    record, = rig.records("reject")
    assert record["error"] == WITHHELD and record["code"] == "bad_json"


# -- the key

def test_the_key_and_its_id(rig):
    key = key_of(rig)
    assert len(key) == 32 and oct((rig.audit_folder / ".fields.key").stat().st_mode) == "0o100600"
    assert rig.records("start")[0]["fields_key"] == key_id(key)
    made, = rig.records("fields")
    assert (made["event"], made["key_id"]) == ("key_created", key_id(key))
    rig.keeper.stop()
    rig.start_keeper()
    assert key_of(rig) == key and len(rig.records("fields")) == 1
    assert [r["fields_key"] for r in rig.records("start")] == [key_id(key)] * 2


def test_a_key_that_was_removed(rig):
    rig.call("POST", "/v1/org", {"name": ADDRESS})
    old = key_of(rig)
    rig.keeper.stop()
    (rig.audit_folder / ".fields.key").unlink()
    rig.start_keeper()
    rig.wait_ready()
    assert "event=audit_fields_key_created" in rig.keeper.log
    rig.call("POST", "/v1/org", {"name": ADDRESS})
    new = key_of(rig)
    assert new != old
    assert [r["key_id"] for r in rig.records("fields")] == [key_id(old), key_id(new)]
    assert [r["fields_key"] for r in rig.records("start")] == [key_id(old), key_id(new)]
    assert [r["fields"]["name"]["mac"] for r in rig.records("intent")] == [
        field_mac(old, ADDRESS), field_mac(new, ADDRESS)]


@pytest.mark.parametrize("mode, size, words", [
    (0o640, 32, "mode 0600"), (0o604, 32, "mode 0600"), (0o600, 31, "not a key of 32 bytes"),
    (0o600, 33, "not a key of 32 bytes"), (0o600, 0, "not a key of 32 bytes")])
def test_a_bad_key_file(make_rig, mode, size, words):
    rig = make_rig()
    path = rig.audit_folder / ".fields.key"
    path.write_bytes(b"k" * size)
    path.chmod(mode)
    for more in (["-t"], []):
        daemon = Daemon(program("cention-keeperd"), "-c", str(rig.keeper_conf), *more)
        assert daemon.process.wait(10) == 78
        daemon._reader.join(5)
        assert str(path) in daemon.log and words in daemon.log
    assert path.read_bytes() == b"k" * size and not trail.segments(rig.audit_folder)


def test_checking_makes_no_key(make_rig):
    rig = make_rig()
    daemon = Daemon(program("cention-keeperd"), "-c", str(rig.keeper_conf), "-t")
    assert daemon.process.wait(10) == 0
    assert list(rig.audit_folder.iterdir()) == []


def test_a_reload_brings_new_rules(rig):
    def reload(rules, result):
        count = len(rig.records("config"))
        rig.keeper_settings["audit"]["fields"] = rules
        rig.write_conf()
        rig.keeper.signal(1)
        until(lambda: len(rig.records("config")) > count, what="the reload")
        assert rig.records("config")[-1]["result"] == result

    def kept():
        assert rig.call("POST", "/v1/org", {"name": "n"}).status == 200
        return rig.records("intent")[-1]["fields"]["name"]

    assert kept() == "n"
    reload([{"field": "name", "keep": "omit"}], "applied")
    assert kept() == {"omitted": True}
    reload([{"field": "name", "keep": "hide"}], "refused")
    assert "audit.fields[0].keep" in rig.records("config")[-1]["error"]
    assert kept() == {"omitted": True}
    reload([{"field": "name", "keep": "mac"}], "applied")
    assert kept() == {"mac": field_mac(key_of(rig), "n")}
    reload([], "applied")
    assert kept() == "n"
    assert "restart_needed" not in rig.keeper.log


@pytest.mark.parametrize("rule, words", [
    ({"field": "a"}, "audit.fields[0].keep: missing"),
    ({"field": "a", "keep": "hash"}, 'audit.fields[0].keep: "hash" is none of'),
    ({"keep": "mac"}, "audit.fields[0].field: missing"),
    ({"field": "a[", "keep": "mac"}, "audit.fields[0].field: must be"),
    ({"field": "a.b", "keep": "plain"}, "audit.fields[0].keep: a part"),
    ({"field": "a", "path": "area", "keep": "mac"}, "audit.fields[0].path: must be"),
    ({"field": "a", "method": "PATCH", "keep": "mac"}, "audit.fields[0].method: must be"),
    ({"field": "a", "kept": "mac"}, "audit.fields[0].kept: unknown setting")])
def test_bad_rules(make_rig, rule, words):
    rig = make_rig()
    rig.keeper_settings["audit"]["fields"] = [rule]
    rig.write_conf()
    daemon = Daemon(program("cention-keeperd"), "-c", str(rig.keeper_conf), "-t")
    assert daemon.process.wait(10) == 78
    daemon._reader.join(5)
    line = rig.keeper_conf.read_text().split("audit =")[0].count("\n") + 1
    assert "%s:%d: %s" % (rig.keeper_conf, line, words) in daemon.log


# -- looking for a value

def ctl(*arguments, stdin=""):
    return subprocess.run([program("cention-proxyctl"), "audit", "mac", *map(str, arguments)],
                          input=stdin, capture_output=True, text=True, timeout=60)


def test_the_tool_finds_a_value(rig):
    rig.call("POST", "/v1/org", {"name": ADDRESS})
    kept = rig.records("intent")[0]["fields"]["name"]["mac"]
    key_file = rig.audit_folder / ".fields.key"
    for place in (["-d", rig.audit_folder], ["--key", key_file], ["-c", rig.keeper_conf]):
        result = ctl(*place, ADDRESS)
        assert (result.returncode, result.stdout, result.stderr) == (0, kept + "\n", "")
    result = ctl("-d", rig.audit_folder, "-", NUMBER, stdin=ADDRESS + "\n\nå")
    assert result.stdout.split() == [kept, *(field_mac(key_file.read_bytes(), v)
                                             for v in ("", "å", NUMBER))]


@pytest.mark.parametrize("arguments, code, words", [
    ([], 2, "usage"), (["--help"], 0, "usage"), (["--what", "x"], 2, "usage"),
    (["--key", "/none", "x"], 1, "/none"), (["-d", "/none", "x"], 1, "/none/.fields.key"),
    (["--key", "/dev/null", "x"], 1, "not a key"), (["-c", "/none.conf", "x"], 78, "/none.conf"),
    (["-d", "/none", "--key", "/none", "x"], 2, "usage")])
def test_the_tool_s_command_line(arguments, code, words):
    result = ctl(*arguments)
    assert result.returncode == code and words in result.stdout + result.stderr


def test_the_tool_needs_the_key(rig, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs root to become another user")
    os.chmod(rig.audit_folder.parent.parent, 0o755)
    result = subprocess.run([program("cention-proxyctl"), "audit", "mac", "--key",
                             str(rig.audit_folder / ".fields.key"), "x"],
                            capture_output=True, text=True, timeout=60, user=65534, group=65534)
    assert result.returncode == 1 and "Permission denied" in result.stderr
    assert json.dumps(result.stdout) == '""'
