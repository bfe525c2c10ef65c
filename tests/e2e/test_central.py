"""Three hosts, a PostgreSQL with a quorum standby and a cluster of NATS, all real: what the hosts
recorded is at both centres, every record once and in order, whatever ended in between.

CENTION_CENTRAL_CHANGES=20000 is how many changes the long test makes (CENTION_SEED repeats one).
"""
import collections
import concurrent.futures
import os
import random
import signal
import threading
import time

import pytest

import central
import speed
import trail
from central import Shipper
from nats_cluster import Cluster, needs_nats
from pg_server import Cluster as Servers
from rig import until

CHANGES = int(os.environ.get("CENTION_CENTRAL_CHANGES", 1500))
SEED = int(os.environ.get("CENTION_SEED", time.time_ns() % 10 ** 6))
HOSTS = 3
STEPS = max(3, CHANGES // 1000)

pytestmark = [needs_nats, pytest.mark.skipif(bool(speed.missing()), reason=speed.missing() or "-")]


@pytest.fixture
def upstream():
    with speed.Upstream() as server:
        yield server


@pytest.fixture
def cluster(tmp_path):
    with Cluster(tmp_path / "nats") as nodes:
        yield nodes


class Hosts:
    """Daemon sets that ship, and the longest lag that was seen of any."""

    def __init__(self, make_rig, url, sinks, folder, n=HOSTS, **keeper):
        self.rigs = [make_rig(url=url, ca_file="", keeper=keeper).start() for _ in range(n)]
        self.shippers = [Shipper(folder / ("ship%d" % i), rig.audit_folder, sinks, "host-%d" % i)
                         for i, rig in enumerate(self.rigs)]
        self.longest = (0.0, 0.0)
        self.ended = threading.Event()
        self.watcher = threading.Thread(target=self._watch, daemon=True)
        for shipper in self.shippers:
            shipper.start()
        self.watcher.start()

    def _watch(self):
        while not self.ended.wait(0.2):
            for shipper in self.shippers:
                lag = shipper.lag()
                if lag:
                    self.longest = tuple(map(max, self.longest, lag))

    def change(self, n, chaos, connections=8):
        """At least so many changes in all, spread over the hosts, in steps between which something
        ended. Those that were answered are counted; what the last of a step cut off is made again."""
        def one(rig, seen):
            before = rig.metric("cention_requests_total")
            return speed.load(rig.port, connections, 120, lambda: rig.metric(
                "cention_requests_total") - before >= enough - seen + connections)["requests"]

        made = [0] * len(self.rigs)
        with concurrent.futures.ThreadPoolExecutor(HOSTS) as pool:
            for step in range(1, STEPS + 1):
                enough = -(-n * step // STEPS // HOSTS)
                made = list(map(sum, zip(made, pool.map(one, self.rigs, made))))
                until(lambda: chaos.error or len(chaos.done) >= step, 120, "something to end")
        assert sum(made) >= n, made
        return sum(made)

    def quiet(self):
        """Stops the keepers, so that the logs have an end."""
        for rig in self.rigs:
            rig.stop()

    def stop(self):
        self.ended.set()
        self.watcher.join(10)
        for shipper in self.shippers:
            shipper.stop()


def same(log, seen, wanted, where):
    """Record by record: nothing lost, nothing twice, nothing else, in order."""
    assert len(seen) == len(wanted), "%s: %d records of %d of %s" % (
        where, len(seen), len(wanted), log[:16])
    for one, other in zip(seen, wanted):
        assert one == other, (where, one, other)


class Chaos:
    """One thing after another ends and comes back, until stopped. `acts` are functions that take a
    random.Random, do one such thing to its end and return its name."""

    def __init__(self, *acts):
        self.random, self.acts, self.done = random.Random(SEED), acts, []
        self.error, self.ended = None, threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *what):
        self.ended.set()
        self.thread.join(120)
        assert not self.thread.is_alive() and not self.error, (SEED, self.error)

    def _run(self):
        try:
            while not self.ended.wait(self.random.uniform(0.2, 1.0)):
                self.done.append(self.random.choice(self.acts)(self.random))
        except Exception as error:  # told where the test can see it
            self.error = repr(error)

    def counts(self):
        return dict(collections.Counter(self.done))


def nats_node(cluster):
    def act(rng):
        node = rng.randrange(cluster.n)
        cluster.kill(node)
        time.sleep(rng.uniform(0.0, 1.5))  # down for some time: that is the test
        cluster.start_node(node)
        cluster.wait_ready()
        return "nats"
    return act


def everywhere(hosts, seconds=60):
    """Every record of every log is acknowledged by every sink; the logs."""
    logs = [central.local(rig.audit_folder) for rig in hosts.rigs]

    def there():
        for shipper, (_, records) in zip(hosts.shippers, logs):
            values = shipper.metrics()
            seqs = [v for k, v in values.items() if k.startswith("cention_ship_acknowledged_seq{")]
            if seqs != [len(records)] * len(shipper.settings["sinks"]):
                return False
        return True
    began = time.monotonic()
    try:
        until(there, seconds, "every record at every centre")
    except AssertionError as error:
        raise AssertionError("%s: seed %d, of %s records:\n%s" % (
            error, SEED, [len(records) for _, records in logs], "\n".join(
                shipper.ask("/readyz")[1] + shipper.daemon.log[-3000:]
                for shipper in hosts.shippers))) from None
    return logs, time.monotonic() - began


def archive_server(servers):
    """Kills the primary or a standby and starts it again; or promotes a standby and builds the old
    primary anew."""
    def act(rng):
        which = rng.choice(("primary", "standby", "promote"))
        standbys = [s for s in servers.servers if s is not servers.primary]
        if which == "promote":
            old = servers.primary
            old.kill()
            servers.promote(max(standbys, key=lambda s: s.psql(
                "SELECT greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) - '0/0'::pg_lsn",
                database="postgres")))
            servers.build(old)
        else:
            server = servers.primary if which == "primary" else rng.choice(standbys)
            server.kill()
            time.sleep(rng.uniform(0.0, 1.0))  # down for some time: that is the test
            server.start()
            servers.wait_synchronous()
        return "archive: " + which
    return act


def shipper(hosts):
    def act(rng):
        one = rng.choice(hosts.shippers)
        one.kill()
        one.start()
        return "shipper"
    return act


def servers_state(servers):
    return "\n".join(
        [server.name + ("" if server is not servers.primary else " (primary):\n" + server.psql(
            "SELECT application_name, state, sync_state, flush_lsn FROM pg_stat_replication; "
            "SELECT pid, usename, state, wait_event, left(query, 60) FROM pg_stat_activity "
            "WHERE wait_event IS NOT NULL AND backend_type = 'client backend'")) +
         "\n" + server.tail() for server in servers.servers])


def sinks_of(servers, cluster):
    url = servers.role("shipper")
    return [{"name": "archive", "type": "postgresql", "url": url, "passfile": servers.passfile,
             "receipt": True},
            {"name": "spread", "type": "nats", "url": cluster.url}]


def test_every_record_once_whatever_ends(make_rig, tmp_path, upstream, cluster):
    with Servers(standbys=2) as servers:
        hosts = Hosts(make_rig, upstream.url, sinks_of(servers, cluster), tmp_path)
        try:
            with Chaos(nats_node(cluster), archive_server(servers), shipper(hosts)) as chaos:
                made = hosts.change(CHANGES, chaos)
            hosts.quiet()
            try:
                logs, drained = everywhere(hosts)
            except AssertionError as error:
                raise AssertionError("%s\n%s\n%s" % (error, chaos.done, servers_state(servers))) \
                    from None
        finally:
            hosts.stop()
        for log, records in logs:
            same(log, central.archived(servers, log), records, "archive")
            same(log, central.streamed(cluster, log), records, "stream")
        print(made, "changes of", HOSTS, "hosts,", sum(len(r) for _, r in logs), "records; ended:",
              chaos.counts(), "longest lag: %d records, %.1f s;" % hosts.longest,
              "the rest was there after %.1f s" % drained)


def test_the_shipper_ends_again_and_again(make_rig, tmp_path, upstream, cluster):
    """kill -9, CENTION_SHIP_KILLS times, under load."""
    kills = int(os.environ.get("CENTION_SHIP_KILLS", 10))
    with Servers() as servers:
        sinks = sinks_of(servers, cluster)
        sinks[0]["standby"] = False
        hosts = Hosts(make_rig, upstream.url, sinks, tmp_path, n=1)
        rng, one = random.Random(SEED), hosts.shippers[0]
        try:
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                stop = threading.Event()
                load = pool.submit(speed.load, hosts.rigs[0].port, 8, 600, stop.is_set)
                try:
                    shipping = 0  # kills of one that had shipped something since its start
                    for _ in range(kills):
                        # Mostly while it ships, at times while it only connects.
                        if rng.random() < 0.8:
                            shipping += 1
                            until(lambda: (one.metrics_or_none() or {}).get("records", 0) > 0, 60,
                                  "a record that is shipped")
                        else:
                            time.sleep(rng.uniform(0.0, 0.1))
                        one.kill()
                        one.start()
                finally:
                    stop.set()
                made = load.result()["requests"]
            hosts.quiet()
            logs, drained = everywhere(hosts)
        finally:
            hosts.stop()
        for log, records in logs:
            same(log, central.archived(servers, log), records, "archive")
            same(log, central.streamed(cluster, log), records, "stream")
        print(kills, "kills,", shipping, "while shipping;", made, "changes,", len(logs[0][1]),
              "records; the rest was there after %.1f s" % drained)


def test_an_archive_that_is_away(make_rig, tmp_path, upstream):
    """Requests go on for CENTION_CENTRAL_AWAY seconds; then what has piled up is shipped."""
    away = float(os.environ.get("CENTION_CENTRAL_AWAY", 4))
    with Servers() as servers:
        url = servers.role("shipper")
        hosts = Hosts(make_rig, upstream.url, [{
            "name": "archive", "type": "postgresql", "url": url, "passfile": servers.passfile,
            "standby": False, "receipt": True}], tmp_path, n=1)
        one = hosts.shippers[0]
        try:
            one.wait_ready()
            servers.primary.stop(signal.SIGQUIT)
            began = time.monotonic()
            load = speed.load(hosts.rigs[0].port, 16, 600,
                              lambda: time.monotonic() - began > away)
            assert load["failed"] == 0
            hosts.quiet()
            waiting = one.lag()[0]
            servers.primary.start()
            until(lambda: servers.primary.psql(  # it is back, and the first batch, too
                "SELECT count(*) > 0 FROM cention_audit.record WHERE seq > 1000") == "t", 60)
            began, first = time.monotonic(), one.lag()[0]
            logs, _ = everywhere(hosts, 300)
            took = time.monotonic() - began
        finally:
            hosts.stop()
        (log, records), = logs
        same(log, central.archived(servers, log), records, "archive")
        print("%d changes in %.0f s without the archive; %d records waited, drained at %.0f "
              "records a second" % (load["requests"], away, waiting, first / took))


def test_the_quota_is_reached_and_left(make_rig, tmp_path, upstream):
    """While the archive is away so much piles up that new requests are refused; then not any more."""
    with Servers() as servers:
        url = servers.role("shipper")
        rig = make_rig(url=upstream.url, ca_file="")
        one = Shipper(tmp_path / "ship", rig.audit_folder, [{
            "name": "archive", "type": "postgresql", "url": url, "passfile": servers.passfile,
            "standby": False, "receipt": True}])
        rig.keeper_settings["audit"].update(receipts=[one.state / "archive.receipt"],
                                            quota=1000000, segment_bytes=200000, keep_segments=2)
        rig.write_conf()
        rig.start()
        one.start().wait_ready()
        try:
            servers.primary.stop(signal.SIGQUIT)
            until(lambda: speed.load(rig.port, 8, 600, lambda: rig.admin("/readyz").status == 503),
                  60, "the quota")
            answer = rig.call("POST", "/v1/org", {"name": "Support"})
            assert (answer.status, answer.json["code"]) == (503, "audit_unavailable"), answer.body
            assert b"audit.quota" in answer.body, answer.body
            before = len(trail.segments(rig.audit_folder))
            assert before > 4  # nothing that waits was removed
            servers.primary.start()
            rig.wait_ready()
            assert rig.call("POST", "/v1/org", {"name": "Support"}).status == 200
            until(lambda: len(trail.segments(rig.audit_folder)) <= 2, 60, "what has a receipt to go")
        finally:
            one.stop()
        rig.stop()
        one.start()
        log, records = central.local(rig.audit_folder)
        until(lambda: one.metrics_or_none() and one.lag()[0] == 0 and one.acknowledged() ==
              records[-1][1], 60, "the rest")
        one.stop()
        seen = central.archived(servers, log)
        assert [seq for _, seq, _, _ in seen] == list(range(1, records[-1][1] + 1))
        same(log, seen[-len(records):], records, "archive")
