"""The wall: without the keeper nothing is signed, and nothing of the key is in the proxy."""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

import pytest

from rig import SECRET, UnixConnection, head, read_answer, sanitized, until


def unavailable(rig, server, before):
    answer = rig.call("POST", "/v1/org", {"name": "n"})
    assert (answer.status, answer.json["code"]) == (503, "keeper_unavailable"), answer.body
    assert answer.json["outcome"] == "not-sent"
    assert len(server.requests) == before


def test_killed_and_restarted(rig, lookalike):
    assert rig.call("POST", "/v1/org", {"name": "n"}).status == 200
    rig.keeper.kill()
    for _ in range(3):
        unavailable(rig, lookalike, 1)
    assert rig.admin("/readyz").status == 503
    assert b"keeper" in rig.admin("/readyz").body
    rig.start_keeper()
    rig.wait_ready()
    assert rig.call("POST", "/v1/org", {"name": "n"}).status == 200
    assert len(lookalike.accepted) == 2
    rig.records()  # seq without a gap over both


def test_the_proxy_may_start_first(make_rig, lookalike):
    rig = make_rig()
    rig.start_proxy()
    unavailable(rig, lookalike, 0)
    rig.start_keeper()
    rig.wait_ready()
    assert rig.call("POST", "/v1/org", {"name": "n"}).status == 200


def test_killed_while_a_request_is_at_the_upstream(rig, lookalike):
    """No success is told that is not on record."""
    lookalike.order(delay=0.5)
    answers = []
    thread = threading.Thread(
        target=lambda: answers.append(rig.call("POST", "/v1/org", {"name": "n"})))
    thread.start()
    lookalike.wait_for(1)
    rig.keeper.kill()
    thread.join()
    answer = answers[0]
    assert (answer.status, answer.json["code"]) == (500, "audit_unavailable")
    assert answer.json["outcome"] == "unknown" and answer.json["upstream_status"] == 200
    rig.start_keeper()
    rig.wait_ready()
    outcome = rig.records("outcome")[0]
    assert outcome["id"] == answer.field("x-request-id") and outcome["sent"] == "unknown"
    assert rig.call("POST", "/v1/org", {"name": "n"}).status == 200


def test_hung_and_resumed(make_rig, lookalike):
    rig = make_rig(proxy={"keeper_timeout": 0.4}).start()
    rig.keeper.signal(signal.SIGSTOP)
    try:
        unavailable(rig, lookalike, 0)
    finally:
        rig.keeper.signal(signal.SIGCONT)
    rig.wait_ready()
    assert rig.call("POST", "/v1/org", {"name": "n"}).status == 200
    assert len(lookalike.requests) == 1


def test_the_proxy_is_killed_with_requests_under_way(rig, lookalike):
    lookalike.order(delay=5)
    sock = rig.raw(head("POST", "/v1/org", b'{"name":"n"}'))
    lookalike.wait_for(1)
    rig.proxy.kill()
    sock.close()
    until(lambda: rig.records("outcome"), what="the outcome")
    assert rig.records("outcome")[0]["sent"] == "unknown"
    rig.start_proxy()
    rig.wait_ready()
    assert rig.call("POST", "/v1/org", {"name": "n"}).status == 200


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
@pytest.mark.skipif(sanitized(), reason="the sanitizer's leak check can't run under a tracer")
def test_the_proxy_never_opens_the_keys(make_rig, lookalike, tmp_path):
    rig = make_rig()
    trace = tmp_path / "trace"
    rig.start_keeper()
    rig.start_proxy("strace", "-f", "-o", str(trace), "-e", "trace=file,desc,network")
    rig.wait_ready()
    for _ in range(3):
        assert rig.call("POST", "/v1/org", {"name": "n"}).status == 200
    text = trace.read_text(errors="replace")
    assert "proxy.conf" in text and "keeper.sock" in text  # the trace sees what there is to see
    assert "keys.conf" not in text and "/audit" not in text
    assert SECRET not in text


def memory_has(pid, wanted):
    with open("/proc/%d/maps" % pid) as maps, open("/proc/%d/mem" % pid, "rb", 0) as memory:
        for line in maps:
            match = re.match(r"([0-9a-f]+)-([0-9a-f]+) r", line)
            if not match or "[v" in line:
                continue
            start, end = (int(x, 16) for x in match.groups())
            try:
                memory.seek(start)
                if wanted in memory.read(end - start):
                    return True
            except (OSError, ValueError, OverflowError):
                continue
    return False


@pytest.mark.skipif(os.geteuid() != 0, reason="reading another process's memory needs root")
def test_the_secret_is_not_in_the_proxy_s_memory(rig, lookalike):
    if sanitized():
        pytest.skip("the sanitizer's shadow memory is too large to search")
    for _ in range(20):
        assert rig.call("POST", "/v1/org", {"name": "n"}).status == 200
    assert memory_has(rig.keeper.pid, SECRET.encode())  # the search does find it
    assert not memory_has(rig.proxy.pid, SECRET.encode())
    assert not memory_has(rig.proxy.pid, SECRET[5:].encode())


def test_many_requests_share_a_commit(rig, lookalike):
    """What waits together is made durable together."""
    threads = [threading.Thread(target=rig.call, args=("POST", "/v1/org", {"name": "n"}))
               for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(rig.records("outcome")) == 32
    code = rig.proxy.stop(), rig.keeper.stop()
    assert code == (0, 0)
    match = rig.keeper.wait_line(r"event=stopped records=(\d+) syncs=(\d+)")
    assert int(match.group(2)) < int(match.group(1))


def test_the_keeper_s_socket_is_private(rig):
    assert os.stat(rig.socket).st_mode & 0o777 == 0o600
    connection = UnixConnection(str(rig.socket), 5)
    connection.connect()
    connection.sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert connection.sock.recv(100) == b""  # not a word to strangers
    connection.close()
    assert rig.call("POST", "/v1/org", {"name": "n"}).status == 200


def test_keep_alive_survives_the_keeper(rig, lookalike):
    with rig.raw(head("POST", "/v1/org", b'{"name":"n"}')) as sock:
        stream = sock.makefile("rb")
        assert read_answer(stream).status == 200
        rig.keeper.kill()
        until(lambda: rig.admin("/readyz").status == 503)
        sock.sendall(head("DELETE", "/v1/org/1"))
        assert read_answer(stream).status == 503
        rig.start_keeper()
        rig.wait_ready()
        sock.sendall(head("DELETE", "/v1/org/1"))
        assert read_answer(stream).json == {"id": 1, "deleted": True}


# Listens at a path, or calls there, as another user. Prints what comes from the other end.
STRANGER = """
import os, socket, sys
path, how = sys.argv[1:]
s = socket.socket(socket.AF_UNIX)
if how == "listen":
    s.bind(path)
os.setgroups([])
os.setresgid(61001, 61001, 61001)
os.setresuid(61001, 61001, 61001)
if how == "listen":
    s.listen(8)
    print("ready", flush=True)
    s = s.accept()[0]
else:
    s.connect(path)
s.settimeout(30)
print(s.recv(100), flush=True)
"""


def stranger(path, how):
    return subprocess.Popen([sys.executable, "-I", "-c", STRANGER, str(path), how], cwd="/",
                            stdout=subprocess.PIPE, text=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_stranger_in_the_keeper_s_place(make_rig):
    """It hears nothing, not even a greeting; the proxy says who it is, and waits for the right one."""
    rig = make_rig()
    fake = stranger(rig.socket, "listen")
    assert fake.stdout.readline() == "ready\n"
    rig.start_proxy()
    rig.proxy.wait_line(r"event=keeper_refused why=\"uid 61001 listens at .*, not cention-keeper; ")
    assert fake.communicate(timeout=30)[0] == "b''\n"
    answer = rig.call("POST", "/v1/org", {"name": "n"})
    assert (answer.status, answer.json["code"]) == (503, "keeper_unavailable")
    rig.socket.unlink()
    rig.start_keeper()
    rig.wait_ready()
    assert rig.call("POST", "/v1/org", {"name": "n"}).status == 200


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_stranger_on_the_keeper_s_socket(rig):
    """Whatever the file's mode has become."""
    folder = tempfile.mkdtemp(prefix="cention-keeper-", dir="/tmp")
    try:
        os.chmod(folder, 0o755)
        rig.keeper_settings["socket"] = rig.proxy_settings["keeper"] = folder + "/keeper.sock"
        rig.write_conf()
        rig.keeper.stop()
        rig.start_keeper()
        os.chmod(folder + "/keeper.sock", 0o666)
        assert stranger(folder + "/keeper.sock", "call").communicate(timeout=30)[0] == "b''\n"
        rig.keeper.wait_line(r"event=link_refused uid=61001 pid=\d+ why=\"it is not cention-proxy; ")
        # Named, it is not even root that may.
        rig.keeper_settings["proxy_user"] = "daemon"
        rig.write_conf()
        skip = len(rig.keeper.lines)
        rig.keeper.signal(signal.SIGHUP)
        rig.keeper.wait_line(r"event=reloaded", skip=skip)
        rig.proxy.stop()
        rig.start_proxy()
        rig.keeper.wait_line(r"event=link_refused uid=0 pid=\d+ why=\"it is not daemon; ")
        assert rig.admin("/readyz").status == 503
    finally:
        rig.stop()
        shutil.rmtree(folder)
