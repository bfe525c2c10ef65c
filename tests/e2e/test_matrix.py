"""Every identity against every policy: who is let through, who isn't, and what the audit says of it.

GRID has a row for each way to be somebody and a column for each policy. A cell is what the client
gets: 200, or 401, or 403 with the letter of what is missing (see WHY). For each refusal: nothing
reaches the upstream, and its record tells who (name and uid, as far as known) and why.
"""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

import pytest

import leaks

from lookalike import Authority
from rig import head, program, until
from test_listen_tls import listener

ROOT = os.geteuid() == 0
ME = os.geteuid()
OTHER = 61001     # a client of the policies
STRANGER = 61002  # nobody's client
BODY = json.dumps({"name": "Support"}).encode()

CLIENTS = [{"name": "me", "uid": ME}, {"name": "other", "uid": OTHER},
           {"name": "site", "token": None},  # its hash comes from token new
           {"name": "ours", "uid": OTHER, "token": None},
           {"name": "crm", "certificate": "crm.example.com"}]
ORG = {"client": "*", "paths": ["/v1/org/:id"]}

POLICIES = {
    "none": {"clients": "anyone"},
    "clients": {"clients": CLIENTS},
    "rules": {"clients": CLIENTS, "rules": [ORG]},
    "both": {"clients": CLIENTS, "rules": [{"client": ["other", "site"], "paths": ["/v1/org/:id"]},
                                           {"client": ["me", "ours", "crm"],
                                            "paths": ["/v1/area/:id"]}]},
    "space": {"clients": CLIENTS, "rules": [dict(ORG, workspaces=["second"])]},
    "method": {"clients": CLIENTS, "rules": [dict(ORG, methods=["POST", "DELETE"])]},
    "path": {"clients": CLIENTS, "rules": [{"client": "*", "paths": ["/v1/org", "/v1/area/:id"]}]},
    "value": {"clients": CLIENTS,
              "rules": [dict(ORG, fields=[{"field": "name", "values": ["A", "B"]}])]},
    "field": {"clients": CLIENTS,
              "rules": [dict(ORG, fields=[{"field": "time_zone", "required": True}])]},
    "type": {"clients": CLIENTS,
             "rules": [dict(ORG, fields=[{"field": "name", "values": [1, True, {
                 "type": "array", "value": "Support"}, {"type": "object", "value": "Support"}]}])]},
    "string": {"clients": CLIENTS,
               "rules": [dict(ORG, fields=[{"field": "name", "values": [1, "Support"]}])]},
    "open": {"clients": CLIENTS,
             "rules": [dict(ORG, fields=[{"field": "name"}], other_fields=False)]},
    "closed": {"clients": CLIENTS,
               "rules": [dict(ORG, fields=[{"field": "time_zone"}], other_fields=False)]},
    "kernel": {"clients": [dict(c, vouched="kernel") if c["name"] in ("me", "other", "site") else c
                           for c in CLIENTS]},
    "krule": {"clients": CLIENTS, "rules": [dict(ORG, vouched="kernel")]},
    "nobody": {"clients": CLIENTS + [{"name": "absent", "uid": 4000000}],
               "rules": [dict(ORG, client="absent")]},
    "absent": {"clients": [{"name": "absent", "uid": 4000000}], "rules": [ORG]},
}

MAY_NOT = r"client %s may not PUT /v1/org/1 in workspace televox"
WHY = {"403r": MAY_NOT + "$", "403v": MAY_NOT + " with this value of the field name$",
       "403f": MAY_NOT + " without the field time_zone$",
       "403o": MAY_NOT + " with the field name$",
       "403k": MAY_NOT + " but over the Unix socket, where the kernel vouches for the uid$",
       "401k": r"it is a known client only over the Unix socket, where the kernel vouches for its uid$",
       "401u": r"uid %d without a token is none of the known clients$",
       "401t": r"the token is no client's, or not that of whoever sent it$",
       "401x": r"none of the known clients: no token came, and the uid is not known$"}

# name: (how, by whom, via, more, what the record may say of the uid, whose name)
WAYS = {
    "same uid, Unix": ("call", ME, "unix", (), ME, "me"),
    "same uid, TCP": ("call", ME, "tcp", (), ME, "me"),
    "other uid, Unix": ("call", OTHER, "unix", (), OTHER, "other"),
    "other uid, TCP": ("call", OTHER, "tcp", (), OTHER, "other"),
    "stranger, Unix": ("call", STRANGER, "unix", (), STRANGER, None),
    "stranger, TCP": ("call", STRANGER, "tcp", (), STRANGER, None),
    "token good, Unix": ("call", STRANGER, "unix", "site", STRANGER, "site"),
    "token good, TCP": ("call", STRANGER, "tcp", "site", STRANGER, "site"),
    "token bad, same uid, Unix": ("call", ME, "unix", "bad", ME, None),
    "token bad, same uid, TCP": ("call", ME, "tcp", "bad", ME, None),
    "token and its uid": ("call", OTHER, "tcp", "ours", OTHER, "ours"),
    "token of another uid": ("call", STRANGER, "tcp", "ours", STRANGER, None),
    "closed, Unix": ("gone", OTHER, "unix", (), OTHER, "other"),
    "closed, TCP": ("gone", OTHER, "tcp", (), None, None),
    "closed, TCP, token": ("gone", OTHER, "tcp", "site", None, "site"),
    "closed, TCP, token's uid": ("gone", OTHER, "tcp", "ours", None, None),
    "closed by root, TCP": ("gone", ME, "tcp", (), None, None),
    "closed late, TCP": ("late", OTHER, "tcp", (), None, None),
    "late, by root, TCP": ("late", ME, "tcp", (), None, None),
    "closed late, TCP, token": ("late", OTHER, "tcp", "site", None, "site"),
    "passed to stranger, Unix": ("pass", (OTHER, STRANGER), "unix", (), OTHER, "other"),
    "passed to stranger, TCP": ("pass", (OTHER, STRANGER), "tcp", (), OTHER, "other"),
    "passed by stranger, Unix": ("pass", (STRANGER, OTHER), "unix", (), STRANGER, None),
    "passed by stranger, TCP": ("pass", (STRANGER, OTHER), "tcp", (), STRANGER, None),
    "certificate": ("call", STRANGER, "tls", "crm", STRANGER, "crm"),
    "certificate of nobody": ("call", STRANGER, "tls", "web", STRANGER, None),
}

GRID = """
                           none   clients rules  both   space  method path   value  field  type   string open   closed kernel krule  nobody absent
same uid, Unix             200    200    200    403r   403r   403r   403r   403v   403f   403v   200    200    403o   200    200    403r   401u
same uid, TCP              200    200    200    403r   403r   403r   403r   403v   403f   403v   200    200    403o   401k   403k   403r   401u
other uid, Unix            200    200    200    200    403r   403r   403r   403v   403f   403v   200    200    403o   200    200    403r   401u
other uid, TCP             200    200    200    200    403r   403r   403r   403v   403f   403v   200    200    403o   401k   403k   403r   401u
stranger, Unix             200    401u   401u   401u   401u   401u   401u   401u   401u   401u   401u   401u   401u   401u   401u   401u   401u
stranger, TCP              200    401u   401u   401u   401u   401u   401u   401u   401u   401u   401u   401u   401u   401u   401u   401u   401u
token good, Unix           200    200    200    200    403r   403r   403r   403v   403f   403v   200    200    403o   200    200    403r   401t
token good, TCP            200    200    200    200    403r   403r   403r   403v   403f   403v   200    200    403o   401k   403k   403r   401t
token bad, same uid, Unix  200    401t   401t   401t   401t   401t   401t   401t   401t   401t   401t   401t   401t   401t   401t   401t   401t
token bad, same uid, TCP   200    401t   401t   401t   401t   401t   401t   401t   401t   401t   401t   401t   401t   401t   401t   401t   401t
token and its uid          200    200    200    403r   403r   403r   403r   403v   403f   403v   200    200    403o   200    403k   403r   401t
token of another uid       200    401t   401t   401t   401t   401t   401t   401t   401t   401t   401t   401t   401t   401t   401t   401t   401t
closed, Unix               200    200    200    200    403r   403r   403r   403v   403f   403v   200    200    403o   401k   403k   403r   401u
closed, TCP                200    401x   401x   401x   401x   401x   401x   401x   401x   401x   401x   401x   401x   401x   401x   401x   401x
closed, TCP, token         200    200    200    200    403r   403r   403r   403v   403f   403v   200    200    403o   401k   403k   403r   401t
closed, TCP, token's uid   200    401t   401t   401t   401t   401t   401t   401t   401t   401t   401t   401t   401t   401t   401t   401t   401t
closed by root, TCP        200    401x   401x   401x   401x   401x   401x   401x   401x   401x   401x   401x   401x   401x   401x   401x   401x
closed late, TCP           200    401x   401x   401x   401x   401x   401x   401x   401x   401x   401x   401x   401x   401x   401x   401x   401x
late, by root, TCP         200    401x   401x   401x   401x   401x   401x   401x   401x   401x   401x   401x   401x   401x   401x   401x   401x
closed late, TCP, token    200    200    200    200    403r   403r   403r   403v   403f   403v   200    200    403o   401k   403k   403r   401t
passed to stranger, Unix   200    200    200    200    403r   403r   403r   403v   403f   403v   200    200    403o   200    200    403r   401u
passed to stranger, TCP    200    200    200    200    403r   403r   403r   403v   403f   403v   200    200    403o   401k   403k   403r   401u
passed by stranger, Unix   200    401u   401u   401u   401u   401u   401u   401u   401u   401u   401u   401u   401u   401u   401u   401u   401u
passed by stranger, TCP    200    401u   401u   401u   401u   401u   401u   401u   401u   401u   401u   401u   401u   401u   401u   401u   401u
certificate                200    200    200    403r   403r   403r   403r   403v   403f   403v   200    200    403o   200    403k   403r   401u
certificate of nobody      200    401u   401u   401u   401u   401u   401u   401u   401u   401u   401u   401u   401u   401u   401u   401u   401u
"""

# Takes orders line by line and does each in a child, as the given user or users, which prints the
# answer's status and body; then a line of its own: the child's exit status.
CLIENT = """
import json, os, socket, ssl, sys
mine = os.geteuid()

def line():
    text = b""
    while not text.endswith(b"\\n"):
        more = os.read(0, 1)
        if not more:
            sys.exit(0)
        text += more
    return text

def say(what):
    os.write(1, json.dumps(what).encode() + b"\\n")

def become(uid):
    if uid != mine:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)

def connected(where, tls):
    if isinstance(where, str):
        s = socket.socket(socket.AF_UNIX)
        s.connect(where)
    else:
        s = socket.create_connection(where, timeout=30)
    if tls:
        context = ssl.create_default_context(cafile=tls[0])
        context.load_cert_chain(tls[1], tls[2])
        s = context.wrap_socket(s, server_hostname="localhost")
    return s

def passed(users, where):
    a, b = socket.socketpair()
    giver = os.fork()
    if giver == 0:
        become(users[0])
        s = connected(where, None)
        socket.send_fds(a, [b"x"], [s.fileno()])
        os._exit(0)
    become(users[1])
    fds = socket.recv_fds(b, 1, 1)[1]
    assert os.waitpid(giver, 0)[1] == 0  # it has let go of its own
    assert os.geteuid() == users[1]
    return socket.socket(fileno=fds[0])

def do(how, users, where, data, tls):
    if how == "pass":
        s = passed(users, where)
    else:
        become(users[0])
        s = connected(where, tls)
    s.settimeout(30)
    if how == "late":
        say("connected")
        line()
    s.sendall(data.encode())
    if how in ("gone", "late"):
        s.close()
        return
    got = s.makefile("rb")
    status = int(got.readline().split()[1])
    fields = dict(l.decode().rstrip().lower().split(": ", 1) for l in iter(got.readline, b"\\r\\n"))
    say([status, got.read(int(fields["content-length"])).decode()])

while True:
    order = json.loads(line())
    pid = os.fork()
    if pid == 0:
        do(*order)
        os._exit(0)
    say(os.waitpid(pid, 0)[1])
"""


class Matrix:
    """One rig; its policy is changed by reloads."""

    def __init__(self, make_rig, folder, authority):
        os.chmod(folder, 0o755)
        self.sock = folder + "/http.sock"
        site = Authority(folder + "/site", "Site CA")
        self.certificates = {name: [str(x) for x in site.issue(name, ["DNS:%s.example.com" % name])]
                             for name in ("crm", "web")}
        self.ca = shutil.copy(authority.file, folder + "/ca.pem")
        for each in [self.ca] + sum(self.certificates.values(), []):
            os.chmod(each, 0o644)
        self.rig = make_rig(proxy={"listen": [
            {"address": "127.0.0.1", "port": 0}, {"path": self.sock, "mode": "0666"},
            listener(authority, site, address="127.0.0.2")]}).start()
        self.tls_port = int(re.search(r"address=127\.0\.0\.2:(\d+)", self.rig.proxy.log).group(1))
        self.client = subprocess.Popen([sys.executable, "-I", "-c", CLIENT], text=True, cwd="/",
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.tokens, hashes = {}, {}
        for name in ("site", "ours", "bad"):
            done = subprocess.run([program("cention-proxyctl"), "token", "new", name],
                                  capture_output=True, text=True, timeout=60, check=True)
            self.tokens[name], line = done.stdout.splitlines()
            hashes[name] = re.search(r'"(sha256:[0-9a-f:]+)"', line).group(1)
        self.rig.secrets += self.tokens.values()
        for client in CLIENTS + POLICIES["kernel"]["clients"]:
            if "token" in client:
                client["token"] = hashes[client["name"]]

    def close(self):
        self.client.stdin.close()
        assert self.client.wait(10) == 0

    def policy(self, members):
        rig = self.rig
        for name in ("clients", "rules"):
            rig.keeper_settings.pop(name, None)
        rig.keeper_settings.update(members)
        rig.write_conf()
        skip = len(rig.keeper.lines)
        rig.keeper.signal(signal.SIGHUP)
        assert rig.keeper.wait_line(r"event=(reload\w+)", skip=skip).group(1) == "reloaded"

    def send(self, way, request_id):
        """The answer's (status, members); None when nobody waited for it."""
        how, who, via, more, _, _ = WAYS[way]
        users = who if isinstance(who, tuple) else (who,)
        extra = ["X-Request-Id: " + request_id]
        if more in self.tokens:
            extra.append("Authorization: Bearer " + self.tokens[more])
        where = {"unix": self.sock, "tcp": ["127.0.0.1", self.rig.port],
                 "tls": ["127.0.0.2", self.tls_port]}[via]
        tls = [self.ca] + self.certificates[more] if via == "tls" else None
        data = head("PUT", "/v1/org/1", BODY, extra=extra).decode()
        if how == "gone":
            self.rig.proxy.signal(signal.SIGSTOP)
        elif how == "late":
            until(lambda: self.rig.metric("cention_client_connections") == 0, what="quiet")
        self.tell([how, users, where, data, tls])
        if how in ("gone", "late"):
            self.leave(how)
            return None
        status, body = self.hear()
        assert self.hear() == 0, way
        leaks.note_answer([], body.encode())
        return status, json.loads(body)

    def tell(self, order):
        self.client.stdin.write(json.dumps(order) + "\n")
        self.client.stdin.flush()

    def hear(self):
        return json.loads(self.client.stdout.readline())

    def leave(self, how):
        """The client sends and closes, and the proxy sees it when it is over; "late": but for the
        connection, which it has accepted by then. It was stopped for the others in send()."""
        proxy = self.rig.proxy
        if how == "late":
            assert self.hear() == "connected"
            until(lambda: self.rig.metric("cention_client_connections") == 1, what="the connection")
            proxy.signal(signal.SIGSTOP)
            self.tell("go on")
        try:
            assert self.hear() == 0
        finally:
            proxy.signal(signal.SIGCONT)

    def records(self, ids):
        """The intent or reject of each of them, once all are there."""
        def found():
            records = {r["id"]: r for r in self.rig.records() if r["type"] in ("intent", "reject")}
            return records if set(records) == set(ids) else None
        return until(found, what="the records")


def rows():
    first, *lines = GRID.strip("\n").splitlines()
    policies = first.split()
    assert policies == list(POLICIES)
    for line in lines:
        way, cells = re.fullmatch(r"(.+?) {2,}(\d.*)", line).groups()
        assert len(cells.split()) == len(policies), line
        yield way, dict(zip(policies, cells.split()))


def check_cell(policy, cell, way, answer, record):
    how, _, via, _, uid, name = WAYS[way]
    who = record["client"]
    # The keeper asks of a connection that is still there.
    assert who["vouched"] == ("kernel" if via == "unix" and how != "gone" else "proxy")
    assert who.get("uid") == uid and who["via"] == via
    # Without clients, and for a policy that doesn't know it, nobody has a name.
    known = name if policy not in ("none", "absent") and not cell.startswith("401") else None
    assert who.get("name") == known
    if via == "tls":
        assert who["certificate"] == WAYS[way][3] + ".example.com"
    if cell == "200":
        assert record["type"] == "intent", record
        assert answer is None or answer[0] == 200
        return
    status, code = int(cell[:3]), {"401": "unknown_client", "403": "forbidden"}[cell[:3]]
    assert (record["type"], record.get("status"), record.get("code")) == ("reject", status, code)
    why = WHY[cell]
    why = why % uid if cell == "401u" else why % name if cell[:3] == "403" else why
    assert re.match(why, record["error"]), (why, record["error"])
    assert (record["method"], record["workspace"], record["path"]) == ("PUT", "televox", "/v1/org/1")
    if answer is not None:
        assert answer[0] == status
        assert (answer[1]["code"], answer[1]["outcome"]) == (code, "not-sent")
        assert answer[1]["error"] == record["error"]


@pytest.mark.skipif(not ROOT, reason="other users can be tried by root alone")
def test_matrix(make_rig, lookalike, authority):
    grid = dict(rows())
    assert set(grid) == set(WAYS)
    lookalike.api._objects["org", "televox", 1] = {"id": 1}
    folder = tempfile.mkdtemp(prefix="cention-matrix-", dir="/tmp")
    try:
        matrix = Matrix(make_rig, folder, authority)
        sent, allowed, waited, refused = {}, set(), set(), 0
        for p, policy in enumerate(POLICIES):
            matrix.policy(POLICIES[policy])
            for w, way in enumerate(grid):
                request_id = "cell-%d-%d" % (p, w)
                answer = matrix.send(way, request_id)
                sent[request_id] = (policy, grid[way][policy], way, answer)
                if answer is not None:
                    waited.add(request_id)
        matrix.close()
        wrong, records = [], matrix.records(sent)
        for request_id, (policy, cell, way, answer) in sent.items():
            try:
                check_cell(policy, cell, way, answer, records[request_id])
            except AssertionError as e:
                wrong.append("%s x %s (%s): %s" % (way, policy, cell, e))
            if cell == "200":
                allowed.add(request_id)
            else:
                refused += 1
        print("matrix: %d identities x %d policies = %d cells: %d allowed, %d refused, %d wrong" % (
            len(grid), len(POLICIES), len(sent), len(allowed), refused, len(wrong)))
        assert not wrong, "\n".join(wrong)
        # A client that has gone may be given up before its request is sent; no refusal ever is.
        came = {re.search(rb"(?im)^x-request-id: (\S+)\r$", r.raw_head).group(1).decode()
                for r in lookalike.requests}
        assert allowed & waited <= came <= allowed, (came - allowed, (allowed & waited) - came)
        # Who had closed was nobody: root never was at the other end but in its own rows.
        assert {sent[i][2] for i, r in records.items() if r["client"].get("uid") == 0} == \
            {way for way in grid if WAYS[way][4] == 0}
    finally:
        shutil.rmtree(folder)
