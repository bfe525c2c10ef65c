"""cention-proxyctl audit show, and what it has in common with audit diff."""
import json
import re
import subprocess
import time

import pytest

import trail
from audit_tool import ctl, ids, on_terminal, shown
from rig import program, sanitized

# What a terminal could take as a command, or what makes a text look like another.
HOSTILE = "\x1b[2J\x1b]0;owned\x07\x7f\x9b31m\u202egnp\u2066\u200b\r\n\t\x00"
HARMFUL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


@pytest.fixture
def mixed(made):
    """Two segments with some of everything."""
    made.add("start", version="0.1.0", pid=1)
    made.add("key", workspace="televox", key="xyz", event="loaded")
    made.request("r1", fields={"name": "Support", "time_zone": "CET"})
    made.add("checkpoint", epoch=1, hash="0" * 64, signature="0" * 128)
    made.intent("r2", "POST", "/v1/org", {"name": "B\u00f6\"rje\""}, client={"user": "bob"})
    made.intent("r3", "DELETE", "/v1/area/7", workspace="second", client={"uid": 1001})
    made.outcome("r3", 404)
    made.segment()
    made.outcome("r2", 500, error="it Failed")
    made.reject("r4")
    made.request("r5", 0, path="/v1/org/1/x")
    made.intent("r6", path="/v1/org/2")
    made.add("novel", what={"a": [1]}, id="n1")
    return made


def test_json_lines_are_the_records_own_bytes(mixed):
    lines = shown(mixed.folder)
    wanted = {line: json.loads(line) for line in mixed.lines}
    wanted = {k: v for k, v in wanted.items()
              if v["type"] not in ("segment", "epoch", "checkpoint")}
    assert sorted(lines) == sorted(wanted)
    kinds = [(wanted[x]["type"], wanted[x].get("id")) for x in lines]
    # A request stands where its outcome does, intent first; open ones are last.
    assert kinds == [
        ("start", None), ("key", None), ("intent", "r1"), ("outcome", "r1"), ("intent", "r3"),
        ("outcome", "r3"), ("intent", "r2"), ("outcome", "r2"), ("reject", "r4"),
        ("intent", "r5"), ("outcome", "r5"), ("novel", "n1"), ("intent", "r6")]
    assert sorted(shown("--all", mixed.folder)) == sorted(mixed.lines)
    # Files in any order are the log, too.
    assert shown(*reversed(trail.segments(mixed.folder))) == lines


@pytest.mark.parametrize("options, wanted", [
    (["--client", "app"], "r1 r4 r5 r6"), (["--client", "bob"], "r2"),
    (["--client", "1000"], "r1 r4 r5 r6"), (["--client", "1001"], "r3"),
    (["--client", "ap"], ""), (["--workspace", "second"], "r3"),
    (["--method", "delete"], "r3"), (["--path", "/v1/org"], "r2"),
    (["--path", "/v1/org/*"], "r1 r4 r6"), (["--path", "/v1/:what/:id"], "r1 r3 r4 r6"),
    (["--path", "/v1/org/{id}", "--method", "PUT", "--status", "2xx"], "r1"),
    (["--path", "/v1/org/**"], "r1 r2 r4 r5 r6"), (["--path", "/v1/org/1/**"], "r1 r4 r5"),
    (["--status", "200"], "r1"), (["--status", "4xx"], "r3 r4"), (["--status", "404"], "r3"),
    (["--status", "none"], "r5 r6"), (["--status", "404,5xx,none"], "r2 r3 r5 r6"),
    (["--status", "422"], "r4"), (["--id", "r2"], "r2"), (["--id", "r"], ""),
    (["--type", "request"], "r1 r2 r3 r4 r5 r6"), (["--type", "reject"], "r4"),
    (["--type", "intent"], "r1 r2 r3 r5 r6"), (["--type", "outcome"], "r1 r2 r3 r5"),
    (["--type", "novel"], "n1"), (["--text", "b\u00f6\"RJE"], "r2"),
    (["--text", "it failed"], "r2"), (["--text", "no such words"], ""),
    (["--since", "2026-11-24T09:00:08Z", "--type", "request"], "r3 r4 r5 r6"),
    (["--until", "2026-11-24T09:00:07Z", "--type", "request"], "r1 r2"),
    (["--until", "2026-11-24"], ""), (["--since", "2026-11-25"], ""),
    (["--since", "2027-01-01T00:00:00.5Z"], ""), (["--until", "2020-01-01", "--id", "r1"], ""),
    (["-n", "2"], "n1 r6"), (["-n", "0"], ""), (["-n", "1", "--path", "/v1/org/1"], "r4"),
    (["--last", "99", "--id", "r1"], "r1"),
])
def test_filters(mixed, options, wanted):
    assert sorted(x for x in ids(shown(*options, mixed.folder)) if x) == wanted.split()


def test_ages(made):
    """Relative times count from now."""
    def stamp(seconds):
        return time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime(time.time() - seconds))
    for name, age in (("old", 7300), ("hour", 3700), ("new", 60)):
        made.add("reject", stamp(age), id=name, client={})
    assert ids(shown("--type", "reject", "--since", "2h", made.folder)) == ["hour", "new"]
    assert ids(shown("--type", "reject", "--until", "60m", made.folder)) == ["old", "hour"]


def test_one_type_alone(mixed):
    """Of a request, only the records of the types that were asked for."""
    lines = shown("--type", "outcome,stop", mixed.folder)
    assert {json.loads(x)["type"] for x in lines} == {"outcome"} and len(lines) == 4
    lines = shown("--type", "checkpoint", mixed.folder)
    assert [json.loads(x)["type"] for x in lines] == ["checkpoint"]


def test_ids_that_repeat(made):
    """An outcome closes the oldest open intent of its id."""
    a = made.intent("x", path="/a")
    b = made.intent("x", path="/b")
    one, two = made.outcome("x", 201), made.outcome("x", 404)
    assert shown("--id", "x", made.folder) == [a, one, b, two]
    assert shown("--path", "/b", made.folder) == [b, two]
    assert shown("--status", "201", made.folder) == [a, one]


def test_an_outcome_alone(made):
    """Its intent is in a segment that is not at hand."""
    made.intent("x")
    first = made.path
    made.segment()
    outcome = made.outcome("x", 500)
    first.unlink()
    assert shown(made.folder) == [outcome]
    assert shown("--status", "500", made.folder) == [outcome]
    assert shown("--client", "app", made.folder) == []
    text, code = on_terminal("show", made.folder)
    assert code == 0 and "500" in text


def test_damage(made):
    made.request("r1")
    text = made.path.read_bytes()
    made.raw(b"what is this?\n" + made.line("intent", id="bad").replace(b'"id":', b'"id"=') + b"\n")
    made.raw(made.line("reject", id="bad").replace(b'"reject",', b'"reject",,') + b"\n")
    made.raw(b"\x1b[2Jtorn")
    made.segment()
    made.request("r2")
    result = ctl("show", made.folder)
    # The torn line swallowed the record behind it: an epoch, of which nobody asked.
    assert result.returncode == 1 and ids(result.stdout.splitlines()) == ["r1", "r2"]
    errors = result.stderr.decode()
    assert "audit-1.jsonl: line 4, byte offset %d: skipped" % len(text) in errors
    assert "line 5," in errors and "line 6," in errors and "JSON" in errors
    assert errors.count("skipped") == 4 and "\x1b" not in errors


def test_the_last_line_of_a_live_log(made):
    made.request("r1")
    made.raw(made.line("reject", id="half")[:30])
    result = ctl("show", made.folder)
    assert (result.returncode, result.stderr) == (0, b"")
    assert ids(result.stdout.splitlines()) == ["r1"]
    # In any other segment it is damage.
    made.raw(b"")
    old = made.path
    made.path = None
    made.segment()
    result = ctl("show", made.folder)
    assert result.returncode == 1 and old.name + ": line 4" in result.stderr.decode()


def test_the_table(mixed):
    text, code = on_terminal("show", mixed.folder, env={"NO_COLOR": "1"})
    assert code == 0 and not HARMFUL.search(text)
    rows = text.splitlines()
    assert rows[0].split() == "TIME CLIENT METHOD WORKSPACE PATH STATUS TOOK SET ID".split()
    assert all(len(row) <= 200 for row in rows)
    cells = [re.split(r" {2,}", row) for row in rows]
    assert cells[3] == ["2026-11-24T09:00:04.000Z", "app", "PUT", "televox", "/v1/org/1", "200",
                        "48.2ms", "name=Support time_zone=CET", "r1"]
    assert cells[4][1:6] == ["uid:1001", "DELETE", "second", "/v1/area/7", "404"]
    assert cells[5][7] == 'error="it Failed" name="B\u00f6\\"rje\\""'
    assert cells[6][5] == "refused 422 invalid_field"
    assert cells[7][5] == "unknown" and cells[9][5] == "open" and cells[9][6] == "-"
    assert cells[1][1] == "[start] version=0.1.0 pid=1"
    assert cells[8][1] == '[novel] what="{\\"a\\":[1]}" id=n1'
    # Everywhere else the table must be asked for, and has no colour.
    assert b"\x1b" not in ctl("show", "--table", mixed.folder).stdout
    assert b"Support" in ctl("show", "--table", mixed.folder).stdout
    coloured, code = on_terminal("show", mixed.folder, env={"NO_COLOR": ""})
    assert "\x1b[32m200\x1b[0m" in coloured and "\x1b[31m404\x1b[0m" in coloured
    assert re.sub("\x1b\\[[0-9]*m", "", coloured) == text


def test_a_row_is_cut_to_the_terminal(made):
    made.request("r1", fields={"f%d" % i: "v" * 500 for i in range(30)})
    made.add("config", result="refused", error="e" * 5000)
    text, _ = on_terminal("show", made.folder, columns=150, env={"NO_COLOR": "1"})
    rows = text.splitlines()
    assert len(rows) == 3 and [len(r) for r in rows[1:]] == [150, 150]
    assert rows[1].endswith("\u2026  r1") and rows[2].endswith("\u2026")
    text, _ = on_terminal("show", made.folder, columns=40, env={"NO_COLOR": "1"})
    assert len(text.splitlines()) == 3


def test_values_that_are_not_told(made):
    made.request("r1", fields={"a": {"mac": "1234abcd" + "0" * 56}, "b": {"omitted": True}},
                 body_mac="0" * 64)
    text, _ = on_terminal("show", made.folder)
    assert "a=mac:1234abcd\u2026 b=(omitted)" in text


def test_nothing_harmful_reaches_a_terminal(made):
    client = {"name": HOSTILE, "uid": 7}
    made.request("r1", path="/v1/" + HOSTILE, fields={HOSTILE: HOSTILE, "b": {"mac": HOSTILE}},
                 client=client, method=HOSTILE, workspace=HOSTILE)
    made.request("r2", client={"user": HOSTILE}, fields={"b": {HOSTILE: HOSTILE}})
    made.reject("r3", code=HOSTILE, path=HOSTILE)
    made.intent("r4", path="/v1/" + HOSTILE)
    made.outcome("r4", 0, sent=HOSTILE, error=HOSTILE)
    made.add("novel", **{HOSTILE: HOSTILE, "id": HOSTILE, "a": [HOSTILE], "b": {HOSTILE: 1}})
    # Twice the same key: what is taken for the type is not what the line's beginning says.
    made.add("stop", x="y", **{"time ": HOSTILE})
    made.raw(made.line("stop", z="@").replace(
        b'"z":"@"', b'"type":"\\u001b[2J","time":"\\u001b[2J\\u202e"') + b"\n")
    made.raw(b"\x1b[2J\n")
    made.outcome(id="r5", error=HOSTILE)
    for form in ([], ["--table"], ["--json"], ["--all", "--json"]):
        text, code = on_terminal("show", *form, made.folder, env={"NO_COLOR": "1"})
        assert code == 1 and not HARMFUL.search(text), repr(text)
        assert "owned" in text
    text, _ = on_terminal("show", "--json", "--id", "r1", made.folder)
    lines = [line for line in text.splitlines() if line.startswith("{")]
    assert json.loads(lines[0])["client"] == client and len(lines) == 2
    for name in ("r1", "r2", "r3", "r4"):
        for form in ([], ["--json"]):
            text, code = on_terminal("diff", *form, name, made.folder, env={"NO_COLOR": "1"})
            assert not HARMFUL.search(text), repr(text)
    text, code = on_terminal("diff", HOSTILE.replace("\x00", ""), made.folder)
    assert code == 1 and not HARMFUL.search(text)


@pytest.mark.skipif(sanitized(), reason="a sanitizer's memory is not the program's")
def test_memory_is_not_the_log_s(made):
    """A log a good deal larger than what may be used to show it."""
    record, at = made.request("r0", fields={"name": "x" * 2000}), made.path
    with open(at, "ab") as f:
        for _ in range(20000):
            f.write(record[0] + b"\n" + record[1] + b"\n")
    size = at.stat().st_size
    assert size > 40_000_000
    for options in ([], ["-n", "10"], ["--table"], ["--status", "404"]):
        result = subprocess.run(["sh", "-c", 'ulimit -d 6000; exec "$0" "$@"',
                                 program("cention-proxyctl"), "audit", "show", *options,
                                 str(made.folder)], stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, timeout=60)
        assert (result.returncode, result.stderr) == (0, b""), options


# ---- the command line


@pytest.mark.parametrize("arguments, code, words", [
    (["show", "--help"], 0, "audit verify"), (["diff", "--help"], 0, "audit verify"),
    (["show", "--what"], 2, "usage"), (["show", "--since", "soon"], 2, "--since"),
    (["show", "--until", ""], 2, "--until"), (["show", "--status", "4"], 2, "--status"),
    (["show", "-n", "-1"], 2, "-n"), (["show", "-n", "1x"], 2, "-n"),
    (["show", "--client", ""], 2, "empty"),
    (["show", "/none"], 1, "/none"), (["show", "-c", "/none.conf"], 78, "/none.conf"),
    (["diff"], 2, "usage"), (["diff", "--time", "soon", "x"], 2, "usage"),
    (["diff", "x", "/none"], 1, "/none"), (["diff", "-c", "/none.conf", "x"], 78, "/none.conf"),
])
def test_the_command_line(arguments, code, words):
    result = ctl(*arguments)
    assert result.returncode == code and words in (result.stdout + result.stderr).decode()
