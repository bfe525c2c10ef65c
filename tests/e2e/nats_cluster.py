"""A real NATS JetStream cluster of three servers (or one) on loopback, in a temporary folder, and a
small client for it, of the standard library alone.

    with Cluster(tmp_path / "nats") as cluster:
        cluster.kill(1); cluster.start_node(1); cluster.wait_ready()
        with cluster.client() as nc:
            nc.stream("CENTION_AUDIT_0011...")["state"]["messages"]
            for message in nc.messages(stream): message.sequence, message.headers, message.data
"""
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
import urllib.parse
import urllib.request

import pytest

from rig import free_ports

PROGRAM = shutil.which("nats-server") or shutil.which("nats-server", path="/usr/sbin:/sbin")
needs_nats = pytest.mark.skipif(not PROGRAM, reason="nats-server is not installed")


class NatsError(Exception):
    def __init__(self, text, code=0):
        super().__init__(text)
        self.code = code


class NoResponders(NatsError):
    pass


class Message:
    def __init__(self, subject, reply, headers, status, data):
        self.subject, self.reply, self.headers, self.status, self.data = (
            subject, reply, headers, status, data)
        self.sequence = self.time_ns = self.pending = None
        parts = (reply or "").split(".")
        if parts[:2] == ["$JS", "ACK"]:
            self.sequence, self.time_ns, self.pending = (
                int(parts[-4]), int(parts[-2]), int(parts[-1]))


def _headers(block):
    """(dictionary, status) of a message's header block."""
    lines = block.decode().split("\r\n")
    status = lines[0][len("NATS/1.0"):].strip().split(" ")[0]
    return {k: v.strip() for k, v in (line.split(":", 1) for line in lines[1:] if line)}, status


class Client:
    """One connection, one thread, blocking."""

    def __init__(self, port, user=None, password=None, context=None, seconds=10.0, inbox=None):
        self.seconds = seconds
        self.socket = socket.create_connection(("127.0.0.1", port), seconds)
        self.file = self.socket.makefile("rb")
        self.info = json.loads(self.file.readline()[len(b"INFO "):])
        if context:
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
            self.file = self.socket.makefile("rb")
        options = {"verbose": False, "pedantic": False, "headers": True, "no_responders": True,
                   "lang": "test", "version": "1", "protocol": 1}
        if user:
            options.update(user=user, **{"pass": password})
        self.next_sid, self.subs, self.error = 1, {}, None
        self.inbox = inbox or "_INBOX.%d%d" % (os.getpid(), time.monotonic_ns())
        self._send(b"CONNECT " + json.dumps(options).encode() + b"\r\nPING\r\n")
        while self._operation() != "PONG":
            pass

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.close()

    def close(self):
        self.file.close()
        self.socket.close()

    def _send(self, data):
        self.socket.sendall(data)

    def _operation(self):
        """Handles one; messages go into their subscription's list."""
        line = self.file.readline()
        if not line:
            raise NatsError("the server closed the connection: %s" % self.error)
        words = line.decode().split()
        name = words[0].upper()
        if name == "PING":
            self._send(b"PONG\r\n")
        elif name == "-ERR":
            self.error = line.decode().strip()
            raise NatsError(self.error)
        elif name in ("MSG", "HMSG"):
            sizes = [int(x) for x in words[-1 if name == "MSG" else -2:]]
            names = words[1:-len(sizes)]
            body = self.file.read(sizes[-1] + 2)[:-2]
            headers, status = {}, ""
            if name == "HMSG":
                headers, status = _headers(body[:sizes[0]])
                body = body[sizes[0]:]
            self.subs.get(names[1], []).append(
                Message(names[0], names[2] if len(names) > 2 else None, headers, status, body))
        return name

    def subscribe(self, subject):
        sid = str(self.next_sid)
        self.next_sid += 1
        self.subs[sid] = []
        self._send(("SUB %s %s\r\n" % (subject, sid)).encode())
        return sid

    def unsubscribe(self, sid):
        self._send(("UNSUB %s\r\n" % sid).encode())
        del self.subs[sid]

    def next(self, sid, seconds=None):
        self.socket.settimeout(seconds or self.seconds)
        while not self.subs[sid]:
            self._operation()
        return self.subs[sid].pop(0)

    def publish(self, subject, data=b"", headers=None, reply=""):
        block = b""
        if headers:
            block = b"NATS/1.0\r\n" + b"".join(
                ("%s: %s\r\n" % item).encode() for item in headers.items()) + b"\r\n"
        head = ("HPUB %s %s %d %d\r\n" % (subject, reply, len(block), len(block) + len(data))
                if headers else "PUB %s %s %d\r\n" % (subject, reply, len(data)))
        self._send(head.encode() + block + data + b"\r\n")

    def request(self, subject, data=b"", headers=None, seconds=None):
        inbox = "%s.%d" % (self.inbox, time.monotonic_ns())
        sid = self.subscribe(inbox)
        self.publish(subject, data, headers, inbox)
        try:
            answer = self.next(sid, seconds)
        except socket.timeout:
            raise NatsError("no answer to %s" % subject) from None
        self.unsubscribe(sid)
        if answer.status == "503":
            raise NoResponders("nobody answers %s" % subject)
        return answer

    def api(self, call, seconds=None, **members):
        answer = json.loads(self.request("$JS.API." + call,
                                         json.dumps(members).encode() if members else b"",
                                         seconds=seconds).data)
        if "error" in answer:
            raise NatsError(answer["error"].get("description", ""), answer["error"].get("err_code"))
        return answer

    def stored(self, subject, data, headers=None):
        """Publishes into a stream; its sequence there."""
        answer = json.loads(self.request(subject, data, headers).data)
        if "error" in answer:
            raise NatsError(answer["error"]["description"], answer["error"].get("err_code"))
        return answer["seq"]

    def stream(self, name, seconds=None):
        return self.api("STREAM.INFO." + name, seconds)

    def streams(self):
        return self.api("STREAM.NAMES").get("streams") or []

    def make_stream(self, name, subjects, **config):
        config = {"name": name, "subjects": subjects, "retention": "limits", "storage": "file",
                  "num_replicas": 1, "max_msgs": -1, "max_bytes": -1, "max_age": 0,
                  "max_consumers": -1, "discard": "new", "deny_delete": True, "deny_purge": True,
                  **config}
        return self.api("STREAM.CREATE." + name, **config)

    def messages(self, stream, first=1):
        """All that are there now, in order, each with subject, sequence, headers and data."""
        state = self.stream(stream)["state"]
        if state["messages"] == 0:
            return
        inbox = "%s.%d" % (self.inbox, time.monotonic_ns())
        sid = self.subscribe(inbox)
        self.api("CONSUMER.CREATE." + stream, stream_name=stream, config={
            "deliver_subject": inbox, "deliver_policy": "by_start_sequence", "opt_start_seq": first,
            "ack_policy": "none", "max_deliver": 1, "replay_policy": "instant", "num_replicas": 1,
            "mem_storage": True, "inactive_threshold": 30 * 10 ** 9,
            # We are slower than the server, which would end the connection for it.
            "flow_control": True, "idle_heartbeat": 5 * 10 ** 9})
        while True:
            message = self.next(sid)
            if message.status == "100":
                if message.reply:
                    self.publish(message.reply)
                continue
            yield message
            # Its replica may be behind the leader: nothing pending is no end.
            if message.sequence >= state["last_seq"]:
                break
        self.unsubscribe(sid)


class Cluster:
    """`users` is the text of an accounts or authorization block; `tls` a certificate with the
    members cert, key and ca (paths); `settings` more lines for every server."""

    def __init__(self, folder, nodes=3, users="", tls=None, settings="", admin=None, start=True):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.n, self.users, self.tls = folder, nodes, users, tls
        self.settings, self.admin = settings, admin
        ports = free_ports(3 * nodes)
        self.ports, self.routes, self.monitors = (
            ports[:nodes], ports[nodes:2 * nodes], ports[2 * nodes:])
        self.processes = [None] * nodes
        if start:
            self.start()

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.stop()

    @property
    def url(self):
        """For our own programs."""
        return self.url_of()

    def url_of(self, user=None, password=None):
        scheme = "tls" if self.tls else "nats"
        who = "%s:%s@" % (user, password) if user else ""
        return ",".join("%s://%s%s:%d" % (scheme, who, "localhost" if self.tls else "127.0.0.1", p)
                        for p in self.ports)

    def _config(self, i):
        where = self.folder / ("n%d" % i)
        lines = ["server_name: n%d" % i, "host: 127.0.0.1", "port: %d" % self.ports[i],
                 "http: 127.0.0.1:%d" % self.monitors[i],
                 'jetstream: {store_dir: "%s", max_mem: 64M, max_file: 4G}' % where]
        if self.n > 1:
            routes = ", ".join("nats://127.0.0.1:%d" % p for p in self.routes)
            lines.append("cluster: {name: test, host: 127.0.0.1, port: %d, routes: [%s]}"
                         % (self.routes[i], routes))
        if self.tls:
            lines.append('tls: {cert_file: "%s", key_file: "%s"}' % (self.tls.cert, self.tls.key))
        path = self.folder / ("n%d.conf" % i)
        path.write_text("\n".join(lines + [self.users, self.settings, ""]))
        return path

    def start_node(self, i):
        log = open(self.folder / ("n%d.log" % i), "ab")
        self.processes[i] = subprocess.Popen(
            [PROGRAM, "-c", str(self._config(i))], stdout=log, stderr=log, start_new_session=True)
        log.close()

    def start(self):
        for i in range(self.n):
            self.start_node(i)
        try:
            self.wait_ready()
        except BaseException:
            self.stop()
            raise

    def kill(self, i):
        """kill -9, and its end."""
        self.processes[i].kill()
        self.processes[i].wait()
        self.processes[i] = None

    def pause(self, i, on=True):
        self.processes[i].send_signal(signal.SIGSTOP if on else signal.SIGCONT)

    def reload(self, settings):
        """Other settings for all servers, taken while they run."""
        self.settings = settings
        for i, process in enumerate(self.processes):
            self._config(i)
            process.send_signal(signal.SIGHUP)

    def stop(self):
        for i, process in enumerate(self.processes):
            if process:
                process.kill()
                process.wait()
                self.processes[i] = None

    def running(self):
        return [i for i in range(self.n) if self.processes[i]]

    def log(self, i):
        return (self.folder / ("n%d.log" % i)).read_text(errors="replace")

    def monitor(self, i, path):
        url = "http://127.0.0.1:%d/%s" % (self.monitors[i], path)
        with urllib.request.urlopen(url, timeout=5) as answer:
            return json.load(answer)

    def _ready(self, i):
        try:
            if self.n > 1 and not self.monitor(i, "jsz").get("meta_cluster", {}).get("leader"):
                return False
            return self.monitor(i, "healthz")["status"] == "ok"
        except (OSError, ValueError, KeyError):
            return False

    def wait_ready(self, seconds=60.0):
        """Every running server knows a leader and is done with catching up."""
        end = time.monotonic() + seconds
        for i in self.running():
            while not self._ready(i):
                if self.processes[i].poll() is not None:
                    raise AssertionError("nats-server %d ended:\n%s" % (i, self.log(i)))
                if time.monotonic() > end:
                    raise AssertionError("nats-server %d is not ready:\n%s" % (i, self.log(i)))
                time.sleep(0.05)

    def wait_stream(self, name, seconds=60.0, **client):
        """The stream has a leader and all its replicas are current; its leader's number."""
        end = time.monotonic() + seconds
        while True:
            try:
                with self.client(**client) as nc:
                    info = nc.stream(name, 2.0)
                who = info.get("cluster") or {"leader": "n0", "replicas": []}
                if who.get("leader") and all(r.get("current") for r in who.get("replicas") or []):
                    return int(who["leader"][1:])
            except (OSError, NatsError):
                info = None
            if time.monotonic() > end:
                raise AssertionError("the stream %s is not whole: %s" % (name, info))
            time.sleep(0.05)

    def client(self, node=None, **options):
        """To that server, or to the first that runs."""
        if self.admin and "user" not in options:
            options.update(user=self.admin[0], password=self.admin[1])
        if self.tls:
            options.setdefault("context", ssl.create_default_context(cafile=self.tls.ca))
        error = None
        for i in [node] if node is not None else self.running():
            try:
                return Client(self.ports[i], **options)
            except OSError as e:
                error = e
        raise error or OSError("no server runs")
