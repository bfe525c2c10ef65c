"""The comparison's own check: it measures, tells what is void, and draws. tests/bench/run.sh runs it in earnest."""
import csv
import pathlib
import subprocess
import sys
import xml.etree.ElementTree

import pytest

BENCH = pathlib.Path(__file__).resolve().parents[1] / "bench"
sys.path.insert(0, str(BENCH))

from lookalike import Authority  # noqa: E402

import compare  # noqa: E402
import contestants  # noqa: E402
import loads  # noqa: E402
import plot  # noqa: E402
import report  # noqa: E402
from rig import BUILD, program  # noqa: E402

PRESENT = [name for name, kind in contestants.ALL.items() if not kind.missing(BUILD)]
needs_load = pytest.mark.skipif(bool(loads.missing()) or not contestants.which("nginx"),
                                reason="wrk or nginx is not installed: no load, no upstream")
SVG = "{http://www.w3.org/2000/svg}"


def run(folder, *options):
    """(exit status, what it said, rows of the CSV)."""
    done = subprocess.run([sys.executable, str(BENCH / "compare.py"), "--build", str(BUILD), "--out",
                           str(folder), *options], capture_output=True, text=True, timeout=60, check=False)
    with open(folder / "results.csv", newline="", encoding="utf-8") as lines:
        return done.returncode, done.stdout + done.stderr, list(csv.DictReader(lines))


@needs_load
def test_quick(tmp_path):
    status, said, rows = run(tmp_path, "--quick")
    assert [row["contestant"] for row in rows] == PRESENT, said
    assert tuple(rows[0]) == report.COLUMNS
    for row in rows:
        assert row["void"] == "", row
        # Each in its own right: what it answered in its seconds, and what that cost.
        assert int(row["answers"]) <= int(row["requests"]) <= int(row["answers"]) + 8
        assert float(row["rps"]) == pytest.approx(int(row["answers"]) / float(row["seconds"]), rel=0.01)
        assert 5 < float(row["cpu_us"]) < 50000
        assert float(row["busy"]) < 1.5 and int(row["p50_us"]) <= int(row["p99_us"])
        assert int(row["peak_kb"]) > 1000 and 0 <= float(row["others"]) < 1.5
    assert status == 0, said
    told = {row["contestant"]: row for row in rows}
    assert "cention-keeperd=" in told["cention-proxy"]["cpu_us_by_process"]
    for name in PRESENT:
        if contestants.ALL[name].signs:
            assert "%s: its signatures of 30, 600, 16384 bytes are right" % name in said
    table = (tmp_path / "table.md").read_text()
    assert table.count("\n| 30 bytes | 8 |") == len(PRESENT) and "fdatasync" in table and "O_DIRECT" in table
    picture = xml.etree.ElementTree.parse(tmp_path / "bench.svg").getroot()
    bars = [rect for rect in picture.iter(SVG + "rect") if rect.find(SVG + "title") is not None]
    assert len(bars) == 2 * len(PRESENT)
    # Nothing is left of what it ran in.
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bench.svg", "results.csv", "table.md"]


@needs_load
def test_errors_are_void(tmp_path):
    """An upstream that answers 500: told for each, and no figure of it is used."""
    status, said, rows = run(tmp_path, "--quick", "--upstream-status", "500", "--contestants",
                             "nginx,cention-proxy")
    assert status == 1 and "2 of 2 runs are void" in said
    assert all("the answer was 500" in row["void"] and row["rps"] == "" for row in rows)
    assert (tmp_path / "table.md").read_text().count("| void |") == 2


@pytest.fixture(scope="module")
def upstream(tmp_path_factory, authority):
    server = contestants.Upstream(tmp_path_factory.mktemp("upstream"), None, authority)
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.mark.parametrize("name", contestants.ALL)
def test_all_verify_the_upstream(name, request, authority, tmp_path):
    """None is cheaper for it: with another CA nobody gets through, with the right one everybody does."""
    why = contestants.ALL[name].missing(BUILD) or (not contestants.which("nginx") and "nginx is not installed")
    if why:
        pytest.skip(why)
    upstream, load = request.getfixturevalue("upstream"), loads.load(600)
    for ca, passes in ((Authority(tmp_path / "other"), False), (authority, True)):
        came = upstream.requests()
        server = contestants.ALL[name](tmp_path / name, None, upstream.port, ca, BUILD).start()
        try:
            status, body, length = loads.ask(server.port, load)
        finally:
            server.stop()
        assert (status == 200) == passes and upstream.requests() - came == int(passes)
    assert body.decode() == contestants.ANSWER and length > len(body)


def test_what_makes_a_run_void():
    good = {"errors": {}, "requests": 1000, "bytes": 250 * 1000 + 300}
    assert compare.problems_of(good, 250, 64, 1064) == []
    for change, came in (({"errors": {"timeout": 1}}, 1000), ({"requests": 0}, 0), ({"requests": 63}, 63),
                         ({"bytes": 250 * 1000 - 1}, 1000), ({"bytes": 250 * 1065}, 1000), ({}, 999),
                         ({}, 1065)):
        assert len(compare.problems_of({**good, **change}, 250, 64, came)) >= 1, (change, came)


def test_audit_is_counted(tmp_path):
    """A record that is missing, or one that nobody sent, is found."""
    server = contestants.CentionProxy(tmp_path, None, 1, None, BUILD)
    server.audit = tmp_path / "audit"
    server.audit.mkdir()
    server.verify = lambda: ""
    line = '{"seq":1,"time":"2030-01-01T00:00:00.000000Z","type":"%s","id":"a"}\n'
    kinds = ["start"] + 10 * ["intent", "outcome"]
    (server.audit / "audit-1.jsonl").write_text("".join(line % kind for kind in kinds))
    assert server.check(10, 12) == [] and server.check(8, 10) == []
    assert server.check(11, 20) != [] and server.check(8, 9) != []
    (server.audit / "audit-22.jsonl").write_text(line % "intent")
    assert any("11 intents, 10 outcomes" in text for text in server.check(10, 12))


@pytest.mark.parametrize("size", loads.KINDS)
def test_bodies_are_allowed(size):
    """By the API description, as the daemon reads it."""
    load = loads.load(size)
    done = subprocess.run([program("cention-proxyctl"), "explain", "-w", loads.WORKSPACE, "--api",
                           str(contestants.TOP / "conf" / "cention-openapi.json"), "PUT", load.path, "-"],
                          input=load.body, capture_output=True, text=True, check=False)
    assert len(load.bytes) == size and done.returncode == 0, done.stdout + done.stderr


def test_void_rounds_are_not_in_the_medians():
    row = dict.fromkeys(report.COLUMNS, "5")
    row.update(contestant="nginx", connections=64, body_bytes=600, void="")
    rows = [{**row, "rps": rps, "void": void} for rps, void in (("10", ""), ("30", ""), ("999", "errors"))]
    cell = report.medians(rows)["nginx", 64, 600]
    assert cell["rps"] == 20 and cell["void"] == 1 and cell["rounds"] == 3


def test_disturbance_is_told():
    rows = [{"others": others, "void": void} for others, void in (("0.1", ""), ("0.5", ""), ("0.2", ""), ("", "x"))]
    assert "20 %" in report.disturbance(rows) and "50 %" in report.disturbance(rows)
    assert report.disturbance(rows[3:]) == "Every run is void."


def test_axis():
    for most in (0.0, 0.3, 1.0, 7.0, 41.0, 99.9, 1234.0):
        ticks = plot.steps(most)
        assert ticks[0] == 0 and ticks[-1] >= most and 2 <= len(ticks) <= 6
        assert most == 0 or ticks[-2] < most
