"""`cention-proxyctl explain` shows, with no key and no network, what would be signed."""
import json
import subprocess

import pytest

from rig import program

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
    code, out, _ = explain("--json", "-w", workspace, "--key-id", "xyz", "--nested", nested,
                           "PUT", path, "-", stdin=body.encode())
    assert code == 0
    told = json.loads(out)
    assert told["string_to_sign"] == string
    assert told["fields"] == sorted(told["fields"], key=lambda f: f["name"].encode())


def test_it_says_what_the_daemon_signs(lax_rig, lookalike):
    body = b'{"b":{"y":[1,{"z":null}],"x":"\\u00e5"},"a":1.50}'
    code, out, _ = explain("--json", "--key-id", "xyz", "PUT", "/s/televox/v1/org/1", "-",
                           stdin=body)
    assert code == 0
    lax_rig.call("PUT", "/v1/org/1", body)
    told = json.loads(out)
    assert {f["name"]: f["value"] for f in told["fields"]} == lax_rig.records("intent")[0]["fields"]


def test_a_file_and_words_for_people(tmp_path):
    body = tmp_path / "body.json"
    body.write_text('{"name":"n","areas":[1,2]}')
    code, out, _ = explain("-w", "space", "--key-id", "xyz", "POST", "/v1/org", str(body))
    assert code == 0
    assert "xyz:space:/v1/org:1,2:n" in out
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
