"""The sandbox of the real daemons. What it denies is tried in tests/unit/sandbox/test_sandbox.c; that it
denies nothing that is needed, by all other tests here, which run in it."""
import json
import os
import pathlib
import pwd
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile

import pytest

from rig import API, Daemon, Rig, program, sanitized

pytestmark = pytest.mark.skipif(sanitized(), reason="a build with sanitizers has no sandbox")


def status(pid):
    lines = pathlib.Path("/proc/%d/status" % pid).read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines)


def confined(daemon):
    """What the daemon says of its sandbox: (Landlock's version, whether ports are confined)."""
    line = daemon.wait_line(r"event=sandbox state=on seccomp=on landlock=(\w+)(?: ports=(\w+))?")
    version = line.group(1)
    return (0 if version == "none" else int(version)), line.group(2) == "confined"


def test_both_are_confined(rig):
    for daemon in (rig.keeper, rig.proxy):
        confined(daemon)
        of = status(daemon.pid)
        assert of["Seccomp"] == "2" and of["NoNewPrivs"] == "1", of


def test_the_command_too(make_rig):
    rig = make_rig()
    rig.start_keeper("--", program("cention-proxyd"), "-c", str(rig.proxy_conf))
    rig.learn_ports(rig.keeper)
    rig.wait_ready()
    pid = int(rig.keeper.wait_line(r"event=command_started pid=(\d+)").group(1))
    for each in (pid, rig.keeper.pid):
        assert status(each)["Seccomp"] == "2"
    assert rig.call("POST", "/v1/org", {"name": "n"}).status == 200


# Makes seccomp(2) and prctl(PR_SET_SECCOMP) fail with EPERM from then on, and runs the command.
NO_FILTERS = r'''
import ctypes, os, platform, struct, sys
seccomp, prctl = {"x86_64": (317, 157), "aarch64": (277, 167)}[platform.machine()]
code = [(0x20, 0, 0, 0),                 # the call's number
        (0x15, 3, 0, seccomp), (0x15, 0, 3, prctl),
        (0x20, 0, 0, 16), (0x15, 0, 1, 22),  # its first argument: PR_SET_SECCOMP
        (0x06, 0, 0, 0x00050001),        # EPERM
        (0x06, 0, 0, 0x7fff0000)]        # allowed
program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *c) for c in code))
filter = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(code), ctypes.addressof(program)))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, filter, 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])
'''


@pytest.mark.parametrize("sandbox, good", [("enforce", False), ("off", True)])
def test_the_reader_of_the_keys_needs_its_filter(make_rig, sandbox, good):
    rig = make_rig(keeper={"sandbox": sandbox})
    done = subprocess.run([sys.executable, "-c", NO_FILTERS, program("cention-keeperd"), "-t", "-c",
                           str(rig.keeper_conf)], capture_output=True, text=True, timeout=30)
    assert done.returncode == (0 if good else 78), done
    assert ("system calls can't be confined" in done.stderr) is not good


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
def test_nobody_is_let_in_before(make_rig, tmp_path):
    """The first outside byte comes after the filter, in both."""
    rig = make_rig()
    traces = [tmp_path / "keeper", tmp_path / "proxy"]
    wrap = [["strace", "-f", "-qq", "-e", "trace=seccomp,accept4", "-o", str(t)] for t in traces]
    rig.keeper = Daemon(*wrap[0], program("cention-keeperd"), "-c", str(rig.keeper_conf))
    rig.keeper.traced = True
    rig.daemons.append(rig.keeper)
    rig.keeper.wait_line(r"event=listening address=unix:")
    rig.start_proxy(*wrap[1])
    rig.wait_ready()
    assert rig.call("POST", "/v1/org", {"name": "n"}).status == 200
    rig.stop()
    for trace in traces:
        lines = trace.read_text().splitlines()
        daemon = lines[-1].split()[0]  # the child that read the keys is another
        mine = [line for line in lines if line.split()[0] == daemon]
        enters = [n for n, line in enumerate(mine) if re.search(r"SET_MODE_FILTER.*\{.*= 0", line)]
        accepts = [n for n, line in enumerate(mine) if "accept4(" in line]
        assert enters and accepts and enters[0] < accepts[0], mine[:20]


def test_off(make_rig):
    rig = make_rig(proxy={"sandbox": "off"}, keeper={"sandbox": "off"}).start()
    for daemon in (rig.keeper, rig.proxy):
        assert daemon.wait_line(r"level=warning event=sandbox state=off")
        assert status(daemon.pid)["Seccomp"] == status(os.getpid())["Seccomp"]
    assert rig.call("POST", "/v1/org", {"name": "n"}).status == 200


def reload(daemon):
    """What it says of it: reloaded, or reload_refused and why."""
    skip = len(daemon.lines)
    daemon.signal(signal.SIGHUP)
    return daemon.wait_line(r"event=(reload_refused.*|reloaded.*)", skip=skip).group(1)


def test_a_reload_can_t_leave_the_port(make_rig, lookalike):
    rig = make_rig().start()
    if not confined(rig.proxy)[1]:
        pytest.skip("this kernel's Landlock doesn't confine ports")
    rig.merge({"upstream": {"url": "https://localhost:1"}})
    rig.write_conf()
    why = reload(rig.proxy)
    assert why.startswith("reload_refused") and "port 1 " in why and "restart" in why, why
    assert rig.call("POST", "/v1/org", {"name": "n"}).status == 200  # as before


def test_files_that_were_replaced_are_read(rig):
    """Editors and tools write a new file and rename it: the folder is what counts."""
    for daemon, file in ((rig.proxy, rig.proxy_conf), (rig.keeper, rig.keeper_conf),
                         (rig.keeper, rig.keys_file)):
        new = file.with_suffix(".new")
        shutil.copy2(file, new)
        new.rename(file)
        assert reload(daemon).startswith("reloaded"), daemon.log


def test_a_file_elsewhere_needs_a_restart(make_rig, tmp_path):
    rig = make_rig().start()
    if not confined(rig.proxy)[0]:
        pytest.skip("this kernel has no Landlock")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(API, elsewhere)
    rig.merge({"api": elsewhere / API.name})
    shutil.copy2(rig.keys_file, elsewhere)
    rig.keeper_settings["keys"] = elsewhere / rig.keys_file.name
    rig.write_conf()
    for daemon in (rig.proxy, rig.keeper):
        assert reload(daemon).startswith("reload_refused")
        daemon.wait_line(r"event=sandbox why=.*restart")
    rig.stop()
    rig.start()
    assert rig.call("POST", "/v1/org", {"name": "n"}).status == 200


# ---- two users

USERS = {"keeper": 64301, "proxy": 64302}
GROUP = 64300

TRIES = """
import ctypes, errno, json, os, signal, sys
keys, audit, pid = sys.argv[1], sys.argv[2], int(sys.argv[3])
libc = ctypes.CDLL(None, use_errno=True)
def attach():
    if libc.ptrace(16, pid, None, None) < 0:  # PTRACE_ATTACH
        raise OSError(ctypes.get_errno(), "")
    os.waitpid(pid, 0x40000000)
    libc.ptrace(17, pid, None, None)
tries = {"keys": lambda: open(keys).read(), "audit": lambda: os.listdir(audit),
         "segment": lambda: open(audit + "/audit-1.jsonl").read(),
         "memory": lambda: open("/proc/%d/mem" % pid, "rb").close(),
         "environment": lambda: open("/proc/%d/environ" % pid, "rb").read(),
         "descriptors": lambda: os.listdir("/proc/%d/fd" % pid),
         "ptrace": attach, "signal": lambda: os.kill(pid, 0)}
out = {}
for name, attempt in tries.items():
    try:
        attempt()
        out[name] = "done"
    except OSError as e:
        out[name] = errno.errorcode[e.errno]
print(json.dumps(out))
"""


@pytest.fixture
def apart(lookalike, authority):
    """The two daemons under two users, as their units start them."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("two users need root and setpriv")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="cention-apart-"))
    folder.chmod(0o755)
    places = {}
    for name, user, mode in (("etc", 0, 0o755), ("bin", 0, 0o755), ("audit", "keeper", 0o750),
                             ("keeper", "keeper", 0o750), ("proxy", "proxy", 0o750)):
        places[name] = folder / name
        places[name].mkdir()
        places[name].chmod(mode)
        os.chown(places[name], USERS.get(user, 0), GROUP)
    for each in ("cention-keeperd", "cention-proxyd"):
        shutil.copy2(program(each), places["bin"])
    for file in (API, authority.file):
        shutil.copy(file, places["etc"])
        (places["etc"] / pathlib.Path(file).name).chmod(0o644)
    sock = places["keeper"] / "keeper.sock"
    rig = Rig(folder, lookalike.url, places["etc"] / pathlib.Path(authority.file).name,
              keeper={"socket": sock, "socket_mode": "0660"},
              proxy={"keeper": sock, "api": places["etc"] / API.name,
                     "listen": [{"address": "127.0.0.1", "port": 0},
                                {"path": places["proxy"] / "http.sock"}]})
    os.chown(rig.keys_file, USERS["keeper"], GROUP)
    for role in ("keeper", "proxy"):
        daemon = Daemon(*as_user(role), str(places["bin"] / ("cention-%sd" % role)), "-c",
                        str(folder / ("%s.conf" % role)))
        setattr(rig, role, daemon)
        rig.daemons.append(daemon)
        daemon.wait_line(r"event=sandbox state=")
    rig.learn_ports(rig.proxy)
    rig.wait_ready()
    yield rig
    rig.stop()
    shutil.rmtree(folder)


def as_user(role):
    return ["setpriv", "--reuid", str(USERS[role]), "--regid", str(GROUP), "--clear-groups"]


def attempts(rig, *user):
    done = subprocess.run([*user, sys.executable, "-c", TRIES, str(rig.keys_file),
                           str(rig.audit_folder), str(rig.keeper.pid)],
                          capture_output=True, text=True, timeout=20, cwd="/")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_proxy_s_user_gets_nothing_of_the_keeper(apart):
    assert apart.call("POST", "/v1/org", {"name": "n"}).status == 200
    for role in USERS:
        of = status(getattr(apart, role).pid)
        assert of["Uid"].split()[0] == str(USERS[role]) and of["Seccomp"] == "2"
    root = attempts(apart)
    assert set(root.values()) == {"done"}, root  # the tries themselves work
    # The folder is open to the group in this test, as with LogsDirectoryMode=0750.
    group = attempts(apart, *as_user("proxy"))
    assert [k for k, v in group.items() if v == "done"] in ([], ["audit", "segment"]), group
    apart.audit_folder.chmod(0o700)
    got = attempts(apart, *as_user("proxy"))
    print("\nas the proxy's user: " + ", ".join("%s: %s" % pair for pair in got.items()))
    assert set(got.values()) <= {"EACCES", "EPERM"}, got


def test_not_even_its_own_user_can_look_into_the_keeper(apart):
    """Not dumpable: the keeper's memory is closed to other processes of its user, too."""
    got = attempts(apart, *as_user("keeper"))
    assert (got["keys"], got["signal"]) == ("done", "done")  # those are its user's
    assert {got[k] for k in ("memory", "environment", "descriptors", "ptrace")} <= \
        {"EACCES", "EPERM"}, got


def test_clean_up(apart):
    """Confined, each still removes its own socket."""
    socks = [apart.folder / "keeper" / "keeper.sock", apart.folder / "proxy" / "http.sock"]
    assert all(s.exists() for s in socks)
    apart.stop()
    assert not any(s.exists() for s in socks)


def test_a_reload_looks_up_users(rig):
    """Names in a policy that the keeper didn't know at its start."""
    name = pwd.getpwuid(os.getuid()).pw_name
    rig.keeper_settings.update(clients=[{"name": "me", "user": name},
                                        {"name": "other", "group": "daemon"}],
                               rules=[{"client": "me"}])
    rig.write_conf()
    assert reload(rig.keeper).startswith("reloaded"), rig.keeper.log
    assert rig.call("POST", "/v1/org", {"name": "n"}).status == 200
    assert rig.records("intent")[-1]["client"]["name"] == "me"


def test_a_reload_raises_the_limit_of_descriptors(make_rig):
    rig = make_rig(proxy={"limits": {"connections": 16}})
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard < 8000:
        pytest.skip("the hard limit of descriptors is %d" % hard)
    rig.start()
    pid = rig.proxy.pid
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (256, hard))
    rig.merge({"limits": {"connections": 4000}})
    rig.write_conf()
    assert reload(rig.proxy).startswith("reloaded")
    assert resource.prlimit(pid, resource.RLIMIT_NOFILE)[0] >= 4000
    assert "connections_limited" not in rig.proxy.log
