"""`cention-keeperd -- command`: one line starts both, and both end together."""
import signal

import pytest

from rig import Daemon, program, until


@pytest.fixture
def both(make_rig):
    rig = make_rig()
    rig.start_keeper("--", program("cention-proxyd"), "-c", str(rig.proxy_conf))
    rig.learn_ports(rig.keeper)
    rig.wait_ready()
    return rig


def proxy_pid(rig):
    return int(rig.keeper.wait_line(r"event=command_started pid=(\d+)").group(1))


def test_works(both, lookalike):
    assert both.call("POST", "/v1/org", {"name": "n"}).status == 200
    assert len(lookalike.accepted) == 1


def test_sigterm_ends_both(both):
    assert both.keeper.stop() == 0
    assert "event=stopped requests=" in both.keeper.log  # the proxy's last word
    assert both.events()[-1]["type"] == "stop"


def test_the_proxy_s_end_is_the_keeper_s(both):
    import os
    os.kill(proxy_pid(both), signal.SIGTERM)
    assert both.keeper.process.wait(10) == 0
    assert both.events()[-1]["type"] == "stop"


def test_the_proxy_is_killed(both):
    import os
    os.kill(proxy_pid(both), signal.SIGKILL)
    assert both.keeper.process.wait(10) == 128 + signal.SIGKILL
    both.daemons.remove(both.keeper)
    both.keeper = None


def test_a_command_that_is_not_there(make_rig):
    rig = make_rig()
    daemon = Daemon(program("cention-keeperd"), "-c", str(rig.keeper_conf), "--",
                    "/nowhere/program")
    assert daemon.process.wait(10) not in (0, 78)
    daemon._reader.join(5)
    assert "/nowhere/program" in daemon.log
    assert not rig.socket.exists()


def test_the_exit_code_is_the_command_s(make_rig):
    rig = make_rig()
    daemon = Daemon(program("cention-keeperd"), "-c", str(rig.keeper_conf), "--", "sh", "-c",
                    "exit 7")
    assert daemon.process.wait(10) == 7


def test_the_command_inherits_nothing(make_rig, tmp_path):
    rig = make_rig()
    out = tmp_path / "fds"
    daemon = Daemon(program("cention-keeperd"), "-c", str(rig.keeper_conf), "--", "sh", "-c",
                    "ls -l /proc/self/fd > %s; env >> %s" % (out, out))
    assert daemon.process.wait(10) == 0
    text = out.read_text()
    assert "keys" not in text and "audit" not in text and "socket" not in text.split("PATH")[0][:0]
    assert "s3cr3t" not in text


def test_a_second_keeper_is_refused(rig):
    second = Daemon(program("cention-keeperd"), "-c", str(rig.keeper_conf))
    assert second.process.wait(10) == 1
    second._reader.join(5)
    assert "another" in second.log, second.log
    assert rig.call("POST", "/v1/org", {"name": "n"}).status == 200  # the first lives on


def test_a_stale_socket_is_replaced(make_rig):
    rig = make_rig()
    rig.start_keeper()
    rig.keeper.kill()
    assert rig.socket.exists()
    rig.start_keeper()
    assert rig.keeper.stop() == 0
    until(lambda: not rig.socket.exists())
