"""Clients from other machines: TLS with certificates of theirs, or nothing."""
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import ssl
import subprocess
import sys

import pytest

from lookalike import Authority
from rig import Answer, Daemon, program, until

BODY = json.dumps({"name": "n"}).encode()
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A CA of the site's clients."""
    return Authority(tmp_path_factory.mktemp("site"), "Site CA")


def listener(authority, site, **changes):
    certificate, key = authority.issue("daemon", ("DNS:localhost", "IP:127.0.0.1"))
    key.chmod(0o600)
    entry = {"address": "127.0.0.1", "port": 0, "certificate": certificate, "key": key,
             "client_ca": site.file}
    entry.update(changes)
    return {k: v for k, v in entry.items() if v is not None}


@pytest.fixture
def tls_rig(make_rig, authority, site):
    rig = make_rig(proxy={"listen": [listener(authority, site)],
                          "limits": {"header_timeout": 1.0}})
    return rig.start()


def context(authority, pair=None, **more):
    c = ssl.create_default_context(cafile=str(authority.file))
    if pair:
        c.load_cert_chain(*map(str, pair))
    for name, value in more.items():
        setattr(c, name, value)
    return c


def connect(rig, tls):
    return http.client.HTTPSConnection("localhost", rig.port, context=tls, timeout=10)


def post(connection, body=BODY):
    connection.request("POST", "/v1/org", body, JSON)
    answer = connection.getresponse()
    answer = Answer(answer.status, answer.getheaders(), answer.read())
    return answer.status, answer.body


def test_a_client_with_a_certificate(tls_rig, authority, site, lookalike):
    connection = connect(tls_rig, context(authority, site.issue("crm", ["DNS:crm.example.com"])))
    for _ in range(3):  # kept alive
        assert post(connection)[0] == 200
    intent = tls_rig.records("intent")[-1]
    assert intent["client"]["certificate"] == "crm.example.com"
    assert intent["client"]["via"] == "tls"
    # A name of a subject alone does, too.
    connection = connect(tls_rig, context(authority, site.issue("only-cn", ["IP:127.0.0.1"])))
    assert post(connection)[0] == 200
    assert tls_rig.records("intent")[-1]["client"]["certificate"] == "only-cn"
    assert len(lookalike.requests) == 4


def test_who_has_none_gets_nothing(tls_rig, authority, site, lookalike, tmp_path):
    stranger = Authority(tmp_path / "stranger", "Another CA")
    pairs = [None, stranger.issue("crm", ["DNS:crm.example.com"]),
             site.issue("late", ["DNS:late.example.com"], days=-1),
             site.issue("od d", ["DNS:with space"]),
             authority.issue("web", ["DNS:localhost"])]
    for pair in pairs:
        with pytest.raises((OSError, http.client.HTTPException)):
            post(connect(tls_rig, context(authority, pair)))
    until(lambda: tls_rig.proxy.log.count("event=tls_refused") >= len(pairs))
    # Plain HTTP, another protocol, and an old version of TLS.
    with socket.create_connection(("127.0.0.1", tls_rig.port)) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        try:
            assert not plain.recv(100).startswith(b"HTTP")
        except ConnectionResetError:
            pass
    good = context(authority, site.issue("crm", ["DNS:crm.example.com"]))
    good.set_alpn_protocols(["h2"])
    with pytest.raises(OSError):
        post(connect(tls_rig, good))
    assert not lookalike.requests and not tls_rig.records("intent")


def test_a_slow_handshake(tls_rig):
    """Nobody holds a connection without showing a certificate."""
    with socket.create_connection(("127.0.0.1", tls_rig.port)) as sock:
        sock.settimeout(10)
        sock.sendall(b"\x16\x03\x01")
        assert sock.recv(1) == b""


def test_bodies_through_tls(tls_rig, authority, site, lookalike):
    """Large, in pieces, pipelined, with a half-close: what TLS buffers is not forgotten."""
    tls = context(authority, site.issue("crm", ["DNS:crm.example.com"]))
    connection = connect(tls_rig, tls)
    large = json.dumps({"name": "x" * 900000}).encode()
    status, body = post(connection, large)
    assert (status, lookalike.requests[-1].body) == (200, large), body[:200]
    raw = (b"POST /v1/org HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
           b"Content-Length: %d\r\n\r\n%s" % (len(BODY), BODY))
    with tls.wrap_socket(socket.create_connection(("127.0.0.1", tls_rig.port)),
                         server_hostname="localhost") as sock:
        sock.settimeout(10)
        sock.sendall(raw * 20)
        data = b""
        while data.count(b"HTTP/1.1 200") < 20:
            more = sock.recv(65536)
            assert more, data[-300:]
            data += more
    with tls.wrap_socket(socket.create_connection(("127.0.0.1", tls_rig.port)),
                         server_hostname="localhost") as sock:
        sock.settimeout(10)
        for byte in raw:
            sock.sendall(bytes([byte]))
        assert sock.recv(65536).startswith(b"HTTP/1.1 200")
    with tls.wrap_socket(socket.create_connection(("127.0.0.1", tls_rig.port)),
                         server_hostname="localhost") as sock:
        sock.sendall(b"NONSENSE\r\n\r\n")
        assert sock.recv(65536).startswith(b"HTTP/1.1 400")
        assert sock.recv(65536) == b""


def check(rig):
    daemon = Daemon(program("cention-proxyd"), "-c", str(rig.proxy_conf), "-t")
    code = daemon.process.wait(10)
    daemon._reader.join(5)
    return code, daemon.log


def test_settings(make_rig, authority, site, tmp_path):
    loose = tmp_path / "loose.key"
    other = authority.issue("other", ["DNS:other"])[1]
    good = listener(authority, site)
    loose.write_bytes(pathlib.Path(good["key"]).read_bytes())
    loose.chmod(0o644)
    other.chmod(0o600)
    for changes, words in [
            ({"certificate": None, "key": None, "client_ca": None, "address": "0.0.0.0"},
             "address.*not a loopback address.*certificate"),
            ({"certificate": None, "key": None, "client_ca": None, "address": "::"}, "address"),
            ({"client_ca": None}, "client_ca.*missing"), ({"key": None}, "key.*missing"),
            ({"certificate": None}, "certificate.*missing"),
            ({"certificate": "/none.pem"}, "certificate: /none.pem"),
            ({"key": "/none.key"}, "key: /none.key"), ({"key": loose}, "chmod 0600"),
            ({"key": other}, "key: .*mismatch"),
            ({"client_ca": "/none.pem"}, "client_ca: /none.pem"),
            ({"address": None, "port": None, "path": tmp_path / "s"}, "Unix socket")]:
        rig = make_rig(proxy={"listen": [listener(authority, site, **changes)]})
        code, log = check(rig)
        assert code == 78 and re.search(words, log) and "proxy.conf" in log, (changes, log)
    rig = make_rig(proxy={"admin": good})
    code, log = check(rig)
    assert code == 78 and "admin" in log
    assert check(make_rig(proxy={"listen": [good]}))[0] == 0


def test_any_address_with_certificates(make_rig, authority, site, lookalike):
    rig = make_rig(proxy={"listen": [listener(authority, site, address="0.0.0.0")]})
    rig.start_keeper()
    rig.proxy = Daemon(program("cention-proxyd"), "-c", str(rig.proxy_conf))
    rig.daemons.append(rig.proxy)
    rig.port = int(rig.proxy.wait_line(r"listener=api address=0\.0\.0\.0:(\d+)").group(1))
    rig.proxy.wait_line("event=keeper_connected")
    tls = context(authority, site.issue("crm", ["DNS:crm.example.com"]))
    assert post(connect(rig, tls))[0] == 200
    with pytest.raises((OSError, http.client.HTTPException)):
        post(connect(rig, context(authority)))


def served(rig, authority, pair):
    tls = context(authority, pair)
    with tls.wrap_socket(socket.create_connection(("127.0.0.1", rig.port)),
                         server_hostname="localhost") as sock:
        return sock.getpeercert()["serialNumber"]


def test_certificates_are_renewed_by_a_reload(tls_rig, authority, site):
    pair = site.issue("crm", ["DNS:crm.example.com"])
    entry = tls_rig.proxy_settings["listen"][0]
    old = served(tls_rig, authority, pair)
    kept = connect(tls_rig, context(authority, pair))
    assert post(kept)[0] == 200
    certificate, key = authority.issue("daemon", ["DNS:localhost", "IP:127.0.0.1"])
    key.chmod(0o600)
    assert (certificate, key) == (entry["certificate"], entry["key"])
    tls_rig.proxy.signal(signal.SIGHUP)
    tls_rig.proxy.wait_line("event=reloaded")
    new = served(tls_rig, authority, pair)
    assert new != old
    assert post(kept)[0] == 200  # what was open stays
    certificate.write_text("nothing")
    tls_rig.proxy.signal(signal.SIGHUP)
    tls_rig.proxy.wait_line("event=reload_refused .*certificate")
    assert served(tls_rig, authority, pair) == new


def test_an_inherited_socket_is_no_way_around(make_rig):
    """A service manager's socket on all addresses would be served without TLS: refused."""
    rig = make_rig()
    rig.start_keeper()
    start = """
import os, socket, sys
s = socket.socket(); s.bind((sys.argv[1], 0)); s.listen()
os.dup2(s.fileno(), 20); os.dup2(20, 3, True); os.close(20)
os.environ["LISTEN_PID"] = str(os.getpid()); os.environ["LISTEN_FDS"] = "1"
os.execv(sys.argv[2], sys.argv[2:])
"""
    for address, good in [("0.0.0.0", False), ("127.0.0.1", True)]:
        result = subprocess.Popen([sys.executable, "-c", start, address,
                                   program("cention-proxyd"), "-c", str(rig.proxy_conf)],
                                  stderr=subprocess.PIPE, text=True, env=dict(os.environ))
        if good:
            assert any("event=started" in line for line in iter(result.stderr.readline, ""))
            result.terminate()
            assert result.wait(10) == 0
        else:
            assert "loopback" in result.communicate(timeout=10)[1] and result.returncode == 1
