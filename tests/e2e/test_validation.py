"""The API description at work: modes of validation, limits of the report, changes of the file."""
import copy
import json
import re
import signal
import subprocess

import pytest

from rig import API, TOP, program

def agent_group():
    """The path item that doc/description.md tells an administrator to add."""
    text = (TOP / "doc" / "description.md").read_text()
    block = re.search(r'^    "/v1/agent-group/\{id\}": \{.*?^    \}$', text, re.S | re.M).group(0)
    return json.loads("{%s}" % block)


@pytest.fixture
def description():
    return json.loads(API.read_text())


@pytest.fixture
def own(make_rig, tmp_path):
    """A rig with a description of its own: own(description), and own.write(description)."""
    path = tmp_path / "own.json"

    def start(described, **proxy):
        start.write(described)
        start.rig = make_rig(proxy={"api": path, **proxy}).start()
        return start.rig

    def reload(described):
        start.write(described)
        seen = len(start.rig.proxy.lines)
        start.rig.proxy.signal(signal.SIGHUP)
        return start.rig.proxy.wait_line("event=reload(ed|_refused).*", skip=seen).group(0)

    start.write = lambda described: path.write_text(
        described if isinstance(described, str) else json.dumps(described))
    start.reload = reload
    start.path = path
    return start


def pointer(described, text):
    """The parent and the last key of a JSON pointer."""
    keys = [k.replace("~1", "/").replace("~0", "~") for k in text.split("/")[1:]]
    for key in keys[:-1]:
        described = described[key]
    return described, keys[-1]


# -- modes

def test_warn_forwards_and_records(make_rig, lookalike):
    rig = make_rig(proxy={"validation": "warn"}).start()
    body = {"name": "n", "anonymize_day": -1, "colour": "red"}
    assert rig.call("POST", "/v1/org", body).status == 200
    intent = rig.records("intent")[0]
    assert [(p["field"], p["code"]) for p in intent["problems"]] == [
        ("anonymize_day", "invalid_field"), ("colour", "unknown_field")]
    assert "-1" in intent["problems"][0]["error"]
    assert intent["fields"]["colour"] == "red" and len(lookalike.accepted) == 1
    assert rig.call("POST", "/v1/org", {"name": "n"}).status == 200
    assert "problems" not in rig.records("intent")[1]
    rig.proxy.wait_line("event=not_as_described .*problems=2")


@pytest.mark.parametrize("method, path, code", [
    ("PUT", "/v1/agent-group/1", "unknown_endpoint"), ("PUT", "/v1/org", "method_not_allowed")])
def test_warn_lets_unknown_calls_through(make_rig, lookalike, method, path, code):
    rig = make_rig(proxy={"validation": "warn"}).start()
    assert rig.call(method, path, {"agents": [1, 2, 3]}).status in (404, 405)
    assert [p["code"] for p in rig.records("intent")[0]["problems"]] == [code]
    assert len(lookalike.accepted) == 1


@pytest.mark.parametrize("mode", ["enforce", "warn", "off"])
@pytest.mark.parametrize("body", [
    '{"name":"a","Name":"b"}', '{"NAME":"a","x":1,"name":"b"}', '{"é":1,"É":2}',
    '{"name":"n","expire_time":{"hold":1,"Hold":2}}', '{"na\\u006de":"a","n\\u0041me":"b"}'])
def test_names_in_two_letter_cases(make_rig, lookalike, mode, body):
    """A parser that ignores case would read another change than the one that is signed."""
    rig = make_rig(proxy={"validation": mode}).start()
    answer = rig.call("POST", "/v1/org", body.encode())
    assert (answer.status, answer.json["code"]) == (400, "bad_json")
    assert "letter case" in answer.json["error"] and lookalike.accepted == []
    assert [r["code"] for r in rig.records("reject")] == ["bad_json"]


def test_off_looks_at_nothing(lax_rig, lookalike):
    assert lax_rig.call("POST", "/v1/org", {"name": "n", "colour": None}).status == 200
    assert "problems" not in lax_rig.records("intent")[0]
    assert len(lookalike.accepted) == 1


def test_warn_still_refuses_what_cannot_be_signed(make_rig, lookalike):
    rig = make_rig(proxy={"validation": "warn"}).start()
    assert rig.call("POST", "/v1/org", b'{"name":"a","name":"b"}').status == 400
    assert rig.call("GET", "/v1/org").status == 405
    assert lookalike.requests == []


# -- the report

def test_a_report_has_an_end(rig, lookalike):
    body = {"field%04d" % i: i for i in range(1000)}
    answer = rig.call("PUT", "/v1/org/1", body)
    assert answer.status == 422 and len(answer.json["errors"]) == 256
    assert answer.json["errors_omitted"] == 744
    record = rig.records("reject")[0]
    assert len(record["problems"]) == 16 and record["problems_total"] > 256
    assert lookalike.requests == []
    assert rig.call("POST", "/v1/org", {"name": "n"}).status == 200


def test_a_refusal_keeps_the_connection(rig, lookalike):
    connection = rig.connection()
    for _ in range(3):
        answer = rig.call("POST", "/v1/org", {}, connection=connection)
        assert (answer.status, answer.json["code"], answer.json["field"]) == (
            422, "missing_field", "name")
        assert rig.call("POST", "/v1/org", {"name": "n"}, connection=connection).status == 200
    assert len(lookalike.accepted) == 3


def test_a_bad_id_is_no_endpoint(rig, lookalike):
    for number in ("abc", "-1", "01", "1.0", "1e3", "99999999999999999999", ""):
        answer = rig.call("PUT", "/v1/org/" + number, {})
        assert (answer.status, answer.json["code"]) == (404, "unknown_endpoint"), number
    answer = rig.call("PUT", "/v1/org", {})
    assert (answer.status, answer.field("allow")) == (405, "POST")
    answer = rig.call("POST", "/v1/org/1", {})
    assert (answer.status, answer.field("allow")) == (405, "PUT, DELETE")
    assert lookalike.requests == []


def test_values_of_the_client_do_no_harm(rig, lookalike):
    key = "a\"\\\u001b[2J\u0000\u2028" + "x" * 500
    answer = rig.call("PUT", "/v1/org/1", {key: 1, "time_zone": "\u001b]0;x\u0007" * 50})
    assert [e["code"] for e in answer.json["errors"]] == ["unknown_field", "invalid_field"]
    assert rig.records("reject")[0]["code"] == "unknown_field"
    assert all(c.isprintable() or c == "\n" for c in rig.proxy.log), rig.proxy.log
    assert lookalike.requests == []


# -- changes of the file

def test_a_call_is_removed_one_added_one_broken(own, description, lookalike):
    rig = own(description)
    assert rig.call("POST", "/v1/tag", {"areas": [1], "tag_name": "t"}).status == 200
    assert rig.call("PUT", "/v1/agent-group/1", {"agents": [1, 2, 3]}).status == 404
    assert len(lookalike.requests) == 1

    changed = copy.deepcopy(description)
    del changed["paths"]["/v1/tag"]
    changed["paths"].update(agent_group())
    assert "reloaded" in own.reload(changed)
    answer = rig.call("POST", "/v1/tag", {"areas": [1], "tag_name": "t"})
    assert (answer.status, answer.json["code"]) == (404, "unknown_endpoint")
    rig.call("PUT", "/s/televox/v1/agent-group/1", {"agents": [1, 2, 3]})
    assert len(lookalike.accepted) == 2 and lookalike.requests[-1].target.endswith("group/1")
    assert rig.records("intent")[-1]["fields"] == {"agents": "1,2,3"}
    answer = rig.call("PUT", "/v1/agent-group/1", {"agents": ["1"]})
    assert (answer.status, answer.json["field"]) == (422, "agents[0]")

    broken = copy.deepcopy(changed)
    schema = broken["paths"]["/v1/agent-group/{id}"]["put"]["requestBody"]["content"][
        "application/json"]["schema"]
    schema["properties"]["agents"]["uniqueItems"] = True
    line = own.reload(broken)
    assert "reload_refused" in line
    assert "/paths/~1v1~1agent-group~1{id}/put/requestBody/content/application~1json/schema" \
        "/properties/agents/uniqueItems" in line
    rig.call("PUT", "/v1/agent-group/1", {"agents": [4]})  # the old one goes on
    assert len(lookalike.accepted) == 3


BREAKS = [
    ("/components/schemas/TimeZone/type", "strnig", "/components/schemas/TimeZone/type"),
    ("/components/schemas/TimeZone/format", "x", "/components/schemas/TimeZone/format"),
    ("/components/schemas/TimeZone/enum", [], "/components/schemas/TimeZone/enum"),
    ("/components/schemas/TimeZone/minimum", 1, "/components/schemas/TimeZone/minimum"),
    ("/components/schemas/TimeZone/pattern", "a(?=b)", "/components/schemas/TimeZone/pattern"),
    ("/components/schemas/Unused", {"oneOf": []}, "/components/schemas/Unused/type"),
    ("/components/schemas/Unused", {"$ref": "#/components/schemas/Unused"},
     "/components/schemas/Unused/$ref"),
    ("/components/schemas/Unused", {"$ref": "#/nowhere"}, "/components/schemas/Unused/$ref"),
    ("/components/schemas/Unused", {"$ref": "http://x/y"}, "/components/schemas/Unused/$ref"),
    ("/paths/~1v1~1org/get", {"responses": {}}, "/paths/~1v1~1org/get"),
    ("/paths/~1v1~1org/post/parameters", [], "/paths/~1v1~1org/post/parameters"),
    ("/paths/~1v1~1org/post/requestBody", {"content": {}},
     "/paths/~1v1~1org/post/requestBody/content/application~1json"),
    ("/paths/~1v1~1org/post/responses", None, "/paths/~1v1~1org/post/responses"),
    ("/webhooks", {}, "/webhooks"),
    ("/openapi", "3.0.3", "/openapi"),
]


@pytest.mark.parametrize("where, value, said", BREAKS)
def test_a_broken_description_stops_the_start(make_rig, description, tmp_path, where, value, said):
    parent, key = pointer(description, where)
    parent[key] = value
    path = tmp_path / "broken.json"
    path.write_text(json.dumps(description))
    rig = make_rig(proxy={"api": path})
    for args in (["-t"], []):
        done = subprocess.run([program("cention-proxyd"), "-c", str(rig.proxy_conf), *args],
                              capture_output=True, text=True, timeout=20)
        assert done.returncode == 78, done.stderr
        assert "proxy.conf:" in done.stderr and "broken.json: %s: " % said in done.stderr


def test_text_that_is_no_json_names_the_line(make_rig, tmp_path):
    path = tmp_path / "broken.json"
    path.write_text('{"openapi": "3.1.0",\n "paths": {},\n "paths": {}}')
    rig = make_rig(proxy={"api": path})
    done = subprocess.run([program("cention-proxyd"), "-c", str(rig.proxy_conf), "-t"],
                          capture_output=True, text=True, timeout=20)
    assert done.returncode == 78 and "line 3, column" in done.stderr
