"""Which hosts are served, and what is refused because a browser sends it for a page.

test_browser.py has the same with a real browser.
"""
import http.client
import signal
import subprocess

import pytest

from rig import head, program, read_answer, until

BODY = b'{"name":"n"}'


def one(sock):
    return read_answer(sock.makefile("rb"))


def forbidden(answer, text):
    assert (answer.status, answer.json["code"]) == (403, "forbidden"), answer.body
    assert answer.json["outcome"] == "not-sent" and text in answer.json["error"], answer.body
    assert answer.field("x-content-type-options") == "nosniff"
    assert answer.field("cross-origin-resource-policy") == "same-origin"
    assert answer.field("cache-control") == "no-store"
    assert not [k for k, _ in answer.fields if k.lower().startswith("access-control-")]


MARKS = {
    "Origin": "Origin: http://evil.example",
    "Origin null": "Origin: null",
    "own Origin": "Origin: http://127.0.0.1",
    "Referer": "Referer: http://evil.example/x",
    "Sec-Fetch-Site": "Sec-Fetch-Site: same-origin",
    "preflight": "Access-Control-Request-Method: POST",
    "WebSocket": "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
}


@pytest.mark.parametrize("name", sorted(MARKS))
def test_pages_are_refused_and_recorded(rig, lookalike, name):
    field = MARKS[name].split(":")[0]
    with rig.raw(head("POST", "/v1/org", BODY, extra=[MARKS[name]])) as sock:
        stream = sock.makefile("rb")
        answer = read_answer(stream)
        forbidden(answer, field)
        assert answer.field("connection") == "close" and stream.read() == b""
    record, = rig.records("reject")
    assert (record["status"], record["path"], record["code"]) == (403, "/v1/org", "forbidden")
    assert record["error"] == answer.json["error"]
    assert record["id"] == answer.field("x-request-id")
    assert lookalike.connections == 0
    # The administrator's entrance is no easier.
    connection = http.client.HTTPConnection("127.0.0.1", rig.admin_port, timeout=10)
    key, value = MARKS[name].split(": ")
    for path in ("/metrics", "/healthz", "/probe/scheme/flatten/v1/org/1"):
        connection.request("GET", path, headers={key: value})
        response = connection.getresponse()
        assert (response.status, b"cention_" in response.read()) == (403, False)
    connection.close()
    assert len(rig.records("reject")) == 4


def test_refused_before_the_body(rig):
    """The body is neither asked for nor waited for, whatever its size."""
    for length in (10, 10 ** 9):
        with rig.raw(b"POST /v1/org HTTP/1.1\r\nHost: rebind.example\r\nExpect: 100-continue\r\n"
                     b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % length) as s:
            forbidden(one(s), "rebind.example")


def test_options_gets_no_cors(rig):
    with rig.raw(head("OPTIONS", "/v1/org")) as sock:
        answer = one(sock)
    assert answer.status == 405 and answer.field("allow") == "POST"
    assert not [k for k, _ in answer.fields if k.lower().startswith("access-control-")]


@pytest.mark.parametrize("to", ["websocket", "h2c"])
def test_an_upgrade_is_not_followed(rig, lookalike, to):
    with rig.raw(head("POST", "/v1/org", BODY,
                      extra=["Connection: Upgrade, HTTP2-Settings", "Upgrade: " + to,
                             "HTTP2-Settings: AAMAAABkAAQAAP__"])) as sock:
        assert one(sock).status == 200
    assert "upgrade" not in [k.lower() for k, _ in lookalike.requests[0].fields]


def test_hosts(rig):
    own = rig.port
    served = ["localhost", "LOCALHOST:%d" % own, "127.0.0.1:%d" % own, "[::1]:%d" % own]
    others = ["rebind.example", "rebind.example:%d" % own, "localhost.", "localhost.:%d" % own,
              "localhost:%d" % (own ^ 1), "127.0.0.2:%d" % own, "0.0.0.0:%d" % own, "[::]",
              "localhost.rebind.example", "127.0.0.1.rebind.example:%d" % own]
    for host in served:
        with rig.raw(head("POST", "/v1/org", BODY, host=host)) as sock:
            assert one(sock).status == 200, host
    for host in others:
        with rig.raw(head("POST", "/v1/org", BODY, host=host)) as sock:
            answer = one(sock)
            forbidden(answer, '"%s"' % host)
            assert "`hosts`" in answer.json["error"]
    assert [r["error"].split('"')[1] for r in rig.records("reject")] == others


def test_unix_sockets(rig):
    connection = rig.unix()
    for host, status in (("localhost", 200), ("127.0.0.1", 200), ("docker", 403),
                         ("localhost:80", 403)):
        assert rig.call("POST", "/v1/org", BODY, {"Host": host}, connection).status == status, host
    connection.close()


def test_configured_hosts_and_a_reload(make_rig):
    rig = make_rig(proxy={"hosts": ["127.0.0.1", "proxy", "outside.example:9000"]}).start()
    for host, status in (("proxy", 200), ("proxy:%d" % rig.port, 200), ("localhost", 403),
                         ("outside.example:9000", 200), ("outside.example", 403)):
        assert rig.call("POST", "/v1/org", BODY, {"Host": host}).status == status, host
    # A monitor that calls by another name.
    connection = http.client.HTTPConnection("127.0.0.1", rig.admin_port, timeout=10)
    for host, status in (("proxy:%d" % rig.admin_port, 200), ("monitor", 403)):
        connection.request("GET", "/metrics", headers={"Host": host})
        response = connection.getresponse()
        assert (response.status, response.read() != b"") == (status, True)
    connection.close()
    held = rig.connection()
    assert rig.call("POST", "/v1/org", BODY, {"Host": "proxy"}, held).status == 200
    rig.proxy_settings["hosts"] = ["127.0.0.1", "monitor"]
    rig.write_conf()
    rig.proxy.signal(signal.SIGHUP)
    rig.proxy.wait_line("event=reloaded")
    assert rig.call("POST", "/v1/org", BODY, {"Host": "proxy"}, held).status == 403
    assert rig.call("POST", "/v1/org", BODY, {"Host": "monitor"}).status == 200
    held.close()


def test_a_listener_s_own_address_is_served(make_rig):
    rig = make_rig(proxy={"listen": [{"address": "127.0.0.1", "port": 0},
                                     {"address": "127.0.0.3", "port": 0}]}).start()
    port = int(rig.proxy.wait_line(r"address=127\.0\.0\.3:(\d+)").group(1))
    connection = http.client.HTTPConnection("127.0.0.3", port, timeout=10)
    assert rig.call("POST", "/v1/org", BODY, connection=connection).status == 200
    connection.close()


@pytest.mark.parametrize("value, words", [
    ("7", ["hosts", "a string, or a list of strings"]),
    ("( 1 )", ["hosts", "element 1"]),
    ('( "localhost", "a." )', ["hosts", '"a."', "no host"]),
    ('( "http://a" )', ["hosts", "no host"]),
    ('( "a:0" )', ["hosts", "no host"]),
    ("( %s )" % ", ".join(['"a"'] * 33), ["hosts", "more than 32"]),
])
def test_bad_settings(make_rig, value, words):
    rig = make_rig()
    rig.proxy_conf.write_text(rig.proxy_conf.read_text() + "hosts = %s;\n" % value)
    done = subprocess.run([program("cention-proxyd"), "-t", "-c", str(rig.proxy_conf)],
                          capture_output=True, text=True, timeout=20)
    line = rig.proxy_conf.read_text().count("\n")
    assert done.returncode == 78 and "%s:%d: " % (rig.proxy_conf, line) in done.stderr, done.stderr
    for word in words:
        assert word in done.stderr, done.stderr


def test_a_harmless_text(rig):
    """What a stranger sends goes into a log line and a record: cut, and printable."""
    value = "http://\xff\x80\"\\\t" + "x" * 2000
    with rig.raw(head("POST", "/v1/org", BODY, extra=["Origin: " + value])) as sock:
        answer = one(sock)
    assert 'Origin "http://?????xxx' in answer.json["error"] and len(answer.json["error"]) < 250
    record = until(lambda: rig.records("reject"))[0]
    assert record["error"] == answer.json["error"]
