"""cention-proxyctl audit diff."""
import json

import pytest

import trail
from audit_tool import ctl, on_terminal


def diff(*arguments, code=0):
    result = ctl("diff", *arguments)
    assert result.returncode == code, result
    return result.stdout.decode()


def fields(made, id, *options):
    """The result, and {field: (state, old, new, id of who set it)}."""
    change = json.loads(diff("--json", id, *options, made.folder))
    return change["result"], {
        f["field"]: (f["state"], f.get("old"), f.get("new"), f.get("set_by", {}).get("id"))
        for f in change["fields"]}


@pytest.fixture
def changed(made):
    made.request("a", fields={"name": "one", "zone": "CET", "same": "s"}, client={"name": "ops"})
    made.request("b", fields={"name": "two"}, client={"user": "bob", "uid": 7})
    made.request("c", 404, fields={"name": "three"})
    made.request("d", workspace="second", fields={"name": "four"})
    made.request("e", path="/v1/org/2", fields={"name": "five"})
    made.segment()
    made.request("f", method="POST", fields={"name": "six"})
    made.intent("g", fields={"name": "seven", "zone": "GMT", "same": "s", "fresh": "x y"})
    made.outcome("g")
    return made


def test_diff(changed):
    result, values = fields(changed, "g")
    assert result == "done" and values == {
        "name": ("changed", "two", "seven", "b"), "zone": ("changed", "CET", "GMT", "a"),
        "same": ("unchanged", "s", "s", "a"), "fresh": ("first", None, "x y", None)}
    text = diff("g", changed.folder)
    assert text.startswith("PUT /v1/org/1 in televox\n2026-11-24T09:00:")
    assert "status 200: done\n" in text
    assert '  name: "two" -> "seven"\n      was set 2026-11-24T' in text
    assert "by bob (uid 7), request b (seq " in text and "by ops, request a (seq " in text
    assert '  fresh: (not audited before) -> "x y"\n' in text
    assert "same:" not in text and "1 field set to what it was before" in text
    assert "elsewhere" in text and "nor is\n  the creation" in text
    text = diff("--all", "g", changed.folder)
    assert '  same: unchanged: "s"\n      also set 2026-' in text
    text, _ = on_terminal("diff", "g", changed.folder, env={"NO_COLOR": "1"})
    assert "\x1b" not in text
    text, _ = on_terminal("diff", "g", changed.folder, env={"NO_COLOR": ""})
    assert '\x1b[31m"two"\x1b[0m -> \x1b[32m"seven"\x1b[0m' in text


def test_diff_of_the_first_and_of_a_creation(changed):
    result, values = fields(changed, "a")
    assert {v[0] for v in values.values()} == {"first"} and len(values) == 3
    result, values = fields(changed, "f")
    assert values == {"name": ("first", None, "six", None)}
    assert "What it made isn't known" in diff("f", changed.folder)


def test_diff_knows_the_creation(made):
    made.intent("a", method="POST", path="/v1/org", fields={"name": "one", "zone": "CET"})
    made.outcome("a", object="/v1/org/1", answer={"id": "1"})
    made.intent("other", method="POST", path="/v1/org", fields={"name": "elsewhere"})
    made.outcome("other", object="/v1/org/11")
    made.intent("failed", method="POST", path="/v1/org", fields={"name": "not"})
    made.outcome("failed", 409, answer_error="name is taken")
    made.request("b", fields={"name": "two"})
    assert fields(made, "b") == ("done", {"name": ("changed", "one", "two", "a")})
    text = diff("b", made.folder)
    assert "The object was created: 2026-" in text and "request a (seq 2)" in text
    change = json.loads(diff("--json", "a", made.folder))
    assert (change["object"], change["result"]) == ("/v1/org/1", "done")
    assert "POST /v1/org, which made /v1/org/1, in televox\n" in diff("a", made.folder)
    assert "status 409: it was refused by the upstream: nothing should have changed (name is taken)" in diff(
        "failed", made.folder)


def test_diff_without_an_effect(changed):
    assert fields(changed, "c") == ("failed", {"name": ("changed", "two", "three", "b")})
    assert "nothing should have changed" in diff("c", changed.folder)
    changed.reject("refused")
    assert fields(changed, "refused") == ("refused", {})
    text = diff("refused", changed.folder)
    assert "status 422" in text and "name: too long" in text and "nothing was sent" in text
    for name, status, sent, words in (("none", 0, "none", "nothing was sent"),
                                      ("gone", 0, "all", "may not have happened"),
                                      ("bad", 502, "all", "may not have happened")):
        changed.intent(name, fields={"name": "z"})
        changed.outcome(name, status, sent)
        assert words in diff(name, changed.folder)
    changed.intent("open", fields={"name": "y"})
    text = diff("open", changed.folder)
    assert "no outcome yet" in text and '"seven" -> "y"' in text
    # Changes of which nobody knows whether they happened: the newest is told.
    assert 'maybe set to "z"' in text and "request bad" in text
    changed.request("last", fields={"name": "x"})
    text = diff("last", changed.folder)
    assert 'maybe set to "y"' in text and "request open" in text


def test_diff_of_a_deletion(changed):
    changed.request("h", method="DELETE")
    result, values = fields(changed, "h")
    assert result == "done" and values["name"] == ("deleted", "seven", None, "g")
    assert values["zone"] == ("deleted", "GMT", None, "g") and len(values) == 4
    assert '"seven" -> (deleted)' in diff("h", changed.folder)
    changed.request("i", fields={"name": "eight"})
    assert fields(changed, "i")[1] == {"name": ("first", None, "eight", None)}
    assert "was deleted before: 2026-" in diff("i", changed.folder)


def test_diff_of_masked_values(made):
    made.request("a", fields={"p": {"mac": "11" * 32}, "q": {"mac": "22" * 32}, "r": "open",
                              "s": {"omitted": True}})
    made.request("b", fields={"p": {"mac": "33" * 32}, "q": {"mac": "22" * 32},
                              "r": {"mac": "44" * 32}, "s": {"omitted": True}})
    result, values = fields(made, "b")
    assert [values[f][0] for f in "pqrs"] == ["changed", "unchanged", "unclear", "unclear"]
    text = diff("b", made.folder)
    assert "p: changed (kept as mac): mac:11111111\u2026 -> mac:33333333\u2026" in text
    assert 'r: can\'t be compared: "open" -> mac:44444444\u2026' in text
    assert "s: can't be compared: (omitted) -> (omitted)" in text
    assert "q: unchanged: mac:22222222\u2026" in diff("--all", "b", made.folder)


def test_diff_of_an_id_that_repeats(made):
    for i in range(12):
        made.request("x", fields={"name": "v%d" % i})
    text = diff("x", made.folder)
    assert '"v10" -> "v11"' in text and "11 other requests with this id" in text
    assert text.count("T09:00:") == 2 + 8
    change = json.loads(diff("--json", "x", made.folder))
    assert change["others"] == 11 and len(change["other_times"]) == 8
    assert change["other_times"][-1] == "2026-11-24T09:00:22.000000Z"
    text = diff("--time", "2026-11-24T09:00:05Z", "x", made.folder)
    assert '"v0" -> "v1"' in text and "1 other request with" in text
    made.reject("x")
    assert "12 other requests" in diff("x", made.folder)
    result = ctl("diff", "--time", "2020-01-01", "x", made.folder)
    assert result.returncode == 1 and b"up to that time" in result.stderr


def test_diff_of_requests_at_the_same_time(made):
    """Two changes under way together: nobody knows which came first."""
    made.intent("a", fields={"name": "a"})
    made.intent("b", fields={"name": "b"})
    made.intent("c", fields={"name": "c"})
    made.outcome("c")
    made.outcome("a")
    made.outcome("b")
    made.request("d", fields={"name": "d"})
    change = json.loads(diff("--json", "b", made.folder))
    assert [o["id"] for o in change["overlapping"]] == ["c", "a"]
    assert fields(made, "b")[1]["name"] == ("changed", "a", "b", "a")
    assert fields(made, "d")[1]["name"] == ("changed", "c", "d", "c")
    assert json.loads(diff("--json", "d", made.folder))["overlapping"] == []
    assert "came first is not known" in diff("b", made.folder)


def test_diff_of_a_log_s_later_part(changed):
    trail.segments(changed.folder)[0].unlink()
    assert fields(changed, "g")[1]["name"] == ("first", None, "seven", None)
    assert "begins at seq" in diff("g", changed.folder)


def test_an_id_that_nobody_had(changed):
    result = ctl("diff", "none", changed.folder)
    assert result.returncode == 1 and b"no request has the id none" in result.stderr
    assert result.stdout == b""
