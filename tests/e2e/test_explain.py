"""`cention-proxyctl explain` shows, with no key and no network, what would be signed."""
import json
import subprocess

import pytest

from rig import API, program

# The API document's examples and independent vectors: workspace, path, body, nested, string.
VECTORS = [
    ("space", "/v1/org/1", '{"name":"myorgname"}', "flatten", "xyz:space:/v1/org/1:myorgname"),
    ("space", "/v1/agent-group/1", '{"agents":[1, 2, 3]}', "flatten",
     "xyz:space:/v1/agent-group/1:1,2,3"),
    ("space", "/v1/agent/1", '{"user_name":"myusername","login_name":"admin"}', "flatten",
     "xyz:space:/v1/agent/1:admin:myusername"),
    ("space", "/v1/org/1", "", "flatten", "xyz:space:/v1/org/1"),
    ("space", "/v1/org/1", "{}", "flatten", "xyz:space:/v1/org/1"),
    ("space", "/v1/tag", '{"areas":[],"tag_name":""}', "flatten", "xyz:space:/v1/tag::"),
    ("space", "/v1/org", '{"name":"a","active":false,"anonymize_day":0}', "flatten",
     "xyz:space:/v1/org:false:0:a"),
    ("space", "/v1/org", '{"name":"Göteborg \\u00e5\\ud83d\\ude00"}', "flatten",
     "xyz:space:/v1/org:Göteborg å😀"),
    ("space", "/v1/area", '{"name":"a\\"b\\\\c\\n\\/d"}', "flatten",
     'xyz:space:/v1/area:a"b\\c\n/d'),
    ("space", "/v1/area", '{"b":"3","a_b":"2","aB":"1","B":"0","a":"a"}', "flatten",
     "xyz:space:/v1/area:0:a:1:2:3"),
    ("space", "/v1/org", '{"name":"n","bright_settings":{"survey_reference_code":"123",'
     '"active":true,"language_code":"SE"}}', "flatten", "xyz:space:/v1/org:true:SE:123:n"),
    ("space", "/v1/org", '{"name":"n","bright_settings":{"survey_reference_code":"123",'
     '"active":true,"language_code":"SE"}}', "json",
     'xyz:space:/v1/org:{"active":true,"language_code":"SE","survey_reference_code":"123"}:n'),
    ("space", "/v1/area", '{"agent_groups":[{"name":"API Agents","id":1},{"id":2,"name":"B"}],'
     '"name":"Area 1"}', "flatten", "xyz:space:/v1/area:1:API Agents,2:B:Area 1"),
    ("space", "/v1/area", '{"agent_groups":[{"name":"API Agents","id":1},{"id":2,"name":"B"}],'
     '"name":"Area 1"}', "json",
     'xyz:space:/v1/area:[{"id":1,"name":"API Agents"},{"id":2,"name":"B"}]:Area 1'),
    ("space", "/v1/routing/keywords", ' { "type" : "Subject or text" , "areas" : [ 1 , 2 ] ,\n'
     '"content":"account"}\n', "flatten",
     "xyz:space:/v1/routing/keywords:1,2:account:Subject or text"),
]


def explain(*args, stdin=None):
    done = subprocess.run([program("cention-proxyctl"), "explain", *args], input=stdin,
                          capture_output=True, timeout=20)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.mark.parametrize("workspace, path, body, nested, string", VECTORS)
def test_vectors(workspace, path, body, nested, string):
    code, out, _ = explain("--json", "--no-validation", "-w", workspace, "--key-id", "xyz",
                           "--nested", nested, "PUT", path, "-", stdin=body.encode())
    assert code == 0
    told = json.loads(out)
    assert told["string_to_sign"] == string
    assert told["fields"] == sorted(told["fields"], key=lambda f: f["name"].encode())
    assert told["validation"] == "unchecked" and told["errors"] == []
    for field in told["fields"]:  # where it says that a value stands, it stands
        place = slice(field["offset"], field["offset"] + field["length"])
        assert string.encode()[place] == field["value"].encode()


def test_names_in_two_letter_cases():
    arguments = ("--api", API, "PUT", "/s/televox/v1/org/1", "-")
    code, out, err = explain(*arguments, stdin=b'{"name":"a","Name":"b"}')
    assert code == 1 and out == "" and "in another letter case" in err
    code, out, _ = explain("--no-validation", *arguments, stdin=b'{"name":"a","Name":"b"}')
    assert code == 0 and "/v1/org/1:b:a" in out


def test_it_says_what_the_daemon_signs(lax_rig, lookalike):
    body = b'{"b":{"y":[1,{"z":null}],"x":"\\u00e5"},"a":1.50}'
    code, out, _ = explain("--json", "--no-validation", "--key-id", "xyz", "PUT",
                           "/s/televox/v1/org/1", "-", stdin=body)
    assert code == 0
    lax_rig.call("PUT", "/v1/org/1", body)
    told = json.loads(out)
    assert {f["name"]: f["value"] for f in told["fields"]} == lax_rig.records("intent")[0]["fields"]


def test_a_file_and_words_for_people(tmp_path):
    body = tmp_path / "body.json"
    body.write_text('{"tag_name":"n","areas":[1,2]}')
    code, out, _ = explain("-w", "space", "--key-id", "xyz", "POST", "/v1/tag", str(body))
    assert code == 0
    assert "Call: Create a Tag" in out and "The API description accepts it." in out
    assert "areas = 1,2  (array of integer; bytes 19 to 21)" in out
    assert "xyz:space:/v1/tag:1,2:n" in out
    assert "Authorization: CENTION1-HMAC-SHA256 xyz,<signature>" in out
    code, out, _ = explain("-w", "space", "--authorization", "literal", "DELETE", "/v1/org/1")
    assert "Authorization: Authorization CENTION1-HMAC-SHA256 " in out


def test_no_terminal_is_driven():
    code, out, _ = explain("PUT", "/v1/org/1", "-", stdin=b'{"name":"a\\u001b[2J\\u0007\\u009b"}')
    assert code == 0
    assert all(c == "\n" or c.isprintable() for c in out), repr(out)


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"a":1,"a":2}', b'{"a":"\xff"}', b"x"])
def test_bad_bodies(body):
    code, out, err = explain("PUT", "/v1/org/1", "-", stdin=body)
    assert code == 1 and out == "" and "line 1" in err


def test_usage(tmp_path):
    assert explain()[0] == 2
    assert explain("PUT")[0] == 2
    assert explain("PUT", "/v1/org/1", "-", "more")[0] == 2
    assert explain("PUT", "/v1/org/1", str(tmp_path / "none"))[0] == 1
    assert explain("--nested", "xml", "PUT", "/v1/org/1")[0] == 2


def test_problems_are_shown():
    body = b'{"name":7,"time_zone":"XYZ","nam\\u0065s":[],"external_id":""}'
    code, out, err = explain("--json", "-w", "w", "--key-id", "k", "POST", "/v1/org", "-", stdin=body)
    assert code == 1 and err == ""
    told = json.loads(out)
    assert told["validation"] == "refused"
    assert [(e["field"], e["code"]) for e in told["errors"]] == [
        ("name", "invalid_field"), ("time_zone", "invalid_field"), ("names", "unknown_field")]
    assert {f["name"]: f["type"] for f in told["fields"]} == {
        "external_id": "string", "name": "string", "names": "array", "time_zone": "string"}
    code, out, _ = explain("-w", "w", "POST", "/v1/org", "-", stdin=body)
    assert code == 1 and "refuses it: 3 problems" in out
    assert 'time_zone: "XYZ" is not a known time zone' in out
    assert "(string; empty, behind byte" in out


@pytest.mark.parametrize("args, code", [
    (("PUT", "/v1/org"), "method_not_allowed"), (("POST", "/v1/org/1"), "method_not_allowed"),
    (("PUT", "/v1/agent-group/1"), "unknown_endpoint"), (("DELETE", "/v1/org/01"), "unknown_endpoint"),
])
def test_calls_that_are_not_described(args, code):
    status, out, _ = explain("--json", *args)
    assert status == 1 and json.loads(out)["errors"][0]["code"] == code


def test_another_description(tmp_path):
    broken = tmp_path / "api.json"
    broken.write_text('{"openapi": "3.1.0", "paths": {"/v1/x": {"post": {"responses": 7}}}}')
    status, out, err = explain("--api", str(broken), "POST", "/v1/x")
    assert status == 78 and out == "" and "/paths/~1v1~1x/post/responses" in err
    assert explain("--api", str(tmp_path / "none"), "POST", "/v1/x")[0] == 78
    assert explain("--api", str(broken), "--no-validation", "POST", "/v1/x")[0] == 0


def endpoints(*args):
    done = subprocess.run([program("cention-proxyctl"), "endpoints", *args], capture_output=True,
                          text=True, timeout=20)
    return done.returncode, done.stdout, done.stderr


def test_endpoints(tmp_path):
    code, out, _ = endpoints()
    calls = [line.split()[:2] for line in out.splitlines()]
    assert code == 0 and len(calls) == 18
    resources = ("org", "area", "routing/keywords", "routing/autotags", "routing/sip", "tag")
    assert sorted(map(tuple, calls)) == sorted(
        call for r in resources for call in
        [("POST", "/v1/" + r), ("PUT", "/v1/%s/{id}" % r), ("DELETE", "/v1/%s/{id}" % r)])
    code, out, _ = endpoints("--json", "--fields")
    told = {(c["method"], c["path"]): c for c in json.loads(out)}
    fields = {f["name"]: f for f in told["POST", "/v1/tag"]["fields"]}
    assert fields["areas"] == {"name": "areas", "type": "array of integer", "required": True}
    assert fields["tag_vip"]["type"] == "boolean" and not fields["tag_vip"]["required"]
    assert told["DELETE", "/v1/tag/{id}"]["fields"] == []
    code, out, _ = endpoints("--fields")
    assert "tag_name*  string" in out
    assert endpoints("--what")[0] == 2 and endpoints("more")[0] == 2
    assert endpoints("--help")[0] == 0
    code, out, err = endpoints("--api", str(tmp_path / "none"))
    assert code == 78 and out == "" and "No such file" in err
