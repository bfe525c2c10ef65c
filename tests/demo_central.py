"""The central audit, shown: see demo-central.sh, which installs, builds and calls this.

Three hosts, each a keeper, a proxy and a shipper in its own folder; PostgreSQL with a quorum of two
standbys; three nats-servers; a look-alike of the API. All on loopback, all gone at the end.
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time

TOP = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(TOP / "e2e"), str(TOP)]

import central  # noqa: E402
import leaks  # noqa: E402
import nats_cluster  # noqa: E402
import pg_server  # noqa: E402
from lookalike import Authority, LookAlike  # noqa: E402
from rig import KEYS, Rig, program, until  # noqa: E402

HOSTS = ("berlin", "lund", "oslo")
CHANGES = int(os.environ.get("CENTION_DEMO_CHANGES", 60))  # of each host, in each of three parts


def say(text):
    print("\n\033[1m%s\033[0m" % text if sys.stdout.isatty() else "\n" + text, flush=True)


class Host:
    def __init__(self, name, folder, url, authority, sinks):
        folder.mkdir(mode=0o700)
        state = folder / "ship" / "state"
        state.mkdir(parents=True)
        self.name = name
        self.rig = Rig(folder, url, authority.file)
        self.rig.keeper_settings["audit"].update(
            segment_bytes=65536, compress=True, receipts=[state / "archive.receipt"], quota=67108864)
        self.rig.write_conf()
        self.rig.start()
        self.shipper = central.Shipper(folder / "ship", self.rig.audit_folder, sinks, name).start()
        self.made = 0

    def change(self, n):
        connection = self.rig.connection()
        for i in range(n):
            body = {"name": "%s %d" % (self.name, self.made), "time_zone": "CET", "active": i % 2 == 0}
            answer = self.rig.call("POST", "/v1/org", body, connection=connection)
            assert answer.status == 200, answer.body
            self.made += 1
        connection.close()

    def wait_shipped(self):
        """Every record that is in the log now is acknowledged by both centres."""
        records = len(central.local(self.rig.audit_folder)[1])

        def there():
            seqs = [v for k, v in self.shipper.metrics().items()
                    if k.startswith("cention_ship_acknowledged_seq{")]
            return len(seqs) == 2 and min(seqs) >= records
        until(there, 90, "%s: all is at both centres: %s" % (self.name, self.shipper.ask("/readyz")[1]))
        return records

    def stop(self):
        for daemon in (self.rig.proxy, self.rig.keeper, self.shipper.daemon):
            if daemon and daemon.process.poll() is None:
                daemon.stop()


def changes(hosts, meanwhile=None):
    """On all hosts at once; what happens meanwhile begins when a third of it is made."""
    failed = []

    def run(host):
        try:
            host.change(CHANGES)
        except Exception as why:  # pylint: disable=broad-except
            failed.append("%s: %r" % (host.name, why))

    wanted = sum(host.made for host in hosts) + CHANGES * len(hosts) // 3
    threads = [threading.Thread(target=run, args=(host,)) for host in hosts]
    for thread in threads:
        thread.start()
    if meanwhile:
        until(lambda: failed or sum(host.made for host in hosts) >= wanted, 60, "changes are made")
        meanwhile()
    for thread in threads:
        thread.join()
    assert not failed, failed


def ctl(passfile, *arguments, quiet=False):
    command = ["audit", *map(str, arguments)]
    if not quiet:
        print("$ cention-proxyctl " + " ".join(command), flush=True)
    return subprocess.run([program("cention-proxyctl"), *command], text=True, check=False, timeout=120,
                          env=dict(os.environ, PGPASSFILE=str(passfile), NO_COLOR="1", COLUMNS="110"),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def promote(pg):
    old = pg.primary
    old.kill()
    best = max((s for s in pg.servers if s is not old), key=lambda s: s.psql(
        "SELECT greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) - '0/0'::pg_lsn",
        database="postgres"))
    pg.promote(best)
    print("%s, the primary, was killed; %s is promoted" % (old.name, best.name))


def compare(hosts, pg, nodes):
    """Every record of every host's log at both centres, once, byte for byte; how many."""
    total = 0
    for host in hosts:
        log, records = central.local(host.rig.audit_folder)
        rows = pg.primary.psql("SELECT line FROM cention_audit.record WHERE log = decode('%s', 'hex') "
                               "ORDER BY seq, epoch" % log).encode().split(b"\n")
        messages = [line for _, _, _, line in central.streamed(nodes, log)]
        here = [line for _, _, _, line in records]
        # Signatures go on meanwhile: what was there is compared.
        n = min(len(here), len(rows), len(messages))
        assert here[:n] == rows[:n] == messages[:n], host.name
        assert max(len(here), len(rows), len(messages)) - n < 5, host.name
        print("%-8s %6d records, each once and byte for byte in PostgreSQL and in the stream" % (host.name, n))
        total += n
    return total


def verify(passfile, url, *more):
    """Shown when it is sound: the last records are signed within a second."""
    deadline = time.monotonic() + 20
    while ctl(passfile, "verify", "--from", url, *more, quiet=True).returncode != 0:
        if time.monotonic() > deadline:
            break
        time.sleep(0.2)
    done = ctl(passfile, "verify", "--from", url, *more)
    print(done.stdout, end="", flush=True)
    assert done.returncode == 0, "verify: exit status %d" % done.returncode


def run(folder, stack):
    say("3. Starting PostgreSQL with two standbys, three nats-servers, the look-alike API and three hosts")
    authority = Authority(folder / "ca")
    api = stack.enter(LookAlike(KEYS, authority.issue()))
    pg = stack.enter(pg_server.Cluster(standbys=2))
    nodes = stack.enter(nats_cluster.Cluster(folder / "nats"))
    reader = pg.role("auditor", "cention_auditor")
    urls = {name: pg.role("host_" + name) for name in HOSTS}
    hosts = []
    for name in HOSTS:
        sinks = [{"name": "archive", "type": "postgresql", "url": urls[name] +
                  "&target_session_attrs=read-write", "passfile": pg.passfile, "receipt": True},
                 {"name": "stream", "type": "nats", "url": nodes.url}]
        hosts.append(Host(name, folder / name, api.url, authority, sinks))
        stack.callback(hosts[-1].stop)
    for host in hosts:
        host.shipper.wait_ready(60)
        print("%s: http://127.0.0.1:%d, ships to both centres" % (host.name, host.rig.port))

    say("4. Changes on all hosts")
    changes(hosts)
    print("%d changes" % sum(host.made for host in hosts))
    heads = folder / "heads"

    say("5. More changes; meanwhile a nats-server is killed")
    changes(hosts, lambda: (nodes.kill(1), print("node n1 was killed")))

    say("6. More changes; meanwhile the archive's primary is killed and a standby promoted")
    changes(hosts, lambda: promote(pg))
    print("%d changes, all answered with success" % sum(host.made for host in hosts))
    for host in hosts:
        print("%-8s %d records, all acknowledged by both centres" % (host.name, host.wait_shipped()))
    nodes.start_node(1)
    nodes.wait_ready()
    # Until it has caught up it may answer with less than the others have.
    for host in hosts:
        nodes.wait_stream("CENTION_AUDIT_" + central.local(host.rig.audit_folder)[0][:16])
    print("node n1 is back, and whole")
    heads.write_text(ctl(pg.passfile, "head", "--from", reader, quiet=True).stdout)

    say("7. One trail of all hosts")
    for url in (reader, nodes.url):
        done = ctl(pg.passfile, "show", "--from", url, "--table", "-n", "9")
        print(done.stdout, flush=True)
        assert done.returncode == 0
    shown = [ctl(pg.passfile, "show", "--from", url, "--json", quiet=True).stdout for url in (reader, nodes.url)]
    assert shown[0] == shown[1], "the centres tell different trails"
    print("%d requests and other records; both centres tell the same" % shown[0].count("\n"))

    say("8. Verified from the centres, up to the heads that were taken")
    for url in (reader, nodes.url):
        verify(pg.passfile, url, "--head", heads)

    say("9. Record by record against the hosts' own logs")
    total = compare(hosts, pg, nodes)
    made = sum(host.made for host in hosts)
    accepted = len(api.accepted)
    print("%d changes, %d accepted by the API; %d records" % (made, accepted, total))
    assert made == accepted == 3 * CHANGES * len(HOSTS) and total >= 2 * made


class Stack:
    """Ends what was begun, the last first, whatever fails."""

    def __init__(self):
        self.ends = []

    def enter(self, manager):
        value = manager.__enter__()
        self.ends.append(lambda: manager.__exit__(None, None, None))
        return value

    def callback(self, function):
        self.ends.append(function)

    def end(self):
        while self.ends:
            try:
                self.ends.pop()()
            except Exception as why:  # pylint: disable=broad-except
                print("at the end: %r" % why, file=sys.stderr)


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="cention-demo-"))
    stack = Stack()
    leaks.begin()
    try:
        run(folder, stack)
    finally:
        stack.end()
        shutil.rmtree(folder, ignore_errors=True)
    print("\nThree hosts, one trail, nothing lost, nothing twice.")


if __name__ == "__main__":
    main()
