"""Readers of a log that is being written. They see parts of writes; none of them may take that for
damage. Each reads in a tight loop beside a writer of CENTION_BESIDE_RECORDS records (100,000) of 136
to 40,000 bytes, which writes them in pieces."""
import concurrent.futures
import json
import os
import pathlib
import shutil
import signal
import subprocess

import pytest

import rig
import trail
from audit_tool import ctl

RECORDS = int(os.environ.get("CENTION_BESIDE_RECORDS", 100000))
LONGEST = 40000
MAKE_LOG = rig.BUILD / "tests" / "bench" / "make_log"


class Writer:
    """Makes a log in segments of 4 MiB; the first request is in it when this is made."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(mode=0o750)
        self.process = subprocess.Popen([MAKE_LOG, folder, str(RECORDS), str(4 << 20), str(LONGEST)],
                                        stderr=subprocess.PIPE, text=True)
        first = folder / "audit-1.jsonl"
        rig.until(lambda: first.exists() and
                  b'"type":"intent"' in first.read_bytes().rpartition(b"\n")[0], what="a request")

    def running(self):
        return self.process.poll() is None

    def end(self):
        _, errors = self.process.communicate(timeout=300)
        assert self.process.returncode == 0, errors


@pytest.fixture
def writer(tmp_path):
    writer = Writer(tmp_path / "log")
    yield writer
    writer.process.kill()
    writer.process.wait()


def last_seq(folder):
    return json.loads(trail.content(trail.segments(folder)[-1]).splitlines()[-1])["seq"]


def read_all(folder):
    return len(rig.audit(folder))


def verify_independently(folder):
    return trail.verify(folder).seq


def read_newest(folder):
    """The newest segment: the tests' reader that is quick enough to meet every part of a write."""
    data = trail.content(trail.segments(folder)[-1])
    assert data == b"" or data.endswith(b"\n")
    return len(data)


def verify(folder):
    result = ctl("verify", folder)
    assert result.returncode == 2 and result.stderr == b"", (result.stdout, result.stderr)
    return int(result.stdout.split()[1])


def show(folder):
    result = ctl("show", "--json", "--all", folder)
    assert (result.returncode, result.stderr) == (0, b""), result.stderr
    for line in result.stdout.splitlines():
        assert line.startswith(b'{"seq":') and line.endswith(b'"}')
    return result.stdout.count(b"\n")


def diff(folder):
    result = ctl("diff", "--json", "019abc-0000000000000000", folder)
    assert (result.returncode, result.stderr) == (0, b""), result.stderr
    return 1


def head(folder):
    result = ctl("head", folder)
    if result.returncode == 1 and b"no signature yet" in result.stderr:
        return 0
    assert (result.returncode, result.stderr) == (0, b""), result.stderr
    return json.loads(result.stdout)["seq"]


def folders_verify(folder):
    result = ctl("verify", "--from", "dir:%s" % folder)
    text = result.stdout.decode()
    found = [line for line in text.splitlines() if ", log " in line]
    # At the very end the writer has stopped, which is a finding.
    assert [line.split(":")[0] for line in found] in ([], ["stopped"]), (text, result.stderr)
    assert result.stderr == b"" and " sound" in text or found, (text, result.stderr)
    return 1


def folders_show(folder):
    result = ctl("show", "--json", "--from", "dir:%s" % folder)
    assert (result.returncode, result.stderr) == (0, b""), result.stderr
    return result.stdout.count(b"\n")


READERS = [read_all, read_newest, verify_independently, verify, show, diff, head, folders_verify,
           folders_show]


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
def test_in_a_tight_loop(writer, reader):
    times = 0
    before = 0
    while writer.running():
        found = reader(writer.folder)
        assert reader in (read_newest, diff, folders_verify) or found >= before
        before, times = found, times + 1
    writer.end()
    assert times > 0
    reader(writer.folder)
    assert last_seq(writer.folder) > RECORDS
    trail.verify(writer.folder)


def test_following(writer):
    """All that a follower prints is whole, and it prints each record once."""
    follower = subprocess.Popen([rig.program("cention-proxyctl"), "audit", "show", "--follow", "--all",
                                 "--json", str(writer.folder)],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    stopped, n = False, 0
    for line in follower.stdout:
        kind = json.loads(line)["type"]
        n += 1
        stopped = stopped or kind == "stop"
        if stopped and kind == "checkpoint":  # the log's last record
            break
    follower.send_signal(signal.SIGTERM)
    rest, errors = follower.communicate(timeout=60)
    writer.end()
    assert (follower.returncode, errors) == (0, b"")
    assert n + rest.count(b"\n") == last_seq(writer.folder)


def test_copying(writer, tmp_path):
    """A copy of a live log may end anywhere: in it, part of a line is a truncated record."""
    copies = 0
    while writer.running() and copies < 3:
        copy = tmp_path / ("copy-%d" % copies)
        copy.mkdir()
        for path in trail.segments(writer.folder):
            shutil.copy(path, copy)
        cut = not trail.segments(copy)[-1].read_bytes().endswith(b"\n")
        result = ctl("verify", copy)
        assert (result.returncode == 1) == cut, (result.stdout, result.stderr)
        if cut:
            assert b"the last record has no end" in result.stderr
        copies += 1
    writer.process.kill()
    writer.process.wait()
    assert copies


def test_a_writer_that_was_killed(writer):
    """What it left behind its last record is found, though not before it has stopped."""
    rig.until(lambda: (writer.folder / "audit-1.jsonl").stat().st_size > 100000, what="records")
    writer.process.kill()
    writer.process.wait()
    newest = trail.segments(writer.folder)[-1]
    with open(newest, "ab") as f:
        f.write(b'{"seq":1,"ti')
    result = ctl("verify", writer.folder)
    assert result.returncode == 1 and b"the last record has no end" in result.stderr
    with pytest.raises(trail.Broken, match="torn"):
        trail.verify(writer.folder)
    assert pathlib.Path(newest).read_bytes().endswith(b'{"seq":1,"ti')


@pytest.mark.parametrize("reader", [read_all, verify_independently, verify, folders_verify],
                         ids=lambda reader: reader.__name__)
def test_a_writer_that_stalls(writer, reader):
    """It stands still in the middle of a line, for longer than a reader that guesses would wait."""
    newest = writer.folder / "audit-1.jsonl"
    while True:
        writer.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, writer.process.pid, os.WSTOPPED | os.WNOWAIT)
        newest = trail.segments(writer.folder)[-1]
        data = newest.read_bytes()
        if data and not data.endswith(b"\n"):
            break
        writer.process.send_signal(signal.SIGCONT)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        found = pool.submit(reader, writer.folder)
        done, _ = concurrent.futures.wait([found], timeout=2.5)
        assert not done
        writer.process.send_signal(signal.SIGCONT)
        assert found.result() > 0
