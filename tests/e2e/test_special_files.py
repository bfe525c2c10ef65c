"""Something else than a file in the place of a file of the audit log, as a hostile host may leave it for
those who read its log: nothing hangs, nothing is taken for a log, and the other hosts' logs are read."""
import json
import os
import shutil
import socket
import subprocess

import pytest

import rig
from audit_tool import ctl

MAKE_LOG = rig.BUILD / "tests" / "bench" / "make_log"


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as s:
        here = os.getcwd()
        os.chdir(path.parent)  # an address is at most 107 bytes long
        s.bind(path.name)
        os.chdir(here)


def link_to_zeros(path):
    path.symlink_to("/dev/zero")


def link_to_a_log(path):
    """A sound file that stands elsewhere."""
    moved = path.parent / "moved"
    shutil.copy(path.parent / "kept", moved)
    path.symlink_to(moved)


def device(path):
    os.mknod(path, 0o20666, os.makedev(1, 5))  # /dev/zero


KINDS = {"FIFO": (os.mkfifo, "a FIFO, a socket or a device"), "directory": (os.mkdir, "a directory"),
         "socket": (make_socket, "a FIFO, a socket or a device"),
         "link to zeros": (link_to_zeros, "a symbolic link"),
         "link to the log": (link_to_a_log, "a symbolic link"),
         "device": (device, "a FIFO, a socket or a device")}


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    """Logs of two hosts, of several segments."""
    folder = tmp_path_factory.mktemp("logs")
    for host in ("web1", "web2"):
        (folder / host).mkdir(mode=0o750)
        subprocess.run([MAKE_LOG, folder / host, "3000", "65536"], check=True, capture_output=True)
    assert len(segments(folder / "web1")) >= 3
    return folder


@pytest.fixture
def spoiled(logs, tmp_path):
    """spoiled(name, kind): two hosts; in the second one's log that stands in the place of name."""
    def put(which, kind):
        folder = tmp_path / "logs"
        shutil.copytree(logs, folder)
        host = folder / "web2"
        path = host / which if isinstance(which, str) else segments(host)[which]
        if path.exists():
            shutil.move(path, host / "kept")
        elif kind == "link to the log":
            shutil.copy(segments(host)[0], host / "kept")
        if kind == "device" and os.geteuid() != 0:
            pytest.skip("only root makes devices")
        KINDS[kind][0](path)
        return folder, host, path
    return put


def segments(folder):
    return sorted(folder.glob("audit-[0-9]*"), key=lambda p: int(p.name.split("-")[1].split(".")[0]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("which", [0, 1, -1], ids=["first", "middle", "last"])
def test_a_segment(spoiled, which, kind):
    folder, host, path = spoiled(which, kind)
    why = KINDS[kind][1]
    result = ctl("verify", host)
    assert result.returncode == 1 and why in result.stderr.decode(), result
    assert path.name in result.stderr.decode()
    result = ctl("show", host, "--all")
    assert result.returncode == 1 and why in result.stderr.decode(), result
    assert len(result.stdout.splitlines()) > 1000  # what is there is shown
    result = ctl("head", host)  # reads the newest segments only
    if which == -1:
        assert result.returncode == 1 and why in result.stderr.decode(), result
    else:
        assert result.returncode == 0, result
    result = ctl("diff", "none", host)
    assert result.returncode == 1 and why in result.stderr.decode(), result
    # As a named file.
    for command in ("verify", "show", "head"):
        result = ctl(command, path)
        assert result.returncode != 0 and result.stdout == b"", result
        assert path.name in result.stderr.decode()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("which", [0, 1, -1], ids=["first", "middle", "last"])
def test_a_segment_of_one_of_many_hosts(spoiled, which, kind):
    folder, host, path = spoiled(which, kind)
    result = ctl("verify", "--from", "dir:%s" % folder)
    out = result.stdout.decode()
    assert result.returncode == 1, result
    assert KINDS[kind][1] in out and "altered: web2" in out, result
    assert "\nweb1 " in out and "altered: web1" not in out and result.stderr == b""
    result = ctl("show", "--from", "dir:%s" % folder)
    shown = result.stdout.splitlines()
    assert sum(line.startswith(b'{"host":"web1"') for line in shown) > 2000
    assert result.returncode == 1 and KINDS[kind][1] in result.stderr.decode()
    result = ctl("head", "--from", "dir:%s" % folder)
    sound = json.loads(segments(folder / "web1")[0].read_bytes().partition(b"\n")[0])["log"]
    assert sound in [json.loads(line)["log"] for line in result.stdout.splitlines()], result
    assert result.returncode == (1 if which else 0), result


@pytest.mark.parametrize("kind", KINDS)
def test_what_stays_of_retired_segments(spoiled, kind):
    folder, host, path = spoiled("audit-retired.jsonl", kind)
    segments(host)[0].unlink()
    result = ctl("verify", host)
    assert result.returncode == 1 and KINDS[kind][1] in result.stderr.decode(), result
    result = ctl("verify", "--from", "dir:%s" % folder)
    assert "\nweb1 " in result.stdout.decode() and "web2" in result.stdout.decode(), result
    assert result.returncode in (1, 2)


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "directory"])
def test_the_folder_of_one_of_many_hosts(logs, tmp_path, kind):
    folder = tmp_path / "logs"
    shutil.copytree(logs, folder)
    shutil.copy(segments(folder / "web2")[0], folder / "kept")
    shutil.rmtree(folder / "web2")
    if kind == "device" and os.geteuid() != 0:
        pytest.skip("only root makes devices")
    KINDS[kind][0](folder / "web2")
    result = ctl("verify", "--from", "dir:%s" % folder)
    assert "\nweb1 " in result.stdout.decode() and "web2" not in result.stdout.decode(), result
