"""What an auditor proves, sees and keeps of all hosts' logs: `cention-proxyctl audit ... --from`, with
logs of real daemons, copied into folders and spoiled there."""
import json
import os
import re
import shutil
import subprocess

import pytest

import trail
from audit_tool import ctl, on_terminal, shown
from rig import until


class Centre:
    """A folder with a copy of each host's audit log, and what the tool says of it."""

    def __init__(self, folder):
        self.folder = folder
        self.folder.mkdir()

    @property
    def url(self):
        return "dir:%s" % self.folder

    def take(self, rig, host):
        """A fresh copy of the host's log, as it is now."""
        to = self.folder / host
        shutil.rmtree(to, ignore_errors=True)
        to.mkdir()
        for path in rig.audit_folder.glob("audit-*"):
            shutil.copy2(path, to)
        for path in rig.audit_folder.glob("audit-*.jsonl"):
            (to / path.name).write_bytes(trail.whole(path))
        return to

    def verify(self, *arguments, code=0):
        result = ctl("verify", "--from", self.url, *arguments)
        text = result.stdout.decode()
        assert result.returncode == code, (text, result.stderr)
        return text


def findings(text):
    """(kind, host, first, last) of each finding."""
    found = []
    for line in text.splitlines():
        match = re.match(r"(\w+): (\S+(?: and \S+)?), log [0-9a-f]{8}-[0-9a-f]{8}"
                         r"(?:, seq (\d+)(?: to (\d+))?)?", line)
        if match:
            kind, host, first, last = match.groups()
            found.append((kind, host, int(first or 0), int(last or first or 0)))
    return found


def rows(text):
    """host: the words of its row."""
    lines = text.splitlines()
    top = next(i for i, line in enumerate(lines) if line.startswith("HOST "))
    table = {}
    for line in lines[top + 1:]:
        words = line.split()
        if len(words) != 8 or not re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{8}", words[1]):
            break
        table[words[0]] = words
    return table


def signed(rig):
    """The log's last record is a signature: a second after the last other one at the latest."""
    until(lambda: rig.records()[-1]["type"] in ("checkpoint", "epoch"), what="the last signature")


def change(rig, n=3):
    for i in range(n):
        assert rig.call("POST", "/v1/org", {"name": "of %s %d" % (rig.host, i)}).status == 200
    signed(rig)


@pytest.fixture
def hosts(make_rig):
    """Two running hosts that made three changes each, in turns; more with hosts.more()."""
    class Hosts(list):
        def more(self, name, **kwargs):
            self.append(make_rig(**kwargs))
            self[-1].host = name
            return self[-1]

    all_hosts = Hosts()
    for name in ("web1", "web2"):
        all_hosts.more(name).start()
    for _ in range(3):
        for rig in all_hosts:
            change(rig, 1)
    return all_hosts


@pytest.fixture
def centre(tmp_path, hosts):
    centre = Centre(tmp_path / "centre")
    for rig in hosts:
        centre.take(rig, rig.host)
    return centre


def segment(folder):
    return folder / "audit-1.jsonl"


def lines_of(folder):
    return trail.whole(segment(folder)).splitlines(True)


def put(folder, lines):
    segment(folder).write_bytes(b"".join(lines))


def seq_of(lines, kind, n=0):
    """The place from 0 of the n-th record of that type."""
    return [i for i, line in enumerate(lines) if json.loads(line)["type"] == kind][n]


def test_nothing_found(hosts, centre, tmp_path):
    known = tmp_path / "hosts"
    text = centre.verify()
    assert findings(text) == [] and "see --identities" in text
    for rig in hosts:
        row = rows(text)[rig.host]
        last = len(lines_of(centre.folder / rig.host))
        assert row[2:4] == [str(last), str(last)] and row[6:] == [str(last - 1), "sound"]
    text = centre.verify("--identities", known, "--learn")
    assert text.startswith("learned: the identity of web1\nlearned: the identity of web2\n")
    for rig, line in zip(hosts, known.read_text().splitlines()):
        identity = ctl("identity", rig.audit_folder).stdout.decode().strip()
        assert line == "%s %s" % (identity, rig.host)
    # The live folders, as they would be mounted, and this host's own log beside the centre.
    assert findings(centre.verify("--identities", known, hosts[0].audit_folder)) == []
    for rig in hosts:
        shutil.rmtree(centre.folder / rig.host)
        (centre.folder / rig.host).symlink_to(rig.audit_folder)
    change(hosts[1])
    text = centre.verify("--identities", known, hosts[0].audit_folder)
    assert "The centre is not behind this host's log" in text
    assert rows(text)["web2"][3] == str(hosts[1].records()[-1]["seq"])


def test_expected_hosts(hosts, centre, tmp_path):
    known = tmp_path / "hosts"
    centre.verify("--identities", known, "--learn")
    hosts.more("web3").start()
    change(hosts[2])
    centre.take(hosts[2], "web3")
    text = centre.verify("--identities", known, code=1)
    assert [f[:2] for f in findings(text)] == [("unknown", "web3")]
    assert ctl("identity", hosts[2].audit_folder).stdout.decode().strip() in text
    shutil.rmtree(centre.folder / "web1")
    text = centre.verify("--identities", known, "--learn", code=1)
    assert [f[:2] for f in findings(text)] == [("missing", "web1")]
    # A new log under the name of a host whose log is known.
    shutil.rmtree(centre.folder / "web2")
    os.rename(centre.folder / "web3", centre.folder / "web2")
    text = centre.verify("--identities", known, "--learn", code=1)
    assert sorted(f[:2] for f in findings(text)) == [
        ("missing", "web1"), ("missing", "web2"), ("unknown", "web2")]


def test_records_altered_and_missing(centre):
    folder = centre.folder / "web1"
    lines = lines_of(folder)
    outcome, intent = seq_of(lines, "outcome"), seq_of(lines, "intent", 2)
    lines[outcome] = lines[outcome].replace(b'"status":200', b'"status":500')
    del lines[intent]
    put(folder, lines)
    text = centre.verify(code=1)
    assert findings(text) == [("altered", "web1", outcome + 1, outcome + 1),
                              ("gap", "web1", intent + 1, intent + 1)]
    assert json.loads(lines[outcome])["time"] in text
    assert rows(text)["web1"][7] == "gap,altered" and rows(text)["web2"][7] == "sound"


def test_every_record_missing_or_altered(centre):
    """Each one by itself is found and named; only the end of a log can't be missed."""
    folder = centre.folder / "web2"
    lines = lines_of(folder)
    for i, line in enumerate(lines):
        put(folder, lines[:i] + [line.replace(b'"h":"', b'"h":"0', 1)] + lines[i + 1:])
        found = findings(centre.verify(code=1))
        assert found[0] == ("altered", "web2", i + 1, i + 1), line
        # The first header is all that tells a folder's identity.
        assert [f[0] for f in found[1:]] == (["unproved"] if i == 0 else []), line
        if i + 1 < len(lines):
            put(folder, lines[:i] + lines[i + 1:])
            found = findings(centre.verify(code=1))
            assert found[0] == ("gap", "web2", i + 1, i + 1), line
            # Without the first header nothing proves whose key it is.
            assert [f[0] for f in found[1:]] == (["unproved"] if i == 0 else []), line


def test_a_truncated_host_log(hosts, centre, tmp_path):
    """The centre has more than the host: records of this host's log were cut off."""
    change(hosts[0])
    centre.take(hosts[0], "web1")
    last = len(lines_of(centre.folder / "web1"))
    local = tmp_path / "local"
    shutil.copytree(centre.folder / "web1", local)
    assert findings(centre.verify(local)) == []
    put(local, lines_of(local)[:last - 4])
    text = centre.verify(local, code=1)
    assert ("truncated", last - 3, last) in [(f[0], f[2], f[3]) for f in findings(text)]
    assert "this host's log ends before them" in text


def test_a_cut_copy_and_a_head(hosts, centre, tmp_path):
    """What was cut off at the centre is proved by a head that was kept elsewhere."""
    heads = tmp_path / "heads"
    result = ctl("head", "--from", centre.url)
    assert result.returncode == 0 and len(result.stdout.splitlines()) == 2
    heads.write_bytes(result.stdout)
    assert findings(centre.verify("--head", heads)) == []
    # Each is what `audit verify --head` takes for that host's log.
    for line in result.stdout.splitlines(True):
        one = tmp_path / "head"
        one.write_bytes(line)
        rig = next(r for r in hosts
                   if json.loads(line)["log"] == r.records("segment")[0]["log"])
        verified = ctl("verify", "--head", one, rig.audit_folder)
        assert verified.returncode == 0, verified
        only = ctl("head", "--from", centre.url, "--log", json.loads(line)["log"][:12])
        assert only.stdout == line
    folder = centre.folder / "web1"
    lines = lines_of(folder)
    put(folder, lines[:len(lines) - 3])
    found = findings(centre.verify("--head", heads, code=1))
    assert ("truncated", "web1", len(lines) - 2, len(lines) - 1) in found
    shutil.rmtree(folder)
    assert [f[0] for f in findings(centre.verify("--head", heads, code=1))] == ["missing"]


def test_a_rewritten_tail(hosts, centre, tmp_path):
    """The host's log was put back, and a keeper went on with it: other records stand there now."""
    local = tmp_path / "local"
    shutil.copytree(hosts[0].audit_folder, local)
    common = len(lines_of(local))
    change(hosts[0])
    centre.take(hosts[0], "web1")
    other = hosts.more("put-back")
    shutil.rmtree(other.audit_folder)
    shutil.copytree(local, other.audit_folder)
    other.start()
    change(other, 6)
    text = centre.verify(other.audit_folder, code=1)
    kind, _, first, last = findings(text)[0]
    assert (kind, first) == ("rewritten", common + 1)
    assert last == len(lines_of(centre.folder / "web1"))
    assert "another record there than the centre" in text


def test_a_fork(hosts, centre):
    """Two copies of one log, each with a keeper that goes on."""
    common = len(lines_of(hosts[0].audit_folder))
    other = hosts.more("twin")
    shutil.rmtree(other.audit_folder)
    shutil.copytree(hosts[0].audit_folder, other.audit_folder)
    other.start()
    change(other, 2)
    change(hosts[0], 5)
    centre.take(hosts[0], "web1")
    centre.take(other, "twin")
    found = findings(centre.verify(code=1))
    assert found[0][0] == "fork" and found[0][2] == common + 1, found
    assert set(found[0][1].split(" and ")) == {"web1", "twin"}
    assert {f[0] for f in found} == {"fork"}


def test_a_stopped_keeper(hosts, centre):
    hosts[1].keeper.stop()
    centre.take(hosts[1], "web2")
    found = findings(centre.verify(code=1))
    last = len(lines_of(centre.folder / "web2"))
    assert found == [("stopped", "web2", last, last)]


def test_a_killed_keeper_falls_silent(hosts, centre):
    hosts[1].keeper.kill()
    centre.take(hosts[1], "web2")
    age = until(lambda: re.fullmatch(r"([2-9]|\d\d+)s", rows(centre.verify())["web2"][5]))
    text = centre.verify("--silent", "2", "--log", hosts[1].records("segment")[0]["log"][:16],
                         code=1)
    assert [f[:2] for f in findings(text)] == [("silent", "web2")], age
    assert "at most 2 s may pass" in text and "web1" not in text


def test_retired_segments(hosts, centre):
    """A host that retires segments: what is left is proved by what stays of them."""
    rig = hosts.more("web3", keeper={})
    rig.keeper_settings["audit"].update(segment_bytes=4096, keep_segments=2)
    rig.write_conf()
    rig.start()
    for _ in range(12):
        change(rig, 4)
        if not (rig.audit_folder / "audit-1.jsonl").exists() and rig.records("retired"):
            break
    until(lambda: rig.records()[0]["seq"] > 1 and rig.records("retired"), what="retired")
    signed(rig)
    folder = centre.take(rig, "web3")
    assert findings(centre.verify()) == []
    os.unlink(folder / "audit-retired.jsonl")
    text = centre.verify(code=2)
    assert [f[0] for f in findings(text)] == ["unproved"]
    os.unlink(min(folder.iterdir(), key=lambda p: int(re.sub(r"\D", "", p.name.split(".")[0]))))
    assert "gap" in [f[0] for f in findings(centre.verify(code=1))]


def test_show(hosts, centre):
    lines = [json.loads(line) for line in shown("--from", centre.url)]
    assert {line["host"] for line in lines} == {"web1", "web2"}
    assert all(list(line)[0] == "host" for line in lines)
    # Byte for byte the record, behind its host.
    own = set(trail.whole(hosts[0].audit_folder / "audit-1.jsonl").splitlines())
    for line in shown("--from", centre.url, "--host", "web1"):
        assert b"{" + line[len(b'{"host":"web1",'):] in own
    names = [json.loads(line)["fields"]["name"]
             for line in shown("--from", centre.url, "--type", "intent")]
    assert names == ["of web1 0", "of web2 0"] * 3
    # By time; an intent is shown when its outcome comes, so that the two stand together.
    times = [line["time"] for line in map(json.loads, shown("--from", centre.url, "--all",
                                                            "--type", "outcome,checkpoint,start"))]
    assert times == sorted(times) and len(times) >= 10
    assert len(shown("--from", centre.url, "--text", "of web2", "--type", "intent")) == 3
    assert len(shown("--from", centre.url, "-n", "2", "--type", "intent")) == 2
    assert shown("--from", centre.url, "--status", "404") == []
    log = hosts[1].records("segment")[0]["log"]
    assert {json.loads(line)["host"] for line in shown("--from", centre.url, "--log", log)} == {
        "web2"}


def test_show_on_a_terminal(centre):
    os.rename(centre.folder / "web2", centre.folder / "w\x1b[31meb")
    text, code = on_terminal("show", "--from", centre.url, "--type", "request")
    assert code == 0 and text.count("\n") == 7 and "\x1b[31m" not in text
    lines = text.splitlines()
    assert lines[0].split()[:3] == ["HOST", "TIME", "CLIENT"]
    assert lines[1].startswith("web1 ") and lines[2].startswith('"w\\u001b[31meb"')
    text, code = on_terminal("show", "--from", centre.url, "--json", "--type", "intent")
    assert code == 0 and '{"host":"w\\u001b[31meb","seq":' in text


def test_show_passes_over_damage(centre):
    folder = centre.folder / "web1"
    lines = lines_of(folder)
    at = seq_of(lines, "outcome")
    lines[at] = b"rubbish\n"
    put(folder, lines)
    result = ctl("show", "--from", centre.url, "--type", "intent")
    assert result.returncode == 1 and len(result.stdout.splitlines()) == 6
    assert b"web1: seq %d: skipped" % (at + 1) in result.stderr


@pytest.mark.parametrize("arguments", [
    ("verify", "--from", "mysql://eva:hunter2@db/audit"),
    ("verify", "--from", "hunter2"),
    ("verify", "--from", "host=db password=hunter2"),
    ("verify", "--learn"),
    ("verify", "--identities", "/dev/null"),
    ("verify", "--from", "dir:/", "--learn"),
    ("verify", "--from", "dir:/", "--key", "0" * 64),
    ("verify", "--from", "dir:/", "--silent", "0"),
    ("verify", "--from", "dir:/", "--silent", "1h"),
    ("verify", "--from", "dir:/", "--log", "web1"),
    ("verify", "--from", "dir:/", "/a", "/b"),
    ("verify", "--from", "dir:/nowhere/at/all"),
    ("verify", "--log", "00"),
    ("show", "--from", "dir:/", "-f"),
    ("show", "--from", "dir:/", "/a"),
    ("show", "--host", "web1"),
    ("head", "--log", "00"),
    ("head", "--from", "dir:/", "/a"),
    ("identity", "--from", "dir:/"),
    ("diff", "--from", "dir:/", "id"),
])
def test_usage(arguments):
    result = ctl(*arguments)
    assert result.returncode == 2 and result.stderr and not result.stdout, result
    assert b"hunter2" not in result.stderr


def test_files_that_are_wrong(centre, tmp_path):
    wrong = tmp_path / "hosts"
    result = ctl("verify", "--from", centre.url, "--identities", wrong)
    assert result.returncode == 78
    wrong.write_text("web1 web2\n")
    result = ctl("verify", "--from", centre.url, "--identities", wrong)
    assert result.returncode == 78 and b"line 1" in result.stderr and not result.stdout
    result = ctl("verify", "--from", centre.url, "--head", wrong)
    assert result.returncode == 1 and b"no head" in result.stderr


def test_an_empty_centre(tmp_path):
    (tmp_path / "centre").mkdir()
    centre = Centre(tmp_path / "other")
    assert "nothing is proved" in centre.verify(code=2)
    assert ctl("show", "--from", centre.url).returncode == 0
    assert ctl("head", "--from", centre.url).returncode == 1


def test_memory_is_bounded(tmp_path):
    """100 MB of log, in a process that may have 64 MB of memory beside its own."""
    from rig import BUILD, sanitized
    if sanitized():
        pytest.skip("a sanitizer's memory is not the program's")
    for host in ("web1", "web2"):
        (tmp_path / host).mkdir(mode=0o750)
        subprocess.run([str(BUILD / "tests/bench/make_log"), str(tmp_path / host), "120000",
                        "8388608"], check=True)
    for arguments in (["verify"], ["show", "--json", "--id", "none"], ["head"]):
        result = subprocess.run(
            ["prlimit", "--data=67108864", BUILD / "daemon/cention-proxyctl", "audit", *arguments,
             "--from", "dir:%s" % tmp_path], capture_output=True, timeout=120)
        assert result.returncode == (1 if arguments == ["verify"] else 0), result
    assert b"out of memory" not in result.stderr
