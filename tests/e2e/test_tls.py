"""TLS to the upstream can't be talked out of verifying, and http:// never leaves the machine."""
import shutil
import socket
import ssl
import subprocess
import threading

import pytest

from lookalike import Authority, LookAlike
from rig import KEYS, Daemon, head, program, read_answer, until

BODY = {"name": "n"}


def unreachable(rig, server, *words):
    answer = rig.call("POST", "/v1/org", BODY)
    assert (answer.status, answer.json["code"]) == (502, "upstream_unreachable"), answer.body
    assert answer.json["outcome"] == "not-sent"
    for word in words:
        assert word in answer.json["error"], answer.json
    assert server.requests == [] and server.bytes_seen == 0


def test_wrong_name(make_rig, authority):
    with LookAlike(KEYS, authority.issue("wrong", ["DNS:api.cention.com"])) as server:
        unreachable(make_rig(url=server.url).start(), server, "hostname mismatch")


def test_names_are_told(make_rig, authority):
    with LookAlike(KEYS, authority.issue("names", ["DNS:api.cention.com", "IP:192.0.2.1"])) as server:
        unreachable(make_rig(url=server.url).start(), server, "hostname mismatch", "it is for "
                    "api.cention.com, 192.0.2.1")


def test_a_password_in_a_url_is_not_shown(make_rig):
    for setting in ("url", "proxy"):
        rig = make_rig()
        rig.merge({"upstream": {setting: "http://user:s3cret-of-the-proxy@127.0.0.1:3128"}})
        rig.write_conf()
        done = subprocess.run([program("cention-proxyd"), "-t", "-c", rig.proxy_conf],
                              capture_output=True, text=True, timeout=20)
        assert done.returncode == 78 and "user or a password" in done.stderr, done
        assert "s3cret" not in done.stderr


def test_wrong_address(make_rig, authority):
    with LookAlike(KEYS, authority.issue("address", ["IP:127.0.0.2"])) as server:
        url = "https://127.0.0.1:%d" % server.port
        unreachable(make_rig(url=url).start(), server, "IP address mismatch")


def test_address_in_the_certificate(make_rig, lookalike):
    rig = make_rig(url="https://127.0.0.1:%d" % lookalike.port).start()
    assert rig.call("POST", "/v1/org", BODY).status == 200


def test_untrusted(make_rig, lookalike, tmp_path):
    other = Authority(tmp_path / "other")
    unreachable(make_rig(ca_file=other.file).start(), lookalike, "certificate")


def test_the_system_s_store_does_not_know_it(make_rig, lookalike):
    unreachable(make_rig(ca_file="").start(), lookalike, "certificate")


def test_expired(make_rig, authority):
    with LookAlike(KEYS, authority.issue("expired", days=-1)) as server:
        unreachable(make_rig(url=server.url).start(), server, "expired")


def test_plain_server_on_the_tls_port(make_rig):
    with LookAlike(KEYS) as server:
        url = "https://localhost:%d" % server.port
        rig = make_rig(url=url, proxy={"upstream": {"connect_timeout": 1.0}}).start()
        answer = rig.call("POST", "/v1/org", BODY)
        assert answer.json["code"] == "upstream_unreachable"
        assert answer.json["outcome"] == "not-sent" and server.requests == []


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_old_tls(make_rig, certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def serve():
            try:
                context.wrap_socket(listener.accept()[0], server_side=True)
            except OSError:
                pass
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        rig = make_rig(url="https://localhost:%d" % listener.getsockname()[1]).start()
        answer = rig.call("POST", "/v1/org", BODY)
        assert answer.json["code"] == "upstream_unreachable"
        thread.join(5)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_sessions_are_resumed(make_rig, lookalike, version):
    lookalike._context.minimum_version = lookalike._context.maximum_version = version
    rig = make_rig().start()
    for number in range(1, 4):
        lookalike.order(close=True)
        assert rig.call("POST", "/v1/org", BODY).status == 200
        until(lambda: rig.metric("cention_upstream_open") == 0)
        assert lookalike.connections == number
    assert [r.resumed for r in lookalike.requests] == [False, True, True]
    assert rig.metric("cention_upstream_resumed_total") == 2


def test_server_name(make_rig, lookalike):
    names = []
    lookalike._context.sni_callback = lambda sock, name, context: names.append(name)
    assert make_rig().start().call("POST", "/v1/org", BODY).status == 200
    assert names == ["localhost"]


def test_plain_http_on_loopback(make_rig):
    with LookAlike(KEYS) as server:
        rig = make_rig(url="http://127.0.0.1:%d" % server.port).start()
        assert rig.call("POST", "/v1/org", BODY).status == 200
        assert len(server.accepted) == 1


def bad_config(rig, *words):
    daemon = Daemon(program("cention-proxyd"), "-c", str(rig.proxy_conf), "-t")
    assert daemon.process.wait(10) == 78
    daemon._reader.join(5)
    for word in words:
        assert word in daemon.log, daemon.log


@pytest.mark.parametrize("url", ["http://api.cention.com", "http://10.0.0.1", "ftp://x",
                                 "https://a/path", "https://user@a", "api.cention.com"])
def test_bad_urls(make_rig, url):
    bad_config(make_rig(url=url), "proxy.conf", "upstream")


@pytest.mark.parametrize("name", ["verify", "insecure", "tls"])
def test_nothing_turns_verification_off(make_rig, name):
    bad_config(make_rig(proxy={"upstream": {name: False}}), "upstream." + name, "unknown setting")


def test_bad_ca_files(make_rig, tmp_path):
    empty = tmp_path / "empty.pem"
    empty.touch()
    bad_config(make_rig(ca_file=empty), "empty.pem")
    bad_config(make_rig(ca_file=tmp_path / "none.pem"), "none.pem")


@pytest.fixture
def tinyproxy(tmp_path, lookalike):
    if not shutil.which("tinyproxy"):
        pytest.skip("tinyproxy is not installed")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    conf = tmp_path / "tinyproxy.conf"
    conf.write_text('Port %d\nListen 127.0.0.1\nTimeout 60\nMaxClients 20\nConnectPort %d\n'
                    'Allow 127.0.0.1\n' % (port, lookalike.port))
    process = subprocess.Popen(["tinyproxy", "-d", "-c", str(conf)], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)

    def up():
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        except OSError:
            return False
    until(up, what="tinyproxy")
    yield port
    process.terminate()
    process.wait(10)


def test_through_a_real_proxy(make_rig, lookalike, tinyproxy):
    rig = make_rig(proxy={"upstream": {"proxy": "http://127.0.0.1:%d" % tinyproxy}}).start()
    for _ in range(3):
        assert rig.call("POST", "/v1/org", BODY).status == 200
    assert len(lookalike.accepted) == 3 and lookalike.connections == 1


def test_a_proxy_that_refuses(make_rig, tinyproxy):
    rig = make_rig(url="https://localhost:9", proxy={
        "upstream": {"proxy": "http://127.0.0.1:%d" % tinyproxy}}).start()
    answer = rig.call("POST", "/v1/org", BODY)
    assert (answer.status, answer.json["code"]) == (502, "upstream_unreachable")
    assert "CONNECT" in answer.json["error"] and answer.json["outcome"] == "not-sent"


def test_the_name_is_asked_of_the_proxy_not_of_dns(make_rig):
    """With a proxy only the proxy's name is looked up here; CONNECT carries the upstream's."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        got = []

        def serve():
            with listener.accept()[0] as sock:
                data = b""
                while b"\r\n\r\n" not in data:
                    data += sock.recv(1000)
                got.append(data)
                sock.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
        thread = threading.Thread(target=serve)
        thread.start()
        port = listener.getsockname()[1]
        rig = make_rig(url="https://api.example.invalid", proxy={
            "upstream": {"proxy": "http://127.0.0.1:%d" % port}}).start()
        answer = rig.call("POST", "/v1/org", BODY)
        thread.join(10)
        assert "407" in answer.json["error"]
        assert got[0].startswith(b"CONNECT api.example.invalid:443 HTTP/1.1\r\n")
        assert b"authorization" not in got[0].lower()


def test_a_name_that_does_not_resolve(make_rig, lookalike):
    rig = make_rig(url="https://no-such-host.invalid",
                   proxy={"upstream": {"connect_timeout": 0.5}}).start()
    answer = rig.call("POST", "/v1/org", BODY)
    assert (answer.status, answer.json["code"]) == (502, "upstream_unreachable")
    assert answer.json["outcome"] == "not-sent"
    with rig.raw(head("GET", "/v1/org")) as sock:  # and nothing is blocked meanwhile
        assert read_answer(sock.makefile("rb")).status == 405
