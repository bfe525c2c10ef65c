"""Hosts that ship their audit logs, and what a centre then must hold: every record, once, in order."""
import http.client
import json
import pathlib
import socket

import trail
from rig import Daemon, UnixConnection, check_log, program, settings, until


class Shipper:
    """A cention-shipd for the audit folder of one host. `sinks` are dictionaries of ship.conf."""

    def __init__(self, folder, audit, sinks, host="host", **more):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(exist_ok=True)
        self.state = self.folder / "state"
        self.state.mkdir(exist_ok=True)
        self.audit, self.conf = pathlib.Path(audit), self.folder / "ship.conf"
        self.socket = self.folder / "admin.sock"
        self.settings = {"audit": self.audit, "state": self.state, "host": host,
                         "admin": self.socket, "sinks": list(sinks), **more}
        self.daemon, self.daemons = None, []

    def start(self):
        self.conf.write_text(settings(self.settings))
        self.daemon = Daemon(program("cention-shipd"), "-c", str(self.conf))
        self.daemons.append(self.daemon)
        return self

    def kill(self):
        self.daemon.kill()

    def stop(self):
        if self.daemon and self.daemon.process.poll() is None:
            assert self.daemon.stop() == 0, self.daemon.log
        for daemon in self.daemons:
            check_log(daemon.log)

    def ask(self, path):
        connection = UnixConnection(str(self.socket), 10)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def metrics(self):
        """{"name{labels}": number}"""
        text = self.ask("/metrics")[1]
        return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1])
                for line in text.splitlines() if line and not line.startswith("#")}

    def metrics_or_none(self):
        """The smallest of each over the sinks, by the name's last word; None: it doesn't answer."""
        try:
            values = self.metrics()
        except (OSError, http.client.HTTPException):
            return None
        return {"records": min([v for k, v in values.items()
                                if k.startswith("cention_ship_records_total{")], default=0)}

    def acknowledged(self):
        """The last record that every sink's centre has."""
        return min(v for k, v in self.metrics().items()
                   if k.startswith("cention_ship_acknowledged_seq{"))

    def lag(self):
        """The largest of any sink: (records, seconds); None while it can't be asked."""
        try:
            values = self.metrics()
        except (OSError, http.client.HTTPException, socket.timeout):
            return None
        return tuple(max([v for k, v in values.items() if k.startswith(name + "{")], default=0.0)
                     for name in ("cention_ship_lag_records", "cention_ship_lag_seconds"))

    def wait_ready(self, seconds=30):
        def ready():
            try:
                return self.ask("/readyz")[0] == 200
            except OSError:
                return False
        until(ready, seconds, "readiness of the shipper: " + self.daemon.log[-2000:])
        return self


def local(folder):
    """(identity, [(epoch, seq, hash, line)]) of a log in its folder."""
    log, epoch, records = None, 0, []
    for path in trail.segments(folder):
        for line in trail.content(path).splitlines():
            record = json.loads(line)
            if record["type"] == "segment":
                log, epoch = record["log"], record["epoch"]
            records.append((epoch, record["seq"], record["h"], line))
            if record["type"] == "epoch":
                epoch += 1
    return log, records


def shown(text):
    """The records in what `audit show --from` has printed, without the hosts' names, in the log's order:
    an intent is shown with its outcome, behind what was recorded between them."""
    lines = [b"{" + line.partition(b",")[2] for line in text.splitlines()]
    return sorted(lines, key=lambda line: json.loads(line)["seq"])


def streamed(cluster, log, prefix="CENTION_AUDIT"):
    """The same of a log's stream."""
    records = []
    with cluster.client() as client:
        for message in client.messages("%s_%s" % (prefix, log[:16])):
            name, epoch, seq, digest = message.headers["Nats-Msg-Id"].split("/")
            assert name == log, message.headers
            records.append((int(epoch), int(seq), digest, message.data))
    return records


def archived(servers, log):
    """The same of a log in the archive (pg_server.Cluster), in the order of its key."""
    rows = servers.primary.psql(
        "SELECT epoch, seq, encode(hash, 'hex'), encode(convert_to(line, 'UTF8'), 'hex') "
        "FROM cention_audit.record WHERE log = '\\x%s' ORDER BY seq, epoch" % log)
    rows = (row.split("|") for row in rows.splitlines())
    return [(int(epoch), int(seq), digest, bytes.fromhex(line)) for epoch, seq, digest, line in rows]
