"""What a centre's credentials may be sent to: to nobody but the server that the URL names. An attacker
who answers in its place, on another machine, is a server in a network namespace with an address that
is not loopback."""
import json
import os
import subprocess
import sys

import pytest

from lookalike import Authority
from rig import program, settings

PASSWORD = "a-secret-of-the-centre"
ELSEWHERE = "192.0.2.7"

# Listens at ELSEWHERE, runs the command, and prints what came to the server as JSON.
ATTACKER = r'''
import fcntl, json, socket, ssl, struct, subprocess, sys, threading
how, seconds, certificate, key, *command = sys.argv[1:]
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for name, address in (("lo", "127.0.0.1"), ("lo:1", "%s")):
    there = struct.pack("16sH2x4s8x", name.encode(), socket.AF_INET, socket.inet_aton(address))
    fcntl.ioctl(s, 0x8916, there)                             # SIOCSIFADDR
    fcntl.ioctl(s, 0x8914, struct.pack("16sH14x", name.encode(), 0x41))  # up
server = socket.create_server(("%s", 5432))
seen = []

def serve():
    while True:
        c, _ = server.accept()
        c.settimeout(10)
        try:
            got = c.recv(8)
            if len(got) == 8 and struct.unpack("!I", got[4:])[0] == 80877103:
                seen.append("SSLRequest")
                c.sendall(b"S" if certificate != "none" else b"N")
                if certificate != "none":
                    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                    context.load_cert_chain(certificate, key)
                    c = context.wrap_socket(c, server_side=True)
                    seen.append("handshake")
                got = c.recv(8)
            if not got:
                continue
            seen.append("startup")
            c.recv(4096)
            c.sendall({"clear": b"R\0\0\0\x08\0\0\0\x03", "md5": b"R\0\0\0\x0c\0\0\0\x05abcd",
                       "trust": b"R\0\0\0\x08\0\0\0\0"}[how])
            seen.append("answer: " + c.recv(4096).decode("latin-1"))
        except OSError as e:
            seen.append("failed")
        finally:
            c.close()

threading.Thread(target=serve, daemon=True).start()
try:
    done = subprocess.run(command, capture_output=True, timeout=float(seconds))
    out = (done.stdout + done.stderr).decode()
    code = done.returncode
except subprocess.TimeoutExpired as e:
    out, code = ((e.stdout or b"") + (e.stderr or b"")).decode(), None
print(json.dumps({"seen": seen, "out": out, "code": code}))
''' % (ELSEWHERE, ELSEWHERE)


def attacked(*command, how="clear", certificate=("none", "none"), seconds=20, env=None):
    done = subprocess.run(["unshare", "-n", sys.executable, "-c", ATTACKER, how, str(seconds),
                           *map(str, certificate), *map(str, command)],
                          capture_output=True, text=True, timeout=60,
                          env={**os.environ, **(env or {})})
    if done.returncode != 0 and ("unshare" in done.stderr or "Operation not permitted" in done.stderr):
        pytest.skip("a network namespace is not permitted here")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert PASSWORD not in json.dumps(told)
    return told


def read(url, **kwargs):
    return attacked(program("cention-proxyctl"), "audit", "head", "--from", url, **kwargs)


@pytest.fixture
def ca(tmp_path):
    """The authority that the client trusts, and a certificate of it for db.example."""
    authority = Authority(tmp_path / "ca")
    return authority, authority.issue("db", ("DNS:db.example", "IP:" + ELSEWHERE))


@pytest.mark.parametrize("how", ["clear", "md5", "trust"])
@pytest.mark.parametrize("words", ["", "?sslmode=verify-full"])
def test_a_reader_whose_server_has_no_tls(how, words, ca):
    url = "postgresql://eve:%s@%s/audit%s" % (PASSWORD, ELSEWHERE, words)
    for env in ({}, {"PGSSLMODE": "disable"}, {"PGGSSENCMODE": "disable", "PGSSLMODE": "prefer"}):
        told = read(url, how=how, env={**env, "PGSSLROOTCERT": str(ca[0].file)})
        assert set(told["seen"]) == {"SSLRequest"} and told["code"] == 1, told
        assert "SSL" in told["out"]


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer", "require", "verify-ca"])
def test_weaker_modes_are_refused(mode, tmp_path):
    url = "postgresql://eve:%s@%s/audit?sslmode=%s" % (PASSWORD, ELSEWHERE, mode)
    told = read(url)
    assert told["seen"] == [] and told["code"] == 1 and "sslmode=%s" % mode in told["out"], told
    done = check(tmp_path, {"type": "postgresql", "url": url.replace(":" + PASSWORD, "")})
    assert done.returncode == 78 and "sslmode=%s" % mode in done.stderr, done
    assert "verify-full" in done.stderr


def test_a_certificate_that_is_not_trusted(ca, tmp_path):
    other = Authority(tmp_path / "other")
    told = read("postgresql://eve:%s@%s/audit?sslrootcert=%s" % (PASSWORD, ELSEWHERE, other.file),
                certificate=ca[1])
    assert "startup" not in told["seen"] and "certificate verify failed" in told["out"], told
    told = read("postgresql://eve:%s@other.example/audit?hostaddr=%s&sslrootcert=%s" % (
        PASSWORD, ELSEWHERE, ca[0].file), certificate=ca[1])
    assert "startup" not in told["seen"] and "does not match host name" in told["out"], told


@pytest.mark.parametrize("how", ["clear", "md5", "trust"])
def test_nothing_but_scram(ca, how):
    """The server that the URL names may not ask for the password itself, nor for its MD5."""
    told = read("postgresql://eve:%s@db.example/audit?hostaddr=%s&sslrootcert=%s" % (
        PASSWORD, ELSEWHERE, ca[0].file), how=how, certificate=ca[1])
    assert "handshake" in told["seen"] and told["code"] == 1, told
    answers = [s for s in told["seen"] if s.startswith("answer: ")]
    assert [a for a in answers if a not in ("answer: ", "answer: X\0\0\0\x04")] == [], told


def check(tmp_path, sink):
    audit, state = tmp_path / "audit", tmp_path / "state"
    audit.mkdir(mode=0o750, exist_ok=True)
    state.mkdir(exist_ok=True)
    conf = tmp_path / "ship.conf"
    conf.write_text(settings({"audit": audit, "state": state, "host": "here",
                              "admin": tmp_path / "admin.sock", "sinks": [{"name": "one", **sink}]}))
    conf.chmod(0o600)
    return subprocess.run([program("cention-shipd"), "-t", "-c", conf], capture_output=True,
                          text=True, timeout=30, check=False)


@pytest.mark.parametrize("url, good", [
    ("nats://user:%s@10.0.0.1:4222", False), ("nats://%s@n1.example.com", False),
    ("tls://n1.example.com,nats://u:%s@n2.example.com", False), ("nats://u:%s@[2001:db8::1]", False),
    ("nats://n1.example.com", True), ("nats://u:%s@127.0.0.1:4222", True),
    ("nats://%s@localhost", True), ("tls://u:%s@n1.example.com:4222", True)])
def test_nats_without_tls(url, good, tmp_path):
    url = url.replace("%s", PASSWORD)
    done = check(tmp_path, {"type": "nats", "url": url})
    assert done.returncode == (0 if good else 78), done
    assert PASSWORD not in done.stderr + done.stdout
    if not good:
        assert "use tls://" in done.stderr
        told = read(url)
        assert told["code"] == 1 and "use tls://" in told["out"], told
