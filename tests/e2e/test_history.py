"""cention-proxyctl audit history and audit undo, and what audit show knows of objects."""
import json
import shlex
import shutil

import pytest

from audit_tool import ctl, on_terminal
from made import Made
from rig import JSON, needs_signatures


def lines(*arguments, code=0):
    result = ctl("history", "--json", *arguments)
    assert result.returncode == code, result
    return [json.loads(line) for line in result.stdout.splitlines()]


def events(*arguments):
    return [(e["id"], e["event"], e.get("status"), {c["field"]: (c.get("old"), c.get("new")) for c in e["changes"]})
            for e in lines(*arguments)]


def create(made, id, obj, fields, **more):
    made.intent(id, method="POST", path=obj.rsplit("/", 1)[0], fields=fields, **more)
    made.outcome(id, object=obj, answer={"id": obj.rsplit("/", 1)[1]})


@pytest.fixture
def life(made):
    create(made, "mk", "/v1/org/1", {"name": "one", "time_zone": "CET", "anonymize_day": "3"})
    create(made, "other", "/v1/org/11", {"name": "elsewhere"})
    made.segment()
    made.request("ch", fields={"name": "it's two", "anonymize_day": "4", "active": "true"})
    made.intent("no", fields={"name": "x"})
    made.outcome("no", 409, answer_error="name is taken")
    made.reject("rej")
    made.request("far", workspace="second", fields={"name": "far"})
    made.segment()
    made.request("ch2", fields={"name": "three"})
    made.intent("lost", fields={"name": "perhaps"})
    made.outcome("lost", 0, sent="unknown")
    made.request("del", method="DELETE")
    return made


def test_a_life(life):
    assert events("--workspace", "televox", "/v1/org/1", life.folder) == [
        ("mk", "created", 200, {"name": (None, "one"), "time_zone": (None, "CET"), "anonymize_day": (None, "3")}),
        ("ch", "changed", 200, {"name": ("one", "it's two"), "anonymize_day": ("3", "4"), "active": (None, "true")}),
        ("no", "refused", 409, {"name": ("it's two", "x")}),
        ("rej", "refused", 422, {}),
        ("ch2", "changed", 200, {"name": ("it's two", "three")}),
        ("lost", "unknown", None, {"name": ("three", "perhaps")}),
        ("del", "deleted", 200, {"name": ("three", None), "time_zone": ("CET", None), "anonymize_day": ("4", None),
                                 "active": ("true", None)})]
    first = lines("/v1/org/1", life.folder)[0]
    assert (first["client"]["name"], first["method"], first["workspace"], first["answer"]) == (
        "app", "POST", "televox", {"id": "1"})
    # Another workspace's object of that path is another object.
    assert ("far", "changed", 200, {"name": (None, "far")}) in events("/v1/org/1", life.folder)


@pytest.mark.parametrize("id", ["mk", "ch", "del"])
def test_by_a_request(life, id):
    assert events("--workspace", "televox", id, life.folder) == events("--workspace", "televox", "/v1/org/1", life.folder)


def test_nothing_is_known(life):
    for what, words in (("/v1/org/2", b"nothing in the log"), ("none", b"no request has the id"),
                        ("", b"usage:")):
        result = ctl("history", what, life.folder)
        assert result.returncode == (2 if what == "" else 1) and words in result.stderr
    life.intent("silent", method="POST", path="/v1/org", fields={})
    life.outcome("silent")
    assert b"no answer on record says" in ctl("history", "silent", life.folder).stderr


def test_open_and_at_the_same_time(made):
    made.intent("a", fields={"name": "a"})
    made.intent("b", fields={"name": "b"})
    made.outcome("b")
    made.outcome("a")
    made.intent("c", fields={"name": "c"})
    assert [e[:2] for e in events("/v1/org/1", made.folder)] == [("b", "changed"), ("a", "changed"), ("c", "open")]


def test_on_a_terminal(life):
    text, code = on_terminal("history", "/v1/org/1", life.folder)
    assert code == 0 and "app  created (200)  in televox  request mk" in text
    assert 'name: "one" -> "it\'s two"' in text and "name is taken" in text
    assert '"three" -> (deleted)' in text
    life.request("evil", fields={"name": "\x1b[2J\u202e"})
    text, _ = on_terminal("history", "/v1/org/1", life.folder)
    assert "\x1b[2J" not in text and "\u202e" not in text
    text, _ = on_terminal("history", "--json", "/v1/org/1", life.folder)
    assert "\u202e" not in text


@needs_signatures
def test_of_several_hosts(life, tmp_path):
    centre = tmp_path / "centre"
    centre.mkdir()
    second = Made(tmp_path / "second", signed=True)
    second.second = 3600
    create(second, "again", "/v1/org/1", {"name": "anew"})
    for name, made in (("web1", life), ("web2", second)):
        shutil.copytree(made.folder, centre / name)
    found = lines("--from", "dir:%s" % centre, "/v1/org/1")
    assert [(e["host"], e["id"]) for e in found][-2:] == [("web1", "del"), ("web2", "again")]
    assert found[-1]["changes"] == [{"field": "name", "new": "anew"}]
    assert [e["id"] for e in lines("--from", "dir:%s" % centre, "again")] == [e["id"] for e in found]


def test_show_by_object_and_error(life):
    def shown(*arguments):
        return [json.loads(line)["id"] for line in ctl("show", *arguments, life.folder).stdout.splitlines()]
    assert shown("--object", "/v1/org/1", "--workspace", "televox") == [
        "mk", "mk", "ch", "ch", "no", "no", "rej", "ch2", "ch2", "lost", "lost", "del", "del"]
    assert shown("--object", "/v1/org/*")[:4] == ["mk", "mk", "other", "other"]
    assert shown("--error", "TAKEN") == ["no", "no"] and shown("--error", "too long") == ["rej"]
    assert shown("--object", "/v1/org/1", "--error", "taken") == ["no", "no"]
    text, _ = on_terminal("show", "--object", "/v1/org/11", life.folder)
    assert "/v1/org/11" in text
    text, _ = on_terminal("show", "--id", "no", life.folder)
    assert 'error="name is' in text


# -- undo

def undo(*arguments, code=0):
    result = ctl("undo", *arguments)
    assert result.returncode == code, result
    text = result.stdout.decode()
    return [line for line in text.splitlines() if line.startswith("#")], [
        shlex.split(line) for line in text.splitlines() if not line.startswith("#")], result.stderr.decode()


def test_undo_a_change(life):
    said, (call,), _ = undo("ch", life.folder, code=1)
    assert call[:3] == ["curl", "-X", "PUT"] and call[-1] == "http://localhost:8080/s/televox/v1/org/1"
    assert json.loads(call[call.index("--data-binary") + 1]) == {"name": "one", "anonymize_day": 3}
    assert any("active: it was never set before" in line for line in said)
    assert any("4 later requests" in line for line in said)
    said, (call,), _ = undo("--url", "https://proxy.example", "ch2", life.folder)
    assert json.loads(call[call.index("--data-binary") + 1]) == {"name": "it's two"}
    assert call[-1].startswith("https://proxy.example/s/")


def test_undo_a_creation_and_a_deletion(life):
    _, (call,), _ = undo("mk", life.folder)
    assert call == ["curl", "-X", "DELETE", "http://localhost:8080/s/televox/v1/org/1"]
    said, calls, _ = undo("del", life.folder, code=1)  # nobody knows whether "lost" set the name
    assert json.loads(calls[0][calls[0].index("--data-binary") + 1]) == {
        "time_zone": "CET", "anonymize_day": 4, "active": True}
    assert calls[0][2] == "POST" and calls[0][-1].endswith("/s/televox/v1/org")
    assert any("another id" in line for line in said) and any("name: a change of which nobody" in line for line in said)


@pytest.mark.parametrize("id, words", [("no", "nothing has changed"), ("rej", "nothing has changed"),
                                       ("lost", "nobody knows"), ("none", "no request has the id")])
def test_nothing_to_undo(life, id, words):
    said, calls, error = undo(id, life.folder, code=1)
    assert not said and not calls and words in error


def test_what_undo_can_not_know(made):
    made.request("a", path="/v1/area/3", fields={
        "name": {"mac": "1" * 64}, "organisation_id": {"omitted": True}, "agent_groups": "1,2",
        "expire_time": "1:2", "nonsense": "x"})
    made.request("b", path="/v1/area/3", fields={
        "name": "n", "organisation_id": "1", "agent_groups": "3", "expire_time": "3:4", "nonsense": "y"})
    said, calls, _ = undo("b", made.folder, code=1)
    text = "\n".join(said)
    assert "name: the log has a keyed hash" in text and "organisation_id: its value is not in the log" in text
    assert "expire_time: it is an object" in text and "nonsense: its type is not known" in text
    assert not calls or "name" not in json.loads(calls[0][-2])


def test_arrays_and_hostile_values(made):
    made.request("a", path="/v1/tag/3", fields={"areas": "1,2", "tag_name": "'; rm -rf / #\n\x1b[2J$(x)`y`\u202e"})
    made.request("b", path="/v1/tag/3", fields={"areas": "3", "tag_name": "n"})
    _, (call,), _ = undo("b", made.folder)
    assert json.loads(call[call.index("--data-binary") + 1]) == {
        "areas": [1, 2], "tag_name": "'; rm -rf / #\n\x1b[2J$(x)`y`\u202e"}
    made.request("c", path="/v1/org/1'; x", fields={"name": "n"})
    assert "none that a request could have" in undo("c", made.folder, code=1)[2]


def test_undo_for_real(rig, lookalike):
    """What it prints is accepted, and restores the values."""
    made = rig.call("POST", "/v1/org", {"name": "one", "anonymize_day": 3}, {**JSON, "X-Request-Id": "mk"})
    path = "/v1/org/%d" % made.json["id"]
    assert rig.call("PUT", path, {"name": "two", "anonymize_day": 4}, {**JSON, "X-Request-Id": "ch"}).status == 200
    _, (call,), _ = undo("ch", rig.audit_folder)
    body = call[call.index("--data-binary") + 1].encode()
    answer = rig.call(call[2], call[-1].partition(":8080")[2], body)
    assert answer.status == 200 and answer.json["name"] == "one" and answer.json["anonymize_day"] == 3
    assert [e[1] for e in events("mk", rig.audit_folder)] == ["created", "changed", "changed"]
