"""The daemons as the units of systemd/ start them: sockets, notifications, watchdog, credentials."""
import os
import signal
import time

import pytest

from manager import Manager, activated
from outage import Faults
from rig import Daemon, program, until

BODY = {"name": "n"}
PERIOD = 0.6  # seconds of the watchdog
SILENCE = 3 * PERIOD


@pytest.fixture
def serviced(make_rig, tmp_path):
    """serviced(...): (rig, the keeper's manager, the proxy's), started as by the units."""
    def make(watchdog=PERIOD, keeper_env=None, start_proxy=True, **kwargs):
        rig = make_rig(proxy={"listen": [{"address": "127.0.0.1", "port": 1}]}, **kwargs)
        managers = []
        for name in ("k", "p"):
            folder = tmp_path / name
            folder.mkdir()
            managers.append(Manager(folder, watchdog))
        rig.keeper = run(rig, managers[0], str(rig.socket), "keeper", "cention-keeperd",
                         rig.keeper_conf, **(keeper_env or {}))
        managers[0].wait(READY="1")
        if start_proxy:
            rig.proxy = run(rig, managers[1], "0,%s" % rig.http_socket, "api:api",
                            "cention-proxyd", rig.proxy_conf)
            managers[1].wait(READY="1")
            rig.learn_ports(rig.proxy)
            rig.wait_ready()
        return rig, managers[0], managers[1]
    return make


def run(rig, manager, listeners, names, name, conf, **more):
    daemon = Daemon(*activated(listeners, names, program(name), "-c", str(conf)),
                    env=manager.environment(**more))
    rig.daemons.append(daemon)
    return daemon


def test_as_the_units_start_them(serviced, lookalike):
    rig, keeper, proxy = serviced()
    assert rig.call("POST", "/v1/org", BODY).status == 200
    assert rig.call("POST", "/v1/org", BODY, connection=rig.unix()).status == 200
    assert len(lookalike.accepted) == 2
    assert keeper.wait(READY="1") == (rig.keeper.pid, {"READY": "1", "STATUS": "listening"})
    assert proxy.wait(READY="1") == (rig.proxy.pid, {"READY": "1", "STATUS": "serving"})
    for manager, daemon in ((proxy, rig.proxy), (keeper, rig.keeper)):
        begun = manager.count()
        daemon.signal(signal.SIGHUP)
        _, words = manager.wait(RELOADING="1", skip=begun)
        assert int(words["MONOTONIC_USEC"]) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        manager.wait(READY="1", skip=begun)
        assert daemon.stop() == 0
        manager.wait(STOPPING="1", skip=begun)
    assert rig.socket.exists() and rig.http_socket.exists()  # the manager's


@pytest.mark.parametrize("which", ["keeper", "proxy"])
def test_the_watchdog_is_fed_while_the_loop_turns(serviced, which):
    rig, *managers = serviced()
    manager, daemon = managers[which == "proxy"], getattr(rig, which)
    until(lambda: len(manager.alive()) >= 6, what="six words")
    times = manager.alive()
    gaps = sorted(b - a for a, b in zip(times, times[1:]))
    assert PERIOD / 4 < gaps[len(gaps) // 2] < PERIOD, gaps  # half a period, on a busy machine
    daemon.signal(signal.SIGSTOP)
    try:
        until(lambda: "T (stopped)" in open("/proc/%d/status" % daemon.pid).read())
        time.sleep(0.05)  # what was under way
        stopped = manager.count()
        time.sleep(SILENCE)  # that nothing comes has no event
        assert manager.alive(stopped) == []
    finally:
        daemon.signal(signal.SIGCONT)
    manager.wait(WATCHDOG="1", skip=stopped)


@pytest.mark.parametrize("which", ["keeper", "proxy"])
def test_a_loop_that_hangs_does_not_feed_it(serviced, which):
    """A reload that waits for a pipe's writer: the process is there, its loop does not turn."""
    rig, *managers = serviced()
    manager, daemon = managers[which == "proxy"], getattr(rig, which)
    conf = getattr(rig, which + "_conf")
    good = conf.read_text()
    conf.unlink()
    os.mkfifo(conf)
    begun = manager.count()
    daemon.signal(signal.SIGHUP)
    manager.wait(RELOADING="1", skip=begun)
    hung = manager.count()
    time.sleep(SILENCE)
    assert manager.alive(hung) == [] and daemon.process.poll() is None
    with open(conf, "w") as pipe:
        pipe.write(good)
    manager.wait(READY="1", skip=hung)
    manager.wait(WATCHDOG="1", skip=hung)


def test_no_watchdog_no_word(serviced):
    rig, keeper, proxy = serviced(watchdog=None)
    assert rig.call("POST", "/v1/org", BODY).status == 200
    assert keeper.alive() == proxy.alive() == []


def test_a_watchdog_for_another_process_is_not_fed(serviced):
    rig, keeper, _ = serviced(keeper_env={"WATCHDOG_PID": "1"})
    assert rig.call("POST", "/v1/org", BODY).status == 200
    assert keeper.alive() == []


def test_a_command_does_not_feed_its_keepers_watchdog(make_rig, tmp_path):
    rig, manager = make_rig(), Manager(tmp_path, PERIOD)
    told = tmp_path / "told"
    rig.keeper_env = manager.environment()
    rig.start_keeper("--", "sh", "-c", "env >%s; exec sleep 60" % told)
    manager.wait(WATCHDOG="1")
    until(lambda: told.exists() and "NOTIFY_SOCKET" in told.read_text())
    assert "WATCHDOG" not in told.read_text()


def test_the_status_tells_why_the_audit_failed(make_rig, tmp_path):
    rig, manager = make_rig(), Manager(tmp_path)
    faults = Faults(rig)
    rig.keeper_env = {**rig.keeper_env, "NOTIFY_SOCKET": manager.path}
    rig.start()
    begun = manager.count()
    faults.fail("fdatasync", "EIO", times=1)
    assert rig.call("POST", "/v1/org", BODY).json["code"] == "audit_unavailable"
    _, words = manager.wait(STATUS=True, skip=begun)
    assert "audit-1.jsonl" in words["STATUS"] and "Input/output error" in words["STATUS"]
    assert rig.keeper.process.wait(10) == 1  # Restart=on-failure


def test_credentials(make_rig, tmp_path):
    """As LoadCredential= leaves them: a folder and a file that only the service can read."""
    folder = tmp_path / "credentials"
    folder.mkdir(mode=0o700)
    rig, manager = make_rig(), Manager(tmp_path)
    rig.keys_file.rename(folder / "keys.conf").chmod(0o400)
    folder.chmod(0o500)
    del rig.keeper_settings["keys"]
    rig.write_conf()
    rig.keeper_env = manager.environment(CREDENTIALS_DIRECTORY=str(folder))
    rig.start()
    assert rig.call("POST", "/v1/org", BODY).status == 200


def test_a_missing_credential_is_bad_configuration(make_rig, tmp_path):
    rig = make_rig()
    del rig.keeper_settings["keys"]
    rig.write_conf()
    daemon = Daemon(program("cention-keeperd"), "-c", str(rig.keeper_conf),
                    env={**os.environ, "CREDENTIALS_DIRECTORY": str(tmp_path / "none")})
    rig.daemons.append(daemon)
    assert daemon.process.wait(10) == 78  # not started again: RestartPreventExitStatus=78
    daemon._reader.join(5)
    assert str(tmp_path / "none" / "keys.conf") in daemon.log
