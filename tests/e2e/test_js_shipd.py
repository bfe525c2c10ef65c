"""cention-shipd with a NATS cluster: what a host's daemons record is in its stream, line by line."""
import base64
import collections
import itertools
import json
import pathlib
import socket
import subprocess
import threading

import pytest

import nats_jwt
import trail
from central import shown
from nats_cluster import Cluster, NatsError, needs_nats
from rig import Daemon, needs_signatures, program, until

pytestmark = [needs_nats, pytest.mark.skipif(not pathlib.Path(program("cention-shipd")).exists(),
                                             reason="no cention-shipd in this build")]


@pytest.fixture
def shipd(tmp_path):
    """shipd(rig, cluster, ...) ships the rig's log; it is ended with the test."""
    daemons = []

    def start(rig, cluster, replicas=1, **more):
        state = tmp_path / "ship"
        state.mkdir(exist_ok=True)
        conf = tmp_path / "ship.conf"
        settings = {"name": "stream", "type": "nats", "url": cluster.url, **more}
        lines = ["%s = %s;" % (k, json.dumps(v)) for k, v in settings.items()]
        conf.write_text('audit = "%s";\nstate = "%s";\nsinks = ( { %s replicas = %d; } );\n' % (
            rig.audit_folder, state, " ".join(lines), replicas))
        daemons.append(Daemon(program("cention-shipd"), "-c", str(conf)))
        return daemons[-1]

    yield start
    for daemon in daemons:
        if daemon.process.poll() is None:
            assert daemon.stop() == 0, daemon.log
        assert "sandbox_denied" not in daemon.log and "Sanitizer" not in daemon.log, daemon.log


def local(rig):
    return [line for segment in trail.segments(rig.audit_folder)
            for line in trail.content(segment).splitlines()]


def shipped(cluster):
    """What is in the stream; nothing while it has no leader that would tell."""
    try:
        with cluster.client() as nc:
            names = [n for n in nc.streams() if n.startswith("CENTION_AUDIT_") and "ALARMS" not in n]
            return [m.data for m in nc.messages(names[0])] if names else []
    except (NatsError, OSError):
        return []


def change(rig, n=20):
    for _ in range(n):
        assert rig.call("POST", "/v1/org", {"name": "n"}).status == 200


def test_all_of_a_log(rig, tmp_path, shipd):
    """Though each server is killed once: the stream has the log's lines, and no other."""
    with Cluster(tmp_path / "nats") as cluster:
        daemon = shipd(rig, cluster, replicas=3)
        for node in range(3):
            change(rig)
            until(lambda: shipped(cluster) == local(rig), 60, "all of the log in the stream")
            cluster.kill(node)
            change(rig)
            cluster.start_node(node)
            cluster.wait_ready()
        until(lambda: shipped(cluster) == local(rig), 60, "all of the log in the stream")
        assert daemon.stop() == 0
        # The tool proves it from there, whichever server it asks.
        for url in (cluster.url, cluster.url.split(",")[2]):
            done = subprocess.run([program("cention-proxyctl"), "audit", "verify", "--from", url],
                                  capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, done.stdout + done.stderr
            host = done.stdout.splitlines()[1].split()
            assert host[1][:8] == json.loads(local(rig)[0])["log"][:8]
            assert (host[2], host[-1]) == (str(len(local(rig))), "sound")


def test_killed_again_and_again(rig, tmp_path, shipd):
    with Cluster(tmp_path / "nats", nodes=1) as cluster:
        for _ in range(10):
            daemon = shipd(rig, cluster)
            before = len(local(rig))
            change(rig)
            until(lambda: len(shipped(cluster)) > before)
            daemon.kill()
        shipd(rig, cluster)
        until(lambda: shipped(cluster) == local(rig), 30, "all of the log in the stream")


def test_tls_from_within_the_sandbox(rig, tmp_path, shipd, authority):
    """Its files are found again when it connects anew."""
    certificate = collections.namedtuple("Certificate", "cert key ca")(
        *authority.issue("nats"), authority.file)
    with Cluster(tmp_path / "nats", nodes=1, tls=certificate) as cluster:
        shipd(rig, cluster, ca=str(authority.file))
        change(rig)
        until(lambda: shipped(cluster) == local(rig), 30, "all of the log in the stream")
        cluster.kill(0)
        change(rig)
        cluster.start_node(0)
        until(lambda: cluster._ready(0) and shipped(cluster) == local(rig), 30, "all of the log")


def host_permissions(log):
    """Those of doc/central.md."""
    short = log[:16]
    info, create = "$JS.API.STREAM.INFO.CENTION_AUDIT_", "$JS.API.STREAM.CREATE.CENTION_AUDIT_"
    return {"publish": ["cention.audit." + log, "cention.alarm.%s.>" % log, info + short,
                        "$JS.API.STREAM.MSG.GET.CENTION_AUDIT_" + short, info + "ALARMS",
                        create + short, create + "ALARMS"],
            "subscribe": ["cention.reply.%s.>" % short]}


AUDITOR = {"publish": ["$JS.API.STREAM.NAMES", "$JS.API.STREAM.INFO.*", "$JS.API.STREAM.MSG.GET.*",
                       "$JS.API.CONSUMER.CREATE.*", "$JS.API.CONSUMER.CREATE.*.>",
                       "$JS.API.CONSUMER.DELETE.*.*", "$JS.FC.>"], "subscribe": ["_INBOX.>"]}


@needs_signatures
def test_credentials_files(rig, tmp_path, shipd):
    """Of a host and of an auditor, who may do no more than they must; and a stranger's."""
    operator, other = nats_jwt.Operator(), nats_jwt.Operator()
    change(rig)
    log = json.loads(local(rig)[0])["log"]
    host, eve, stranger = (tmp_path / name for name in ("host.creds", "eve.creds", "other.creds"))
    host.write_text(operator.user("berlin", **host_permissions(log)).credentials())
    eve.write_text(operator.user("eve", **AUDITOR).credentials())
    stranger.write_text(other.user("mallory").credentials())
    with Cluster(tmp_path / "nats", nodes=1, settings=operator.settings()) as cluster:

        def audit(command, credentials, *more):
            return subprocess.run(
                [program("cention-proxyctl"), "audit", command, "--from",
                 "%s?credentials=%s" % (cluster.url, credentials), *more],
                capture_output=True, timeout=60)

        def there():
            return shown(audit("show", eve, "--all").stdout) == local(rig)

        denied = shipd(rig, cluster, credentials=str(stranger))
        denied.wait_line(r"event=sink_lost sink=stream .*")
        assert denied.stop() == 0
        nothing = audit("show", eve)
        assert (nothing.returncode, nothing.stdout) == (0, b""), nothing
        daemon = shipd(rig, cluster, credentials=str(host))
        until(there, 30, lambda: audit("verify", eve))
        cluster.kill(0)
        change(rig)
        cluster.start_node(0)
        cluster.wait_ready()
        until(there, 30, lambda: audit("verify", eve))
        assert audit("verify", eve).returncode == 0
        refused = audit("verify", stranger)
        assert refused.returncode == 2 and refused.stderr, refused
        nothing = audit("verify", tmp_path / "missing.creds")
        assert nothing.returncode == 2 and b"missing.creds" in nothing.stderr, nothing
        for secret in (host, eve, stranger):
            seed = secret.read_text().splitlines()[5].encode()
            assert seed.startswith(b"SU")
            assert seed not in (denied.log + daemon.log).encode() + refused.stderr


def nonce_of(user, zero):
    """A nonce whose signature begins, or does not, with a byte that is 0."""
    return next(n for n in ("nonce%d" % i for i in itertools.count())
                if (user.private.sign(n.encode())[0] == 0) == zero)


@needs_signatures
def test_a_signature_that_begins_with_zero(tmp_path):
    """The library leaves it out; the next connection, with another nonce, is asked for at once."""
    user = nats_jwt.Operator().user("eve")
    file = tmp_path / "eve.creds"
    file.write_text(user.credentials())
    seen = []

    def server(listening):
        for nonce in nonce_of(user, True), nonce_of(user, False):
            with listening.accept()[0] as connection:
                connection.settimeout(30)
                connection.sendall(b"INFO %s\r\n" % json.dumps({
                    "server_id": "s", "version": "2.9.10", "proto": 1, "auth_required": True,
                    "max_payload": 1048576, "nonce": nonce}).encode())
                with connection.makefile("rb") as lines:
                    seen.append((nonce, json.loads(lines.readline()[len(b"CONNECT "):]).get("sig")))
                    connection.sendall(b"-ERR 'Authorization Violation'\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(30)
        thread = threading.Thread(target=server, args=(listening,))
        thread.start()
        subprocess.run([program("cention-proxyctl"), "audit", "show", "--from",
                        "nats://127.0.0.1:%d?credentials=%s" % (listening.getsockname()[1], file)],
                       capture_output=True, timeout=60)
        thread.join()
    assert seen[0][1] is None  # else a later library does better, and needs no second try
    assert base64.urlsafe_b64decode(seen[1][1] + "==") == user.private.sign(seen[1][0].encode())
