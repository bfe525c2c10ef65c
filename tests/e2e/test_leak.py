"""The search that ends every test (leaks.py) finds what is planted; no core dump can be had."""
import contextlib
import os
import pathlib
import resource
import signal
import subprocess
import sys

import pytest

import leaks
from lookalike import LookAlike
from rig import Answer, Daemon, sanitized, until

SECRET = "planted-secret-0123456789"
SIGNATURE = "%064x" % 0xfeedfacecafebeef1234567890abcdef
FIELD = "CENTION1-HMAC-SHA256 some-id," + "0" * 64
WAIT = (sys.executable, "-c", "import time; print('ready', flush=True); time.sleep(60)")
WHAT = {"a secret": SECRET, "a signature": SIGNATURE, "an Authorization value": FIELD}


@pytest.fixture
def search(leak_check, make_rig):
    """A search of its own, so that a find doesn't end the test; it knows of one rig."""
    outer, inner = leaks.Leaks.current, leaks.begin()
    rig = make_rig()
    rig.secrets.append(SECRET)
    LookAlike.authorizations.append(b"CENTION1-HMAC-SHA256 xyz," + SIGNATURE.encode())
    inner.rig = rig
    yield inner
    LookAlike.authorizations.pop()
    leaks.Leaks.current = outer


def log(search, text):
    ended(Daemon("sh", "-c", "cat $0 >&2", planted(search, text)))


def ended(daemon):
    """Has said all that it had to say."""
    assert daemon.process.wait(10) == 0
    daemon._reader.join(10)


def planted(search, text):
    path = search.rig.folder / "planted"
    path.write_text(text + "\n")
    return str(path)


def output(search, text):
    ended(Daemon("cat", planted(search, text)))


def command_line(search, text):
    daemon = Daemon(*WAIT, text)
    daemon.wait_line("ready")
    daemon.kill()


def environment(search, text):
    daemon = Daemon(*WAIT, env={**os.environ, "X": "y" + text})
    daemon.wait_line("ready")
    daemon.kill()


def of_a_child(search, text):
    daemon = Daemon("sh", "-c", "read x <$0; X=$x sleep 60 & echo ready; wait", planted(search, text))
    daemon.wait_line("ready")
    child = until(lambda: [pid for pid in children(daemon.pid) if runs(pid, "sleep")])[0]
    leaks.look(daemon.pid)
    os.kill(int(child), signal.SIGKILL)
    daemon.stop()


def children(pid):
    path = "/proc/%d/task/%d/children" % (pid, pid)
    return open(path).read().split()


def runs(pid, name):
    """Whether exec has ended: the kernel sets the name first, and the environment last."""
    of = pathlib.Path("/proc/%s" % pid)
    return (of / "comm").read_text() == name + "\n" and (of / "environ").read_bytes() != b""


def audit(search, text):
    (search.rig.audit_folder / "audit-1.jsonl").write_text('{"x":"%s"}\n' % text)


def hidden_file(search, text):
    (search.rig.audit_folder / ".left-over").write_bytes(b"\0\xff" + text.encode() + b"\0")


def compressed(search, text):
    plain = search.rig.folder / "plain"
    plain.write_text(('{"x":"%s"}\n' % text) * 50)
    subprocess.run(["zstd", "-q", "-o", str(search.rig.audit_folder / "audit-1.jsonl.zst"),
                    str(plain)], check=True)


def body(search, text):
    Answer(503, [], b'{"error": "%s"}' % text.encode())


def field(search, text):
    Answer(503, [("X-Request-Id", text)], b"")


@pytest.mark.parametrize("what", WHAT)
@pytest.mark.parametrize("place", [log, output, command_line, environment, of_a_child, audit, hidden_file,
                                   compressed, body, field], ids=lambda f: f.__name__)
def test_a_planted_one_is_found(search, place, what):
    place(search, WHAT[what])
    with pytest.raises(AssertionError) as found:
        search.check()
    assert what in str(found.value) or what == "a signature" and "Authorization" in str(found.value)
    assert WHAT[what] not in str(found.value)
    (search.rig.audit_folder / "audit-1.jsonl").unlink(missing_ok=True)
    (search.rig.audit_folder / "audit-1.jsonl.zst").unlink(missing_ok=True)


@pytest.mark.parametrize("form", leaks.forms(SECRET))
def test_other_forms_of_a_secret_are_found(search, form):
    output(search, form.decode())
    with pytest.raises(AssertionError, match="a secret"):
        search.check()


def test_nothing_planted_nothing_found(search):
    output(search, "d" * 63 + "e")
    search.check()
    assert search.counts["hits"] == 0 and search.counts["signatures"] == 1


def test_signatures_of_requests_that_were_cut_are_known(search, lookalike):
    rig = search.rig.start()
    lookalike.order(at="head", after=2000)
    lookalike.order(at="request")
    big = {"name": "x" * 4000}
    assert rig.call("POST", "/v1/org", big).json["outcome"] == "unknown"
    assert rig.call("POST", "/v1/org", big).json["outcome"] == "unknown"
    search.prepare()
    assert len(search.signatures) == 2  # the planted one, and the same twice
    assert search.counts["secrets"] == 3
    rig.stop()
    search.check()


def core_files(folder):
    return [p.name for p in pathlib.Path(folder).iterdir() if p.name.startswith("core")]


def raise_core_limit(pid):
    """As far as this process may: beyond the hard limit only with CAP_SYS_RESOURCE."""
    most = resource.prlimit(pid, resource.RLIMIT_CORE)[1]
    resource.prlimit(pid, resource.RLIMIT_CORE, (most, most))
    with contextlib.suppress(PermissionError, ValueError):
        resource.prlimit(pid, resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2)


@pytest.mark.skipif(sanitized(), reason="sanitizers need a process that can be traced")
@pytest.mark.parametrize("number", [signal.SIGABRT, signal.SIGSEGV])
def test_no_core_dump(rig, tmp_path, number):
    """Even when someone raises the limit that the daemons set themselves."""
    if pathlib.Path("/proc/sys/kernel/core_pattern").read_text()[0] in "|/":
        pytest.skip("core_pattern takes core dumps elsewhere: not to be seen whether one is made")
    other = Daemon(*WAIT, cwd=tmp_path)
    other.wait_line("ready")
    assert rig.call("POST", "/v1/org", {"name": "n"}).status == 200
    for daemon in (other, rig.proxy, rig.keeper):
        folder = pathlib.Path(os.readlink("/proc/%d/cwd" % daemon.pid))
        before = core_files(folder)
        if daemon is not other:
            assert resource.prlimit(daemon.pid, resource.RLIMIT_CORE) == (0, 0)
        raise_core_limit(daemon.pid)
        daemon.signal(number)
        assert daemon.process.wait(10) == -number
        fresh = set(core_files(folder)) - set(before)
        for core in fresh:
            (folder / core).unlink()
        if daemon is other and not fresh:
            pytest.skip("nothing here leaves a core dump, so neither do the daemons")
        assert bool(fresh) == (daemon is other), (daemon.name, fresh)
