"""`cention-proxyctl probe` finds the upstream's form of signature, in at most four calls."""
import json
import os
import pty
import subprocess

import pytest

from lookalike import LookAlike
from rig import KEYS, program

BODY = {"name": "n", "bright_settings": {"active": True, "language_code": "SE"}}
FORMS = [("scheme", "flatten"), ("scheme", "json"), ("literal", "flatten"), ("literal", "json")]


@pytest.fixture
def body(tmp_path):
    path = tmp_path / "body.json"
    path.write_text(json.dumps(BODY))
    return str(path)


def probe(rig, *args, stdin=None):
    command = [program("cention-proxyctl"), "probe"]
    if rig is not None:
        command += ["--admin", "127.0.0.1:%d" % rig.admin_port]
    done = subprocess.run(command + list(args), input=stdin or "", capture_output=True, text=True,
                          timeout=60)
    return done.returncode, done.stdout, done.stderr


def make_object(server, rig):
    """An object that exists, made with whatever form the server wants."""
    server.api.call("POST", "televox", "/v1/org", json.dumps(BODY).encode())


@pytest.mark.parametrize("number, form", enumerate(FORMS))
def test_it_finds_each_form(certificate, make_rig, body, number, form):
    authorization, nested = form
    with LookAlike(KEYS, certificate, nested, authorization) as server:
        make_object(server, None)
        rig = make_rig(url=server.url).start()
        code, out, err = probe(rig, "--yes", "/v1/org/1", body)
        assert code == 0, out + err
        assert 'signature = { authorization = "%s"; nested = "%s"; };' % form in out
        assert len(server.requests) == number + 1 <= 4 and len(server.accepted) == 1
        assert all(r.method == "PUT" for r in server.requests)
        intents, outcomes = rig.records("intent"), rig.records("outcome")
        assert len(intents) == len(outcomes) == number + 1
        assert [i["id"].rsplit("-", 1)[0] for i in intents] == [
            "probe-%s-%s" % f for f in FORMS[:number + 1]]
        assert outcomes[-1]["status"] == 200
        # What it printed works.
        rig.proxy_settings["signature"] = {"authorization": authorization, "nested": nested}
        rig.write_conf()
        rig.proxy.signal(1)
        rig.proxy.wait_line("event=reloaded")
        assert rig.call("PUT", "/v1/org/1", BODY).status == 200


def test_dry_run_sends_nothing(rig, lookalike, body):
    code, out, _ = probe(rig, "--dry-run", "/s/televox/v1/org/1", body)
    assert code == 0 and lookalike.requests == [] and rig.records("intent") == []
    for form in FORMS:
        assert 'authorization = "%s", nested = "%s"' % form in out


def test_without_a_struct_two_calls_are_enough(certificate, make_rig, tmp_path):
    plain = tmp_path / "plain.json"
    plain.write_text('{"name": "n"}')
    with LookAlike(KEYS, certificate, "json", "literal") as server:
        make_object(server, None)
        rig = make_rig(url=server.url).start()
        code, out, _ = probe(rig, "--yes", "/v1/org/1", str(plain))
        assert code == 0 and len(server.requests) == 2 and "not known yet" in out


def test_none_is_accepted(certificate, make_rig, body):
    keys = [{**k, "secret": "another"} for k in KEYS]
    with LookAlike(keys, certificate) as server:
        rig = make_rig(url=server.url).start()
        code, out, err = probe(rig, "--yes", "/v1/org/1", body)
        assert code == 1 and len(server.requests) == 4 and "no combination" in err
        assert len(rig.records("outcome")) == 4


def test_an_answer_of_the_daemon_ends_it(rig, lookalike, tmp_path, body):
    wrong = tmp_path / "wrong.json"
    wrong.write_text('{"name": 7}')
    code, out, err = probe(rig, "--yes", "/v1/org/1", str(wrong))
    assert code == 1 and "422: name:" in out and "says nothing about the signature" in err
    assert len(rig.records("reject")) == 1
    code, out, err = probe(rig, "--yes", "/v1/nothing/1", body)
    assert code == 1 and "404" in out and lookalike.requests == []
    assert len(rig.records("reject")) == 2


def test_a_broken_upstream_ends_it(rig, lookalike, body):
    lookalike.order(answer=b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n")
    code, _, err = probe(rig, "--yes", "/v1/org/1", body)
    assert code == 1 and len(lookalike.requests) == 1 and "stopped here" in err


def test_only_updates(rig, lookalike):
    for method, status in (("POST", 405), ("DELETE", 405)):
        assert rig.admin("/probe/scheme/json/v1/org/1", method).status == status
    for path in ("/probe/scheme/json", "/probe/scheme/xml/v1/org/1", "/probe/x/json/v1/org/1"):
        assert rig.admin(path).status == 404
    assert rig.call("PUT", "/probe/scheme/json/v1/org/1", BODY).status == 404  # not on the API port
    assert lookalike.requests == []


def test_it_asks(rig, lookalike, body):
    code, _, err = probe(rig, "/v1/org/1", body)
    assert code == 2 and "--yes" in err and lookalike.requests == []
    lookalike.api.call("POST", "televox", "/v1/org", json.dumps(BODY).encode())
    for answer, sent in (("no\n", 0), ("yes\n", 1)):
        master, slave = pty.openpty()
        process = subprocess.Popen([program("cention-proxyctl"), "probe", "--admin",
                                    "127.0.0.1:%d" % rig.admin_port, "/v1/org/1", body],
                                   stdin=slave, stdout=subprocess.PIPE)
        os.write(master, answer.encode())
        process.communicate(timeout=30)
        os.close(master)
        os.close(slave)
        assert len(lookalike.requests) == sent and (process.returncode == 0) == bool(sent)


def test_places_and_usage(rig, tmp_path, body):
    code, _, err = probe(None, "-c", str(rig.proxy_conf), "--yes", "/v1/org/1", body)
    assert code == 78 and "fixed port" in err  # the test's admin port is 0
    assert probe(None, "-c", str(tmp_path / "none"), "--yes", "/v1/org/1", body)[0] == 78
    assert probe(None, "--admin", "nowhere", "--yes", "/v1/org/1", body)[0] == 2
    assert probe(None, "--admin", "127.0.0.1:1", "--yes", "/v1/org/1", body)[0] == 1
    assert probe(None, "--admin", str(tmp_path / "sock"), "--yes", "/v1/org/1", body)[0] == 1
    assert probe(rig, "--yes", "/v1/org/1?x=1", body)[0] == 2
    assert probe(rig, "--yes", "/v1/org/1")[0] == 2
    assert probe(rig, "/v1/org/1", "-", stdin="{}")[0] == 2
    assert probe(rig, "--yes", "/v1/org/1", "-", stdin="{")[0] == 1
    assert probe(None, "--help")[0] == 0
    admin = tmp_path / "admin.sock"
    conf = rig.proxy_conf.read_text()
    other = tmp_path / "proxy.conf"
    other.write_text("admin = { path = \"%s\"; };" % admin)
    assert "api" in conf and probe(None, "-c", str(other), "--yes", "/v1/org/1", body)[0] == 1
