"""Configuration: every error names the file, the line and the setting; reloads are all or nothing."""
import os
import signal
import socket
import subprocess

import pytest

from rig import KEYS, SECRET, Daemon, program, until

PROGRAMS = ["cention-keeperd", "cention-proxyd", "cention-proxyctl"]


def run(name, *args):
    done = subprocess.run([program(name), *args], capture_output=True, text=True, timeout=20)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("name", PROGRAMS)
def test_help_and_version(name):
    code, out, _ = run(name, "--help")
    assert code == 0 and name in out and "sage" in out
    code, out, _ = run(name, "--version")
    assert code == 0 and out.startswith(name + " ")


@pytest.mark.parametrize("name", PROGRAMS)
def test_usage_errors(name):
    code, out, err = run(name, "--no-such-option")
    assert code == 2 and err and not out


def test_the_shipped_samples_are_good(make_rig, tmp_path):
    """Only what must differ here is changed: places, not settings."""
    from rig import API, TOP
    rig = make_rig()
    text = (TOP / "conf" / "proxy.conf").read_text()
    text = text.replace('# api = "/usr/share/cention-proxy/cention-openapi.json"', 'api = "%s"' % API)
    rig.proxy_conf.write_text(text)
    assert run("cention-proxyd", "-t", "-c", str(rig.proxy_conf))[0] == 0
    text = (TOP / "conf" / "keeper.conf").read_text()
    text = text.replace("/var/log/cention-proxy", str(rig.audit_folder))
    text += 'keys = "%s";\n' % rig.keys_file  # in the sample the default stands as a comment
    rig.keeper_conf.write_text(text)
    code, _, err = run("cention-keeperd", "-t", "-c", str(rig.keeper_conf))
    assert code == 0, err


def refused(name, path, *words):
    code, _, err = run(name, "-t", "-c", str(path))
    assert code == 78, (code, err)
    for word in words:
        assert word in err, err


@pytest.mark.parametrize("text, words", [
    ("listne = 1;", [":1: listne: unknown setting"]),
    ('workspace = "a b";', [":1: workspace: "]),
    ("\n\nupstream = { ulr = 1; };", [":3: upstream.ulr: unknown setting"]),
    ("limits = {\n header_timeout = -1.0; };", [":2: limits.header_timeout: "]),
    ("limits = { body_bytes = 100000000; };", ["limits.body_bytes"]),
    ("limits = { connections = \"many\"; };", ["limits.connections"]),
    ('validation = "perhaps";', ["validation", '"enforce", "warn", "off"']),
    ('signature = { nested = "xml"; };', ["signature.nested"]),
    ('listen = ( { address = "0.0.0.0"; port = 80; } );', ["loopback"]),
    ('listen = ( { address = "10.1.2.3"; port = 80; } );', ["loopback"]),
    ('listen = ( { address = "localhost"; port = 80; } );', ["listen"]),
    ('listen = ( { address = "127.0.0.1"; } );', ["port"]),
    ('listen = ( { port = 80; } );', ["address"]),
    ('listen = ( { path = "/x"; port = 80; } );', ["port"]),
    ('listen = ( { path = "/x"; mode = "rw"; } );', ["mode"]),
    ('listen = { };', ["listen"]),
    ('admin = { address = "0.0.0.0"; port = 1; };', ["admin", "loopback"]),
    ('api = "/nowhere/api.json";', ["/nowhere/api.json"]),
    ("a = ;", [":1: "]),
    ('@include "other.conf"', ["@include"]),
    ('log_level = "loud";', ["log_level"]),
    ('sandbox = "on";', [":1: sandbox: ", '"enforce", "off"']),
])
def test_bad_proxy_conf(tmp_path, text, words):
    path = tmp_path / "p.conf"
    path.write_text(text + "\n")
    refused("cention-proxyd", path, "p.conf", *words)


def test_missing_files(tmp_path):
    refused("cention-proxyd", tmp_path / "none.conf", "none.conf")
    refused("cention-keeperd", tmp_path / "none.conf", "none.conf")


@pytest.mark.parametrize("change, words", [
    ({"scoket": "/x"}, [":", "scoket", "unknown setting"]),
    ({"audit": {"directory": "/nowhere"}}, ["/nowhere"]),
    ({"audit": {"directory": "/tmp", "durability": "none"}}, ["durability"]),
    ({"keys": "/nowhere/keys.conf"}, ["/nowhere/keys.conf"]),
    ({"socket_mode": "0666"}, ["socket_mode"]),
    ({"sandbox": "no"}, ["sandbox", '"enforce", "off"']),
])
def test_bad_keeper_conf(make_rig, change, words):
    rig = make_rig(keeper=change)
    refused("cention-keeperd", rig.keeper_conf, *words)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o602, 0o660])
def test_keys_that_others_can_read_or_write(make_rig, mode):
    rig = make_rig()
    rig.keys_file.chmod(mode)
    refused("cention-keeperd", rig.keeper_conf, "keys.conf")


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_keys_of_one_s_own(make_rig, mode):
    rig = make_rig()
    rig.keys_file.chmod(mode)
    assert run("cention-keeperd", "-t", "-c", str(rig.keeper_conf))[0] == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a file away needs root")
def test_keys_of_another_user(make_rig):
    rig = make_rig()
    os.chown(rig.keys_file, 65534, 65534)
    refused("cention-keeperd", rig.keeper_conf, "keys.conf")


@pytest.mark.parametrize("mode, good", [(0o700, True), (0o755, True), (0o775, False),
                                        (0o777, False), (0o1777, False)])
def test_keys_behind_a_symlink(make_rig, mode, good):
    """A link is as safe as the folder it leads into."""
    rig = make_rig()
    inside = rig.folder / "inside"
    inside.mkdir()
    rig.keys_file.rename(inside / "keys.conf")
    rig.keys_file.symlink_to(inside / "keys.conf")
    inside.chmod(mode)
    code, _, err = run("cention-keeperd", "-t", "-c", str(rig.keeper_conf))
    assert (code == 0) == good or (mode == 0o1777 and code == 0), err


@pytest.mark.parametrize("text", [
    'keys = ( { workspace = "a"; access_key_id = "b"; access_key_secret = ""; } );',
    'keys = ( { workspace = "a"; access_key_id = "b,c"; access_key_secret = "s"; } );',
    'keys = ( { workspace = "a:b"; access_key_id = "b"; access_key_secret = "s"; } );',
    'keys = ( { workspace = "a"; access_key_id = "b"; } );',
    'keys = ( { workspace = "a"; access_key_id = "b"; access_key_secret = "s"; x = 1; } );',
    'keys = ( { workspace = "a"; access_key_id = "b"; access_key_secret = "s"; },'
    ' { workspace = "a"; access_key_id = "c"; access_key_secret = "t"; } );',
    "keys = 1;", "nothing = 1;", "", "keys = ("])
def test_bad_keys(make_rig, text):
    rig = make_rig()
    rig.keys_file.write_text(text + "\n")
    refused("cention-keeperd", rig.keeper_conf, "keys.conf")
    assert SECRET not in run("cention-keeperd", "-t", "-c", str(rig.keeper_conf))[2]


def test_a_busy_port(make_rig):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        rig = make_rig(proxy={"listen": [{"address": "127.0.0.1", "port": port}]})
        daemon = Daemon(program("cention-proxyd"), "-c", str(rig.proxy_conf))
        assert daemon.process.wait(10) == 1
        daemon._reader.join(5)
        assert "127.0.0.1:%d" % port in daemon.log


def test_a_description_that_is_broken(make_rig, tmp_path):
    api = tmp_path / "api.json"
    api.write_text('{"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": 5}')
    rig = make_rig(proxy={"api": api})
    refused("cention-proxyd", rig.proxy_conf, "api.json", "/paths")


def test_new_keys_after_sighup(rig, lookalike):
    assert rig.call("POST", "/v1/org", {"name": "n"}).status == 200
    lookalike.keys[("fresh-id", "televox")] = "the-new-secret"
    rig.write_keys([{"id": "fresh-id", "secret": "the-new-secret", "workspace": "televox"}])
    rig.keeper.signal(signal.SIGHUP)
    until(lambda: rig.records("config"))
    assert rig.call("POST", "/v1/org", {"name": "n"}).status == 200
    assert [r["key"] for r in rig.records("intent")] == ["xyz", "fresh-id"]
    assert rig.call("POST", "/s/second/v1/org", {"name": "n"}).status == 403
    events = {(r["workspace"], r["event"]) for r in rig.records("key")}
    assert ("televox", "replaced") in events and ("second", "removed") in events


def test_bad_keys_after_sighup(rig, lookalike):
    rig.keys_file.write_text("keys = (")
    rig.keeper.signal(signal.SIGHUP)
    until(lambda: rig.records("config"))
    assert rig.records("config")[0]["result"] == "refused"
    until(lambda: "keys.conf" in rig.keeper.log)
    assert rig.call("POST", "/v1/org", {"name": "n"}).status == 200
    rig.write_keys(KEYS)
    rig.keeper.signal(signal.SIGHUP)
    until(lambda: len(rig.records("config")) == 2)
    assert rig.records("config")[1]["result"] == "applied"


def test_the_proxy_reloads(rig, lookalike):
    lookalike.order(delay=0.5)
    connection = rig.connection()
    connection.request("POST", "/v1/org", body=b'{"name":"n"}',
                       headers={"Content-Type": "application/json"})
    lookalike.wait_for(1)
    rig.merge({"limits": {"body_bytes": 20}, "workspace": "second"})
    rig.write_conf()
    rig.proxy.signal(signal.SIGHUP)
    rig.proxy.wait_line("event=reloaded")
    assert connection.getresponse().status == 200  # what was under way finishes
    assert rig.call("POST", "/v1/org", {"name": "n" * 20}).status == 413
    assert rig.call("POST", "/v1/org", {"name": "n"}).status == 200
    assert lookalike.accepted[-1].target == "/s/second/v1/org"
    connection.close()


def test_a_bad_file_keeps_the_old_settings(rig, lookalike):
    rig.proxy_conf.write_text("nonsense = 1;\n")
    rig.proxy.signal(signal.SIGHUP)
    line = rig.proxy.wait_line("event=reload_refused.*")
    assert "nonsense" in line.group(0)
    assert rig.call("POST", "/v1/org", {"name": "n"}).status == 200


def test_many_reloads_under_load(rig, lookalike):
    for _ in range(20):
        rig.proxy.signal(signal.SIGHUP)
        rig.keeper.signal(signal.SIGHUP)
        assert rig.call("POST", "/v1/org", {"name": "n"}).status == 200
    until(lambda: rig.proxy.log.count("event=reloaded") >= 1)
    assert len(lookalike.accepted) == 20


def test_mode_of_the_http_socket(make_rig):
    rig = make_rig()
    rig.proxy_settings["listen"][1]["mode"] = "0600"
    rig.write_conf()
    rig.start()
    assert os.stat(rig.http_socket).st_mode & 0o777 == 0o600
    rig.proxy.stop()
    assert not rig.http_socket.exists()
