"""The NATS sink and the reading from NATS, by themselves (js_drive.c), with real nats-servers."""
import collections
import json
import os
import random
import re
import subprocess

import pytest

from nats_cluster import Cluster, NatsError, needs_nats
from rig import BUILD, Daemon, until

DRIVE = BUILD / "tests" / "e2e" / "js_drive"
pytestmark = [needs_nats,
              pytest.mark.skipif(not DRIVE.exists(), reason="built without NATS, or no make check")]
Certificate = collections.namedtuple("Certificate", "cert key ca")


def log_of(seed):
    return "%02x" % seed * 32


def stream_of(seed, prefix="T"):
    return prefix + "_" + log_of(seed)[:16]


class Drive(Daemon):
    """js_drive ship: a host's log of `count` records."""

    def __init__(self, url, seed=17, count=20000, prefix="T", replicas=1, **options):
        super().__init__(str(DRIVE), "ship", url, prefix, str(replicas), str(seed), str(count),
                         *("%s=%s" % item for item in options.items()), stdin=subprocess.PIPE)
        self.fed = 0

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def feed(self, n):
        self.fed += n
        self.say("more %d" % n)

    def acknowledged(self, seconds=60.0):
        """Waits until all that was fed is, or was found to be there."""
        self.wait_line(r"^(acknowledged|ready) %d$" % self.fed, seconds)

    def end(self, seconds=60.0):
        assert self.process.wait(seconds) == 0, self.log
        self._reader.join(5)
        self.process.stdin.close()

    def quit(self):
        self.say("quit")
        self.end()


@pytest.fixture
def drive():
    """drive(...) is a Drive that ends with the test."""
    drives = []

    def make(*args, **options):
        drives.append(Drive(*args, **options))
        return drives[-1]

    yield make
    for d in drives:
        if d.process.poll() is None:
            d.kill()
        d.process.stdin.close()
        assert "Sanitizer" not in d.log, d.log


@pytest.fixture
def server(tmp_path):
    with Cluster(tmp_path / "nats", nodes=1) as cluster:
        yield cluster


def read(*arguments):
    done = subprocess.run([str(DRIVE), *map(str, arguments)], capture_output=True, text=True,
                          timeout=60, stdin=subprocess.DEVNULL)
    assert "Sanitizer" not in done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr


def check_stream(cluster, count, seed=17, first=1):
    """Each record is there once, in order, and nothing else."""
    with cluster.client() as nc:
        expect = first
        for m in nc.messages(stream_of(seed)):
            log, epoch, seq, digest = m.headers["Nats-Msg-Id"].split("/")
            assert (log, epoch, int(seq)) == (log_of(seed), "1", expect)
            assert m.sequence == expect - first + 1
            assert m.subject == "cention.audit." + log
            assert m.data.startswith(b'{"seq":%d,' % expect)
            assert m.data.endswith(b',"h":"%s"}' % digest.encode())
            expect += 1
    assert expect == first + count


def test_exactly_once_while_nodes_die(tmp_path, drive):
    count, rounds = 20000, 4
    dice = random.Random(int(os.environ.get("CENTION_SEED", 7)))
    with Cluster(tmp_path / "nats") as cluster:
        host = drive(cluster.url, count=count, replicas=3)
        host.wait_line("^ready 0")
        for i in range(rounds):
            leader = cluster.wait_stream(stream_of(17))
            # The leader's death, a follower's, and that of the server the host is connected to.
            victim = leader if i % 2 == 0 else (leader + 1) % 3
            enough = host.fed + dice.randrange(1, count // rounds)
            host.feed(count // rounds)
            with cluster.client((victim + 1) % 3) as nc:
                def far():
                    try:
                        return nc.stream(stream_of(17), 2)["state"]["messages"] >= enough
                    except NatsError:
                        return False
                until(far, 60, "%d messages" % enough)
            cluster.kill(victim)
            host.acknowledged()
            cluster.start_node(victim)
            cluster.wait_ready()
        host.end()
        cluster.wait_stream(stream_of(17))
        check_stream(cluster, count)
        code, out, err = read("read", cluster.url + "/T", 17, 1)
        assert code == 0 and out.startswith("records %d first 1 last %d" % (count, count)), err
    assert "lost" in host.log


def test_goes_on_where_the_stream_ends(server, drive):
    """Whatever the window for duplicates: this one is over before the host comes back."""
    with server.client() as nc:
        nc.make_stream(stream_of(17), ["cention.audit." + log_of(17)], duplicate_window=10 ** 8)
    for end in (3000, 3001, 9000):
        host = drive(server.url, count=9000)
        host.feed(end)
        host.acknowledged()
        if end < 9000:
            host.kill()
    host.end()
    assert "ready 3001" in host.log
    check_stream(server, 9000)
    done = drive(server.url, count=9000)
    done.end()
    assert "ready 9000" in done.log


def test_fork(server, drive):
    """Two hosts with one log that differ from record 101 on: the second one's is not stored."""
    one, two = drive(server.url, count=300), drive(server.url, count=300, fork=101)
    one.feed(100)
    one.acknowledged()
    two.wait_line("^ready")
    two.feed(100)
    until(lambda: "acknowledged 100" in two.log or "ready 100" in two.log)
    one.feed(50)
    one.acknowledged()
    two.feed(50)
    two.wait_line("^conflict 101 0$")
    two.wait_line("^lost .*another record 101")
    two.wait_line("^mismatch 150")
    two.end()
    one.feed(150)
    one.end()
    check_stream(server, 300)
    assert read("alarms", server.url + "/T")[1].splitlines() == [
        "alarm conflict here.example 101 101 two 'logs' that can't both be"]


def test_fork_at_the_same_time(server, drive):
    """However their records mix: one of them at least is told, and what is stored is not changed."""
    hosts = [drive(server.url, count=20000), drive(server.url, count=20000, fork=1)]
    for host in hosts:
        host.wait_line("^ready 0")
    for host in hosts:
        host.feed(20000)
    for host in hosts:
        host.end()
    assert any("conflict" in host.log or "mismatch" in host.log for host in hosts)
    with server.client() as nc:
        seqs = [int(m.headers["Nats-Msg-Id"].split("/")[2]) for m in nc.messages(stream_of(17))]
    assert seqs == list(range(1, len(seqs) + 1))


def test_alarms_are_kept_once(server, drive):
    for _ in range(2):
        host = drive(server.url, count=10)
        host.wait_line("^ready")
        host.say("alarm")
        host.say("alarm")
        until(lambda: read("alarms", server.url + "/T")[1])
        host.quit()
    assert read("alarms", server.url + "/T")[1].count("alarm behind here.example 1 0") == 1


@pytest.mark.parametrize("change, why", [
    ({"max_age": 10 ** 12}, "max_age"),
    ({"max_msgs": 100, "discard": "old"}, "at its limit"),
    ({"storage": "memory"}, "kept in memory"),
    ({"deny_purge": False}, "deny_purge"),
    ({"deny_delete": False}, "deny_delete"),
    ({"allow_rollup_hdrs": True, "deny_purge": False}, "deny_purge|allow_rollup"),
    ({"subjects": ["cention.audit." + log_of(17), "x"]}, "subject"),
    ({"retention": "interest"}, "retention"),
    ({"no_ack": True}, "acknowledges nothing"),
])
def test_streams_that_lose_are_refused(server, drive, change, why):
    with server.client() as nc:
        nc.make_stream(stream_of(17), **{"subjects": ["cention.audit." + log_of(17)], **change})
    host = drive(server.url, count=10)
    host.feed(10)
    host.wait_line("^lost .*%s.*(%s)" % (stream_of(17), why))
    host.quit()
    assert "ready" not in host.log
    with server.client() as nc:
        assert nc.stream(stream_of(17))["state"]["messages"] == 0


def test_too_few_replicas(server, drive):
    with server.client() as nc:
        nc.make_stream(stream_of(17), ["cention.audit." + log_of(17)])
        nc.make_stream("T_ALARMS", ["cention.alarm.>"])
    host = drive(server.url, count=10, replicas=3)
    host.wait_line("^lost .*fewer replicas")
    host.quit()


def test_replicas_that_no_cluster_has(server, drive):
    host = drive(server.url, count=10, replicas=3)
    host.wait_line("^lost .*making the stream T_ALARMS.*replicas > 1 not supported")
    host.quit()


@pytest.mark.parametrize("headers, data", [
    ({}, b"anything"),
    ({"Nats-Msg-Id": "%s/1/1/%s" % (log_of(18), "0" * 64)}, b"{}"),
    ({"Nats-Msg-Id": "%s/1/1/%s" % (log_of(17), "0" * 64)}, b"{}"),
])
def test_foreign_messages(server, drive, headers, data):
    """A stream that ends with what is no record of the log gets none."""
    with server.client() as nc:
        nc.make_stream(stream_of(17), ["cention.audit." + log_of(17)])
        nc.stored("cention.audit." + log_of(17), data, headers)
    host = drive(server.url, count=10)
    host.wait_line("^lost message 1 of the stream %s is no record of this log" % stream_of(17))
    host.quit()


def test_max_payload(tmp_path, drive):
    """A record that is too long for the server: said with its limit, those before it are there;
    when the server takes it, it goes on by itself."""
    with Cluster(tmp_path / "nats", nodes=1, settings="max_payload: 8192") as server:
        host = drive(server.url, count=100, long=50, bytes=20000)
        host.feed(100)
        match = host.wait_line(r"^lost record 50 has (\d+) bytes.*max_payload \(8192\)")
        assert int(match.group(1)) > 20000
        with server.client() as nc:
            assert nc.stream(stream_of(17))["state"]["messages"] == 49
        server.reload("max_payload: 65536")
        host.acknowledged()
        host.end()
        check_stream(server, 100)


# What a host's user needs, when an administrator made its streams; see doc/cention-shipd.8.
USERS = """
authorization: {
  users: [
    {user: admin, password: of-the-test}
    {user: auditor, password: of-the-test, permissions: {
      publish: ["$JS.API.STREAM.NAMES", "$JS.API.STREAM.INFO.*", "$JS.API.STREAM.MSG.GET.*",
                "$JS.API.CONSUMER.CREATE.*", "$JS.API.CONSUMER.CREATE.*.>",
                "$JS.API.CONSUMER.DELETE.*.*", "$JS.FC.>"]
      subscribe: ["_INBOX.>"]
    }}
%s
  ]
}
"""
HOST = """
    {user: %(user)s, password: of-the-test, permissions: {
      publish: ["cention.audit.%(log)s", "cention.alarm.%(log)s.>",
                "$JS.API.STREAM.INFO.T_%(short)s", "$JS.API.STREAM.MSG.GET.T_%(short)s",
                "$JS.API.STREAM.INFO.T_ALARMS"%(more)s]
      subscribe: ["cention.reply.%(short)s.>"]
    }}
"""
MAKE = ', "$JS.API.STREAM.CREATE.T_%(short)s", "$JS.API.STREAM.CREATE.T_ALARMS"'


def users(**more):
    text = ""
    for seed, user in ((17, "one"), (18, "two")):
        names = {"user": user, "log": log_of(seed), "short": log_of(seed)[:16]}
        text += HOST % {**names, "more": more.get(user, "") % names}
    return USERS % text


def test_permissions(tmp_path, drive):
    with Cluster(tmp_path / "nats", nodes=1, users=users(),
                 admin=("admin", "of-the-test")) as server:
        with server.client() as nc:
            nc.make_stream("T_ALARMS", ["cention.alarm.>"])
            for seed in (17, 18):
                nc.make_stream(stream_of(seed), ["cention.audit." + log_of(seed)])
        one = drive(server.url_of("one", "of-the-test"), count=5000)
        one.feed(5000)
        one.say("alarm")
        one.end()
        check_stream(server, 5000)
        # Nobody ships another host's log, nor reads it.
        thief = drive(server.url_of("two", "of-the-test"), count=5001, fork=2)
        line = thief.wait_line("^lost .*[Pp]ermissions.[Vv]iolation.*").group(0)
        assert "of-the-test" not in line
        thief.quit()
        assert "ready" not in thief.log
        check_stream(server, 5000)
        auditor = server.url_of("auditor", "of-the-test") + "/T"
        assert read("read", auditor, 17, 1)[1].startswith("records 5000 first 1 last 5000")
        assert read("read", auditor, 17, 4000)[1].startswith("records 1001 first 4000 last 5000")
        assert sorted(read("logs", auditor)[1].splitlines()) == [
            "log %s here.example 5000 1 5000" % log_of(17), "log %s  0 0 0" % log_of(18)]
        until(lambda: "alarm behind" in read("alarms", auditor)[1])
        code, _, err = read("logs", server.url_of("one", "of-the-test") + "/T")
        assert code == 2 and "of-the-test" not in err


def test_a_host_may_be_let_make_its_stream(tmp_path, drive):
    with Cluster(tmp_path / "nats", nodes=1, users=users(one=MAKE),
                 admin=("admin", "of-the-test")) as server:
        denied = drive(server.url_of("two", "of-the-test"), seed=18, count=10)
        denied.wait_line(r"^lost .*making the stream T_ALARMS.*Permissions Violation")
        denied.quit()
        one = drive(server.url_of("one", "of-the-test"), count=100)
        one.feed(100)
        one.end()
        check_stream(server, 100)
        wrong = drive(server.url_of("one", "mistaken"), count=100)
        assert "mistaken" not in wrong.wait_line("^lost .*").group(0)
        wrong.quit()


def test_tls(tmp_path, drive, authority, monkeypatch):
    certificate = Certificate(*authority.issue("nats"), authority.file)
    with Cluster(tmp_path / "nats", nodes=1, tls=certificate) as server:
        port = server.ports[0]
        for url in (server.url, "tls://127.0.0.1:%d" % port):
            host = drive(url, count=1000, ca=authority.file)
            host.feed(1000)
            host.end()
        check_stream(server, 1000)
        assert read("read", "%s/T?ca=%s" % (server.url, authority.file), 17, 1)[1].startswith(
            "records 1000 ")
        # Without a setting the system's store counts.
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
        for url, name in (("tls://localhost:%d" % port, True), ("nats://localhost:%d" % port, True),
                          ("tls://127.1:%d" % port, False), ("nats://127.1:%d" % port, False)):
            host = drive(url, count=1000)
            host.wait_line("^ready 1000" if name else "^lost .*hostname mismatch")
            host.end() if name else host.quit()
        monkeypatch.delenv("SSL_CERT_FILE")
        for scheme in ("tls", "nats"):
            host = drive("%s://localhost:%d" % (scheme, port), count=1000)
            host.wait_line("^lost .*SSL handshake error.*certificate")
            host.quit()


def test_tls_that_the_server_has_not(server, drive, authority):
    host = drive("tls://127.0.0.1:%d" % server.ports[0], count=10, ca=authority.file)
    host.wait_line("^lost .*Secure Connection not available")
    host.quit()
    assert "ready" not in host.log


def test_others_are_tried(tmp_path, drive):
    """Any server of the URL will do; no more is needed than one that is there."""
    with Cluster(tmp_path / "nats", nodes=1) as server:
        host = drive("nats://127.0.0.1:1,127.0.0.1:%d" % server.ports[0], count=2000)
        host.feed(1000)
        host.acknowledged()
        server.kill(0)
        host.wait_line("^lost ")
        host.feed(1000)
        server.start_node(0)
        host.end()
        check_stream(server, 2000)


def test_a_server_that_hangs(tmp_path, drive):
    """Neither the loop nor the end waits for it."""
    with Cluster(tmp_path / "nats", nodes=1) as server:
        host = drive(server.url, count=2000)
        host.feed(1000)
        host.acknowledged()
        server.pause(0)
        host.feed(1000)
        host.wait_line("^lost .*acknowledges nothing for 5 s", 20)
        host.quit()
        server.pause(0, False)
        again = drive(server.url, count=2000)
        again.feed(2000)
        again.end()
        check_stream(server, 2000)


def test_what_the_centre_lost_is_shipped_again(server, drive):
    """It is waited for, for a while; then the stream's word counts."""
    host = drive(server.url, count=3000)
    host.feed(1000)
    host.acknowledged()
    with server.client() as nc:
        nc.api("STREAM.DELETE." + stream_of(17))
    host.feed(1)
    host.wait_line("^lost .*ends with message 0, but had acknowledged 1000", 30)
    host.feed(1999)
    host.end()
    assert [re.match(r"ready (\d+)", line).group(1) for line in host.log.splitlines()
            if line.startswith("ready")] == ["0", "0"]
    check_stream(server, 3000)


def test_read_nothing(server):
    assert read("logs", server.url + "/T") == (0, "", "")
    assert read("alarms", server.url + "/T") == (0, "", "")
    assert read("read", server.url + "/T", 17, 1)[1].startswith("records 0 ")
    code, _, err = read("logs", "nats://user:of-the-test@127.0.0.1:1/T")
    assert code == 2 and "127.0.0.1:1" in err and "of-the-test" not in err


def test_read_what_is_no_alarm(server):
    with server.client() as nc:
        nc.make_stream("T_ALARMS", ["cention.alarm.>"])
        nc.stored("cention.alarm.x", json.dumps({"log": 5}).encode())
    assert read("alarms", server.url + "/T")[1].startswith("alarm unreadable ")


def test_an_alarm_about_another_log(server, drive):
    """A host's user may only speak of its own log: the subject is what the server has allowed."""
    host = drive(server.url, count=10)
    host.wait_line("^ready")
    host.say("alarm")
    until(lambda: read("alarms", server.url + "/T")[1])
    host.quit()
    with server.client() as nc:
        message, = nc.messages("T_ALARMS")
        other = "ab" * 32
        nc.stored("cention.alarm.%s.x" % other, message.data)
    told = read("alarms", server.url + "/T")[1].splitlines()
    assert [line.split()[1] for line in told] == ["behind", "unreadable"]
