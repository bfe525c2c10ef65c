"""Who made a request, and whether they may: clients, rules and limits of keeper.conf."""
import json
import os
import re
import signal
import subprocess
import sys

import pytest

import leaks

from rig import BUILD, Daemon, program, until

ME = os.getuid()
ROOT_ONLY = pytest.mark.skipif(ME != 0, reason="other users can be tried by root alone")

# Run as another user, in the rig's folder: makes the calls on the Unix socket.
CALLER = """
import http.client, json, socket, sys
for method, path, body, headers in json.load(sys.stdin):
    c = http.client.HTTPConnection("localhost", timeout=20)
    c.sock = socket.socket(socket.AF_UNIX)
    c.sock.settimeout(20)
    c.sock.connect("http.sock")
    data = None
    if body is not None:
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        headers = dict(headers, **{"Content-Type": "application/json"})
    c.request(method, path, body=data, headers=headers)
    r = c.getresponse()
    print(json.dumps([r.status, dict(r.getheaders()), r.read().decode()]))
    c.close()
"""


class Got:
    def __init__(self, status, fields, body):
        self.status, self.fields, self.body = status, fields, body
        leaks.note_answer(fields, body.encode())

    @property
    def json(self):
        return json.loads(self.body)


def calls(rig, uid, *wanted):
    """Makes calls (method, path, body, headers) as the uid; a list of their answers."""
    rig.folder.chmod(0o711)
    os.chmod(rig.http_socket, 0o666)
    who = {} if uid == ME else {"user": uid, "group": 65534, "extra_groups": []}
    made = [(w + (None, {}))[:4] if len(w) == 2 else (w + ({},))[:4] for w in wanted]
    done = subprocess.run(["/usr/bin/python3", "-I", "-c", CALLER], input=json.dumps(made),
                          capture_output=True, text=True, cwd=rig.folder, timeout=60, **who)
    assert done.returncode == 0, done.stderr
    return [Got(*json.loads(line)) for line in done.stdout.splitlines()]


def call(rig, uid, *wanted):
    return calls(rig, uid, wanted)[0]


def ctl(*arguments, code=0):
    done = subprocess.run([program("cention-proxyctl"), *map(str, arguments)], capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return done.stdout


def check(rig, code=0):
    done = subprocess.run([program("cention-keeperd"), "-t", "-c", str(rig.keeper_conf)],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done.stderr
    return done.stderr


def with_policy(make_rig, clients, rules=None, **kwargs):
    keeper = {"clients": clients}
    if rules:
        keeper["rules"] = rules
    return make_rig(keeper=keeper, **kwargs)


ORG = {"name": "Support"}


@pytest.fixture(autouse=True)
def objects(lookalike):
    """What the tests update is there."""
    for resource in ("org", "area"):
        for workspace in ("televox", "second"):
            for number in range(20):
                lookalike.api._objects[resource, workspace, number] = {"id": number}


# -- the order of decisions

def test_no_policy_is_said_and_allows(rig):
    assert rig.keeper.log.count("event=no_policy") == 1
    assert "whatever reaches the proxy is signed" in rig.keeper.log
    assert call(rig, ME, "PUT", "/v1/org/1", ORG).status == 200
    assert rig.call("PUT", "/v1/org/1", ORG).status == 200
    assert all("name" not in r["client"] for r in rig.records("intent"))


def test_values_of_four_types(make_rig, lookalike):
    """They are signed alike, and only the one that the rule has is allowed."""
    values = {"number": 1, "string": "1", "array": [1], "object": {"x": 1}}
    wanted = {"number": 1, "string": "1", "array": {"type": "array", "value": "1"},
              "object": {"type": "object", "value": "1"}}
    rules = [{"client": "me", "paths": ["/v1/org/%d" % i],
              "fields": [{"field": "name", "values": [wanted[kind]]}]}
             for i, kind in enumerate(values)]
    rig = with_policy(make_rig, [{"name": "me", "uid": ME}], rules,
                      proxy={"validation": "off"}).start()
    for i, rule in enumerate(values):
        for kind, value in values.items():
            answer = call(rig, ME, "PUT", "/v1/org/%d" % i, {"name": value})
            assert (answer.status == 403) is (kind != rule), (rule, kind, answer.body)
            if kind != rule:
                assert "with this value of the field name" in answer.json["error"]
    assert [r["fields"] for r in rig.records("intent")] == [{"name": "1"}] * 4


def test_null_and_booleans(make_rig):
    rules = [{"client": "me", "fields": [{"field": "name", "values": [
        True, {"type": "null", "value": "null"}]}]}]
    rig = with_policy(make_rig, [{"name": "me", "uid": ME}], rules, proxy={"validation": "off"}).start()
    for value, status in ((True, 200), (None, 200), ("true", 403), ("null", 403), (False, 403), ([], 403)):
        assert (call(rig, ME, "PUT", "/v1/org/1", {"name": value}).status == 403) is (status == 403), value


def test_a_closed_list_of_fields(make_rig, lookalike):
    rules = [{"client": "me", "methods": ["PUT"], "other_fields": False,
              "fields": [{"field": "name"}, {"field": "time_zone", "values": ["CET"]}]}]
    rig = with_policy(make_rig, [{"name": "me", "uid": ME}], rules).start()
    assert call(rig, ME, "PUT", "/v1/org/1", {"name": "a"}).status == 200
    assert call(rig, ME, "PUT", "/v1/org/1", {"name": "a", "time_zone": "CET"}).status == 200
    answer = call(rig, ME, "PUT", "/v1/org/1", {"name": "a", "active": True})
    assert answer.status == 403 and answer.json["error"].endswith(" with the field active")
    assert call(rig, ME, "PUT", "/v1/org/1", {"name": "a", "time_zone": "EET"}).status == 403
    ask = ("policy", "test", "-c", rig.keeper_conf, "--client", "me", "-w", "televox")
    assert "is none of its fields" in ctl(*ask, "--field", "active=true", "PUT", "/v1/org/1", code=1)
    assert "allowed" in ctl(*ask, "--field", "name=a", "PUT", "/v1/org/1")
    assert "has none of its values" in ctl(*ask, "--field", "time_zone=1", "PUT", "/v1/org/1", code=1)


@pytest.mark.parametrize("validation", ["enforce", "off"])
def test_a_put_without_fields_is_a_delete_too(make_rig, lookalike, validation):
    rules = [{"client": "me", "methods": ["PUT"]},
             {"client": "me", "methods": ["DELETE"], "paths": ["/v1/org/2"]}]
    rig = with_policy(make_rig, [{"name": "me", "uid": ME}], rules,
                      proxy={"validation": validation}).start()
    answer = call(rig, ME, "PUT", "/v1/org/1", {})
    assert (answer.status, answer.json["code"]) == (403, "forbidden")
    assert "the signature would be that of a DELETE, too" in answer.json["error"]
    assert rig.records("reject")[0]["error"] == answer.json["error"] and lookalike.requests == []
    assert call(rig, ME, "PUT", "/v1/org/1", {"name": "a"}).status == 200
    assert call(rig, ME, "PUT", "/v1/org/2", {}).status == 200
    rig.keeper_settings["rules"] = []
    del rig.keeper_settings["rules"]
    rig.write_conf()
    reload(rig)
    assert call(rig, ME, "PUT", "/v1/org/1", {}).status == 200  # who may everything


def test_closed_by_default(make_rig):
    rig = make_rig()
    del rig.keeper_settings["clients"]
    rig.write_conf()
    for arguments in (["-t"], []):
        done = subprocess.run([program("cention-keeperd"), "-c", rig.keeper_conf, *arguments],
                              capture_output=True, text=True, timeout=20)
        assert done.returncode == 78, done
        for words in ("keeper.conf: clients: missing", 'clients = ( { name = "crm"; user = "crm"; } );',
                      'clients = "anyone";'):
            assert words in done.stderr, done.stderr
    done = subprocess.run([program("cention-proxyctl"), "policy", "test", "-c", rig.keeper_conf, "--client",
                           "crm", "-w", "televox", "POST", "/v1/org"], capture_output=True, text=True, timeout=20)
    assert done.returncode == 78 and "clients: missing" in done.stderr, done


@pytest.mark.parametrize("clients", ["everyone", "", "Anyone", [], 1])
def test_no_other_word_opens(make_rig, clients):
    rig = make_rig(keeper={"clients": clients})
    done = subprocess.run([program("cention-keeperd"), "-t", "-c", rig.keeper_conf],
                          capture_output=True, text=True, timeout=20)
    assert done.returncode == 78 and "clients: " in done.stderr, done


def test_clients_alone(make_rig, lookalike):
    rig = with_policy(make_rig, [{"name": "me", "uid": ME}]).start()
    assert "no_policy" not in rig.keeper.log
    assert call(rig, ME, "PUT", "/v1/org/1", ORG).status == 200
    intent, = rig.records("intent")
    assert (intent["client"]["name"], intent["client"]["uid"]) == ("me", ME)
    assert len(lookalike.accepted) == 1


@pytest.mark.parametrize("way", ["unix", "tcp"])
@pytest.mark.parametrize("rules", [None, [{"client": "*"}]])
def test_unknown_client(make_rig, lookalike, way, rules):
    rig = with_policy(make_rig, [{"name": "other", "uid": 4000000}], rules).start()
    body = {"name": "not-to-be-told"}
    if way == "unix":
        answer = call(rig, ME, "PUT", "/v1/org/1", body)
        authenticate = answer.fields["WWW-Authenticate"]
    else:
        answer = rig.call("PUT", "/v1/org/1", body)
        authenticate = answer.field("WWW-Authenticate")
    assert (answer.status, answer.json["code"], answer.json["outcome"]) == \
        (401, "unknown_client", "not-sent")
    assert authenticate == "Bearer"
    reject, = rig.records("reject")
    assert (reject["status"], reject["code"]) == (401, "unknown_client")
    assert reject["error"] == answer.json["error"]
    assert "name" not in reject["client"] and reject["path"] == "/v1/org/1"
    assert not rig.records("intent") and not lookalike.requests
    assert b"not-to-be-told" not in b"".join(p.read_bytes() for p in rig.audit_folder.iterdir())


RULES = [{"client": "me", "workspaces": ["televox"], "methods": ["POST", "PUT"],
          "paths": ["/v1/org", "/v1/org/:id"]},
         {"client": "me", "methods": ["PUT"], "paths": ["/v1/area/:id"],
          "fields": [{"field": "name", "values": ["A", "B"]},
                     {"field": "time_zone", "values": ["CET"], "required": True}]}]


@pytest.mark.parametrize("method, path, body, why", [
    ("POST", "/v1/org", ORG, None),
    ("PUT", "/v1/org/5", ORG, None),
    ("PUT", "/s/televox/v1/org/5", ORG, None),
    ("DELETE", "/v1/org/5", None, "may not DELETE /v1/org/5 in workspace televox"),
    ("PUT", "/s/second/v1/org/5", ORG, "may not PUT /v1/org/5 in workspace second"),
    ("POST", "/v1/area", ORG, "may not POST /v1/area in workspace televox"),
    ("PUT", "/v1/area/7", {"time_zone": "CET"}, None),
    ("PUT", "/v1/area/7", {"time_zone": "CET", "name": "B"}, None),
    ("PUT", "/v1/area/7", {"time_zone": "CET", "name": "C"}, "with this value of the field name"),
    ("PUT", "/v1/area/7", {"name": "A"}, "without the field time_zone"),
    ("PUT", "/v1/area/7", {"time_zone": "EET"}, "with this value of the field time_zone"),
    ("PUT", "/v1/area/x", {"time_zone": "CET"}, "may not PUT /v1/area/x in workspace televox"),
])
def test_rules(make_rig, lookalike, method, path, body, why):
    rig = with_policy(make_rig, [{"name": "me", "uid": ME}], RULES,
                      proxy={"validation": "off"}).start()
    answer = call(rig, ME, method, path, body)
    if why is None:
        assert answer.status == 200
        assert rig.records("intent")[0]["client"]["name"] == "me"
        return
    assert (answer.status, answer.json["code"]) == (403, "forbidden")
    assert why in answer.json["error"] and "client me may not" in answer.json["error"]
    reject, = rig.records("reject")
    assert (reject["client"]["name"], reject["client"]["uid"], reject["error"]) == \
        ("me", ME, answer.json["error"])
    assert not lookalike.requests and not rig.records("intent")


# -- other users

@ROOT_ONLY
def test_users(make_rig):
    """Each uid is who it is, has what its rules give, and nothing of another's."""
    rig = with_policy(make_rig,
                      [{"name": "crm", "uid": 61001}, {"name": "billing", "uid": 61002},
                       {"name": "nobody", "user": "nobody"}],
                      [{"client": "crm", "paths": ["/v1/org/:id"]},
                       {"client": ["billing", "nobody"], "paths": ["/v1/area/:id"]}]).start()
    org, area = ("PUT", "/v1/org/1", ORG), ("PUT", "/v1/area/1", ORG)
    for uid, want in [(61001, (200, 403)), (61002, (403, 200)), (65534, (403, 200)),
                      (61003, (401, 401)), (0, (401, 401))]:
        got = calls(rig, uid, org, area)
        assert tuple(a.status for a in got) == want, (uid, [a.body for a in got])
    names = [(r["client"].get("name"), r["client"]["uid"], r["type"], r["path"])
             for r in rig.records() if r["type"] in ("intent", "reject")]
    assert names == [
        ("crm", 61001, "intent", "/v1/org/1"), ("crm", 61001, "reject", "/v1/area/1"),
        ("billing", 61002, "reject", "/v1/org/1"), ("billing", 61002, "intent", "/v1/area/1"),
        ("nobody", 65534, "reject", "/v1/org/1"), ("nobody", 65534, "intent", "/v1/area/1"),
        (None, 61003, "reject", "/v1/org/1"), (None, 61003, "reject", "/v1/area/1"),
        (None, 0, "reject", "/v1/org/1"), (None, 0, "reject", "/v1/area/1")]


@ROOT_ONLY
def test_groups(make_rig, tmp_path):
    """A group's members are those that it names, and those whose primary group it is."""
    (tmp_path / "group").write_text("root:x:0:\nops:x:7001:carol,gone\nnogroup:x:65534:\n")
    (tmp_path / "passwd").write_text(
        "root:x:0:0::/:/bin/sh\ncarol:x:62001:100::/:/bin/sh\ndave:x:62002:7001::/:/bin/sh\n"
        "erin:x:62003:100::/:/bin/sh\n")
    mount = "mount --bind '%s' /etc/group && mount --bind '%s' /etc/passwd" % (
        tmp_path / "group", tmp_path / "passwd")
    if subprocess.run(["unshare", "-m", "sh", "-c", mount], capture_output=True).returncode != 0:
        pytest.skip("no mount namespaces here")
    rig = with_policy(make_rig, [{"name": "ops", "group": "ops"}])
    rig.keeper = Daemon("unshare", "-m", "sh", "-c", "%s && exec '%s' -c '%s'" % (
        mount, program("cention-keeperd"), rig.keeper_conf))
    rig.daemons.append(rig.keeper)
    rig.keeper.wait_line(r"event=listening address=unix:")
    rig.start_proxy()
    rig.wait_ready()
    status = {uid: call(rig, uid, "PUT", "/v1/org/1", ORG).status
              for uid in (62001, 62002, 62003, 0, 7001)}
    assert status == {62001: 200, 62002: 200, 62003: 401, 0: 401, 7001: 401}
    assert [r["client"]["name"] for r in rig.records("intent")] == ["ops", "ops"]


# -- the rest of what the keeper does

def test_refusals_of_the_proxy_say_who(make_rig):
    rig = with_policy(make_rig, [{"name": "me", "uid": ME}], [{"client": "me"}]).start()
    assert call(rig, ME, "PUT", "/v1/org/1", "{").status == 400
    assert call(rig, ME, "PUT", "/v1/nothing", ORG).status == 404
    assert [(r["client"]["name"], r["status"]) for r in rig.records("reject")] == \
        [("me", 400), ("me", 404)]


def test_limit(make_rig, lookalike):
    rig = with_policy(make_rig, [{"name": "me", "uid": ME, "rate": 0.001, "burst": 3}]).start()
    got = calls(rig, ME, *[("PUT", "/v1/org/%d" % i, ORG) for i in range(5)])
    assert [a.status for a in got] == [200, 200, 200, 503, 503]
    assert got[3].json["code"] == "overloaded" and got[3].fields["Retry-After"] == "1"
    assert got[3].json["error"] == \
        "client me is over its limit of 0.001 requests a second (3 at once)"
    assert [(r["client"]["name"], r["code"]) for r in rig.records("reject")] == \
        [("me", "overloaded")] * 2
    assert len(lookalike.requests) == 3


def reload(rig, line=r"event=reloaded"):
    skip = len(rig.keeper.lines)
    rig.keeper.signal(signal.SIGHUP)
    return rig.keeper.wait_line(line, skip=skip)


def test_reload(make_rig):
    rig = make_rig().start()
    put = (ME, "PUT", "/v1/org/1", ORG)
    assert call(rig, *put).status == 200
    rig.keeper_settings["clients"] = [{"name": "me", "uid": ME}]
    rig.keeper_settings["rules"] = [{"client": "me", "methods": ["POST"]}]
    rig.write_conf()
    reload(rig)
    assert call(rig, *put).status == 403
    rig.keeper_settings["rules"][0]["methods"] = ["PUT"]
    rig.write_conf()
    reload(rig)
    assert call(rig, *put).status == 200
    # A bad file changes nothing.
    rig.keeper_settings["rules"] = [{"client": "you"}]
    rig.write_conf()
    reload(rig, r"event=reload_refused .*there is no client \\?\"you")
    assert call(rig, *put).status == 200
    assert call(rig, ME, "POST", "/v1/org", ORG).status == 403
    del rig.keeper_settings["rules"], rig.keeper_settings["clients"]
    rig.write_conf()
    reload(rig, r"event=reload_refused .*clients: missing")
    assert call(rig, ME, "POST", "/v1/org", ORG).status == 403
    rig.keeper_settings["clients"] = "anyone"
    rig.write_conf()
    reload(rig)
    assert call(rig, ME, "POST", "/v1/org", ORG).status == 200
    assert rig.keeper.log.count("event=no_policy") == 2
    configs = rig.records("config")
    assert [c["result"] for c in configs] == ["applied", "applied", "refused", "refused", "applied"]
    assert "there is no client" in configs[2]["error"]


def test_reload_looks_up_users(make_rig):
    """Also in a keeper that has given up what it can: users and groups are found again."""
    rig = make_rig().start()
    rig.keeper_settings["clients"] = [{"name": "me", "uid": ME},
                                      {"name": "it", "user": "nobody"},
                                      {"name": "they", "group": "root"}]
    rig.write_conf()
    reload(rig)
    assert call(rig, ME, "PUT", "/v1/org/1", ORG).status == 200
    if ME == 0:
        assert call(rig, 65534, "PUT", "/v1/org/1", ORG).status == 200
        assert [r["client"]["name"] for r in rig.records("intent")] == ["me", "it"]
    rig.keeper_settings["clients"][1]["user"] = "no-such-user"
    rig.write_conf()
    reload(rig, r"event=reload_refused .*there is no user")


@pytest.mark.parametrize("settings, says", [
    ({"clients": [{"name": "a", "token": "cpt_plain"}]}, "clients[0].token: is not the hash"),
    ({"clients": [{"name": "a", "user": "no-such-user"}]}, "there is no user \"no-such-user\""),
    ({"clients": [{"name": "a", "uid": 1}], "rules": [{"client": "b"}]}, "there is no client \"b\""),
    ({"rules": [{"client": "*"}]}, "rules: there are no `clients`"),
])
def test_bad_settings(make_rig, settings, says):
    rig = make_rig(keeper=settings)
    message = check(rig, 78)
    assert says in message and "cpt_" not in message
    assert re.search(r"keeper\.conf:\d+: ", message)


# -- tokens

@pytest.fixture
def token_rig(make_rig):
    """A rig, its client's token, and a token of nobody."""
    token, line = ctl("token", "new", "site").splitlines()
    other, _ = ctl("token", "new", "other").splitlines()
    rig = make_rig()
    del rig.keeper_settings["clients"]
    rig.write_conf()
    with open(rig.keeper_conf, "a") as conf:
        conf.write("clients = ( %s, { name = \"me\"; uid = %d; } );\n" % (line, ME))
    return rig.start(), token, other


def test_tokens(token_rig):
    rig, token, other = token_rig
    for value, status in [(token, 200), (other, 401), (token[:-1], 401), (token + "A", 401)]:
        bearer = {"Authorization": "Bearer " + value}
        assert rig.call("PUT", "/v1/org/1", ORG, headers=bearer).status == status
        # A wrong token is not made good by who sends it.
        assert call(rig, ME, "PUT", "/v1/org/1", ORG, bearer).status == status
    assert call(rig, ME, "PUT", "/v1/org/1", ORG).status == 200
    names = [r["client"].get("name") for r in rig.records("intent")]
    assert names == ["site"] * 2 + ["me"]
    written = b"".join(p.read_bytes() for p in rig.audit_folder.iterdir()).decode("latin-1")
    for secret in (token, other, token[4:20]):
        assert secret not in written
        assert secret not in rig.keeper.log and secret not in rig.proxy.log


def test_token_new():
    token, line = ctl("token", "new", "site").splitlines()
    assert re.fullmatch(r"cpt_[A-Za-z0-9_-]{43}", token)
    assert re.fullmatch(r'\{ name = "site"; token = "sha256:[0-9a-f]{32}:[0-9a-f]{64}"; \}', line)
    assert token not in line
    ctl("token", "new", "a b", code=2)
    ctl("token", "new", code=2)


# -- the tool

def test_policy_test(make_rig):
    rig = with_policy(make_rig, [{"name": "me", "uid": ME}, {"name": "you", "uid": 61001}], RULES)
    conf = rig.keeper_conf
    lines = conf.read_text().splitlines()
    line = 1 + next(i for i, text in enumerate(lines) if text.startswith("rules"))

    def ask(*arguments, code=0):
        return ctl("policy", "test", "-c", conf, *arguments, code=code)

    assert "by the rule %s:%d" % (conf, line) in ask("--client", "me", "-w", "televox", "PUT",
                                                     "/v1/org/5")
    ask("--client", "me", "PUT", "/s/televox/v1/org/5")
    assert "the method is none" in ask("--client", "me", "DELETE", "/s/televox/v1/org/5", code=1)
    denied = ask("--client", "me", "PUT", "/s/second/v1/area/5", code=1)
    assert "%s:%d: the workspace is none of its workspaces" % (conf, line) in denied
    assert "the field time_zone is required" in denied
    area = ("PUT", "/s/second/v1/area/5")
    ask("--client", "me", "--field", "time_zone=CET", *area)
    assert "the field name has none" in ask("--client", "me", "--field", "time_zone=CET", "--field",
                                            "name=", *area, code=1)
    assert "it is for other clients" in ask("--client", "you", *area, code=1)
    assert "401 unknown_client" in ask("--client", "they", *area, code=1)
    ask("--client", "me", "PUT", "/v1/org/5", code=2)
    ask("--client", "me", "GET", "/s/a/v1/org/5", code=2)
    ask("PUT", "/s/a/v1/org/5", code=2)
    conf.write_text(conf.read_text() + "clients = ();")
    ask("--client", "me", *area, code=78)


def suggested(rig, *more):
    return ctl("policy", "suggest", "-c", rig.keeper_conf, *more)


def test_suggest(make_rig, lookalike):
    """What is proposed is accepted, allows the same again, and nothing else."""
    rig = make_rig().start()
    did = [("POST", "/v1/org", ORG), ("PUT", "/v1/org/12", ORG), ("PUT", "/v1/org/13", ORG),
           ("PUT", "/s/second/v1/org/1", ORG), ("POST", "/s/second/v1/org", ORG),
           ("PUT", "/v1/area/7", ORG)]
    assert {a.status for a in calls(rig, ME, *did)} == {200}
    rig.call("PUT", "/v1/org/1", ORG)  # by TCP
    call(rig, ME, "DELETE", "/v1/org/999")  # which isn't there
    text = suggested(rig)
    assert "uid = %d;" % ME in text
    assert "# 7 requests" in text
    name, = re.findall(r'\{ name = "(.*?)";', text)
    del rig.keeper_settings["clients"]
    rig.write_conf()
    plain = rig.keeper_conf.read_text()
    rig.keeper_conf.write_text(plain + text)
    assert "1 clients, " in check(rig)
    reload(rig)
    assert {a.status for a in calls(rig, ME, *did)} == {200}
    for method, path in [("PUT", "/v1/org"), ("DELETE", "/v1/org/12"), ("POST", "/v1/area"),
                         ("PUT", "/s/second/v1/area/7"), ("PUT", "/v1/area/7/agents")]:
        answer = call(rig, ME, method, path, None if method == "DELETE" else ORG)
        assert answer.status in (403, 404, 405), (method, path, answer.body)
        ctl("policy", "test", "-c", rig.keeper_conf, "--client", name,
            *([] if path.startswith("/s") else ["-w", "televox"]), method, path, code=1)
    # Again, with the clients that are there by now: the same.
    again = suggested(rig)
    assert [x for x in again.splitlines() if "#" not in x] == \
        [x for x in text.splitlines() if "#" not in x]


def test_suggest_keeps_tokens(token_rig):
    rig, token, _ = token_rig
    rig.call("PUT", "/v1/org/1", ORG, headers={"Authorization": "Bearer " + token})
    text = suggested(rig)
    assert "token = \"sha256:" in text and token not in text
    assert re.search(r"client = \"site\"; workspaces = \( \"televox\" \); methods = \( \"PUT\" \);",
                     text)


@ROOT_ONLY
def test_suggest_for_several(make_rig):
    rig = make_rig().start()
    calls(rig, 61001, ("PUT", "/v1/org/1", ORG), ("POST", "/v1/org", ORG))
    calls(rig, 61002, ("PUT", "/v1/org/1", ORG))
    text = suggested(rig)
    del rig.keeper_settings["clients"]
    rig.write_conf()
    rig.keeper_conf.write_text(rig.keeper_conf.read_text() + text)
    check(rig)
    reload(rig)
    assert [a.status for a in calls(rig, 61001, ("PUT", "/v1/org/9", ORG), ("POST", "/v1/org", ORG))
            ] == [200, 200]
    assert [a.status for a in calls(rig, 61002, ("PUT", "/v1/org/9", ORG), ("POST", "/v1/org", ORG))
            ] == [200, 403]
    assert call(rig, 61003, "PUT", "/v1/org/9", ORG).status == 401


def test_suggest_without_anything(make_rig):
    rig = make_rig().start()
    done = subprocess.run([program("cention-proxyctl"), "policy", "suggest", "-c",
                           str(rig.keeper_conf)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "no request was answered 2xx" in done.stderr


def test_the_proxy_has_no_policy():
    """It can't be asked there: the decision is the keeper's."""
    symbols = subprocess.run(["nm", str(BUILD / "daemon" / "cention-proxyd")], capture_output=True,
                             text=True, timeout=60).stdout
    assert "policy_decide" not in symbols and "token_is" not in symbols
    assert until(lambda: "http_request_parse" in symbols)
