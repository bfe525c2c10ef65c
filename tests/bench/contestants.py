"""Who is compared, each as a process tree on one core behind a port of 127.0.0.1, and the one TLS
upstream that all of them use. Every configuration is written here, from the programs' public manuals.

A contestant is started anew for each measurement. It verifies the upstream's certificate, keeps
connections to it, and has one worker. `signs` tells whether it adds the API's signature.
"""
import http.client
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess

from loads import WORKSPACE
from measure import Failed, end, spawn, until

TOP = pathlib.Path(__file__).resolve().parents[2]
KEY_ID, SECRET = "bench-key", "secret-of-the-comparison"
ANSWER = json.dumps({"id": 1, "name": "Support Stockholm", "active": True, "anonymize_day": 365,
                     "time_zone": "CET", "external_id": "123456"}, separators=(",", ":"))
assert len(ANSWER) == 110, len(ANSWER)


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def listening(port):
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def which(name):
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


class Server:
    """A process tree that is started in a folder of its own and listens on `port`."""

    def __init__(self, folder, core):
        self.folder, self.core = pathlib.Path(folder), core
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log = self.folder / "log"
        self.process = self.port = None

    def command(self):
        raise NotImplementedError

    def start(self):
        self.log.write_bytes(b"")
        self.port = free_port()
        self.process = spawn(self.command(), self.core, self.log)
        self.wait()
        return self

    def wait(self):
        until(lambda: self.alive() and listening(self.port), "%s's port" % type(self).__name__)

    def alive(self):
        if self.process.poll() is not None:
            raise Failed("it ended with %s: %s" % (self.process.returncode,
                                                   self.log.read_text(errors="replace")[-800:]))
        return True

    @property
    def pid(self):
        return self.process.pid

    def stop(self):
        return end(self.process) if self.process else 0


# -- nginx

def nginx_folders(folder):
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    return "".join("%s_temp_path %s/%s;\n" % (kind, folder, kind) for kind in kinds)


class Nginx(Server):
    """One worker, in the foreground; subclasses say what is in `http { }`."""

    modules = ()

    def http(self):
        raise NotImplementedError

    def command(self):
        conf = self.folder / "nginx.conf"
        conf.write_text("\n".join(
            ["load_module %s;" % module for module in self.modules] +
            ["user root;"] * (os.getuid() == 0) +
            ["daemon off; worker_processes 1; worker_rlimit_nofile 16384; pid %s/pid;" % self.folder,
             "error_log stderr warn;",
             "events { worker_connections 8192; }",
             "http {", nginx_folders(self.folder), "default_type application/json;",
             "keepalive_requests 1000000000; keepalive_timeout 3600s;",
             "client_max_body_size 1m; client_body_buffer_size 64k;", self.http(), "}", ""]))
        return [which("nginx"), "-p", self.folder, "-c", conf, "-e", "stderr"]


class Upstream(Nginx):
    """HTTP/1.1 and h2 by ALPN. It reads the whole body, as an API does, and then answers; `return` alone
    would answer before the body is there. Counts its requests. `echo_port` answers with what Authorization
    was: asked once to look at a contestant's signature.
    """

    def __init__(self, folder, core, authority, status=200):
        super().__init__(folder, core)
        self.certificate, self.key = authority.issue()
        self.status = status
        self.status_port, self.echo_port = free_port(), free_port()

    def http(self):
        return """
access_log off;
ssl_certificate %(certificate)s; ssl_certificate_key %(key)s; ssl_protocols TLSv1.2 TLSv1.3;
server {
    listen 127.0.0.1:%(port)d ssl http2 backlog=2048;
    http2_max_concurrent_streams 1024;
    location / {
        mirror /read_the_body;
        error_page 405 =%(status)d @answer; # what a static file has for a PUT
    }
    location = /read_the_body { internal; return 204; }
    location @answer { return %(status)d '%(answer)s'; }
}
server {
    listen 127.0.0.1:%(echo)d ssl http2;
    location / { return 200 '"$http_authorization"'; }
}
server {
    listen 127.0.0.1:%(counts)d;
    location / { stub_status; }
}
""" % {"port": self.port, "certificate": self.certificate, "key": self.key, "status": self.status,
       "answer": ANSWER, "echo": self.echo_port, "counts": self.status_port}

    def requests(self):
        """How many it has had, without these questions."""
        connection = http.client.HTTPConnection("127.0.0.1", self.status_port, timeout=10)
        connection.request("GET", "/")
        text = connection.getresponse().read().decode()
        connection.close()
        self._asked = getattr(self, "_asked", 0) + 1
        return int(text.splitlines()[2].split()[2]) - self._asked


class NginxPass(Nginx):
    """Pass-through: nothing is checked, signed or recorded."""

    name, label, signs = "nginx", "nginx, pass-through", False
    more_http = more_location = ""
    access_log = "off"

    def __init__(self, folder, core, upstream_port, authority, build):
        super().__init__(folder, core)
        self.upstream_port, self.authority = upstream_port, authority

    @staticmethod
    def missing(build):
        return "" if which("nginx") else "nginx is not installed"

    def http(self):
        return """
access_log %(log)s;
%(more)s
upstream api {
    server 127.0.0.1:%(upstream)d;
    keepalive 1024; keepalive_requests 1000000000; keepalive_timeout 3600s;
}
server {
    listen 127.0.0.1:%(port)d backlog=2048;
    location / {
        proxy_pass https://api;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host localhost;
        proxy_ssl_verify on; proxy_ssl_trusted_certificate %(ca)s;
        proxy_ssl_name localhost; proxy_ssl_server_name on; proxy_ssl_protocols TLSv1.2 TLSv1.3;
        %(location)s
    }
}
""" % {"log": self.access_log, "more": self.more_http, "upstream": self.upstream_port,
       "port": self.port, "ca": self.authority.file, "location": self.more_location}

    def check(self, sent, most):
        """Problems with what it should have kept, when it has ended: `sent` is how many requests
        came to the upstream, `most` how many it may have begun."""
        return []

    def stop(self):
        status = super().stop()
        if status not in (0, None):
            raise Failed("%s ended with %d: %s" % (self.name, status, self.log.read_text()[-800:]))
        return status


# Values in the order of their names, nested ones by the same rules. JSON.parse forgets how a number was
# written, which is enough for the bodies of this comparison, not for every one.
SIGN = """
import crypto from 'crypto';

function flat(value) {
    if (Array.isArray(value))
        return value.map(flat).join(',');
    if (value !== null && typeof value === 'object')
        return Object.keys(value).sort().map(name => flat(value[name])).join(':');
    return String(value);
}

function authorization(r) {
    const body = r.requestText;
    const values = body ? JSON.parse(body) : {};
    const text = ['%(id)s', '%(workspace)s', r.uri]
        .concat(Object.keys(values).sort().map(name => flat(values[name]))).join(':');
    const mac = crypto.createHmac('sha256', '%(secret)s').update(text).digest('hex');
    return 'CENTION1-HMAC-SHA256 %(id)s,' + mac;
}

export default { authorization };
"""


class NginxSigning(NginxPass):
    """nginx with its JavaScript module: signs, and writes an access log (no promise of durability).
    The variable is computed when the request to the upstream is made, after the body was read."""

    name, label, signs = "nginx-njs", "nginx + njs, signing", True

    @staticmethod
    def module():
        nginx = which("nginx")
        if not nginx:
            return None
        told = subprocess.run([nginx, "-V"], capture_output=True, text=True, check=False).stderr
        found = re.search(r"--modules-path=(\S+)", told)
        path = pathlib.Path(found.group(1) if found else "/usr/lib/nginx/modules")
        path /= "ngx_http_js_module.so"
        return path if path.exists() else None

    @staticmethod
    def missing(build):
        return "" if NginxSigning.module() else "nginx's JavaScript module is not installed"

    def http(self):
        (self.folder / "sign.js").write_text(
            SIGN % {"id": KEY_ID, "workspace": WORKSPACE, "secret": SECRET})
        self.access_log = self.folder / "access.log"
        self.access_log.write_bytes(b"")
        self.more_http = "js_path %s; js_import sign.js; js_set $signed sign.authorization;" % self.folder
        self.more_location = "proxy_set_header Authorization $signed;"
        return super().http()

    def command(self):
        self.modules = (self.module(),)
        return super().command()

    def check(self, sent, most):
        with open(self.access_log, "rb") as lines:
            n = sum(1 for _ in lines)
        return [] if sent <= n <= most else ["%d lines in the access log for %d requests" % (n, sent)]


# -- HAProxy

class HAProxy(Server):
    """Pass-through: nothing is checked, signed or recorded."""

    name, label, signs, alpn = "haproxy", "HAProxy, pass-through", False, "http/1.1"

    def __init__(self, folder, core, upstream_port, authority, build):
        super().__init__(folder, core)
        self.upstream_port, self.authority = upstream_port, authority

    @staticmethod
    def missing(build):
        return "" if which("haproxy") else "haproxy is not installed"

    def command(self):
        conf = self.folder / "haproxy.cfg"
        conf.write_text("""
global
    nbthread 1
    maxconn 4096
    ssl-server-verify required
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout http-keep-alive 60s
    retries 1
    http-reuse always
frontend local
    bind 127.0.0.1:%d backlog 2048
    default_backend api
backend api
    http-request set-header Host localhost
    server api 127.0.0.1:%d ssl verify required ca-file %s sni str(localhost) verifyhost localhost alpn %s
""" % (self.port, self.upstream_port, self.authority.file, self.alpn))
        return [which("haproxy"), "-db", "-f", conf]

    def check(self, sent, most):
        return []

    def stop(self):  # SIGTERM ends it at once; its own status for that is 143 on some versions
        return super().stop()


class HAProxyH2(HAProxy):
    """For reference: few connections with many requests at a time on each."""

    name, label, alpn = "haproxy-h2", "HAProxy, pass-through, h2 upstream", "h2"


# -- cention-proxy

def word(value):
    """A Python value in libconfig's words."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{ %s }" % " ".join("%s = %s;" % (k, word(v)) for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return "( %s )" % ", ".join(word(v) for v in value)
    if isinstance(value, (int, float)):
        return repr(value)
    return '"%s"' % str(value)


class CentionProxy(Server):
    """Everything on: validation, policy, signing, durable audit, sandbox. A subclass with more settings is
    another contestant, when it is added to ALL and has a colour in plot.py.
    """

    name, label, signs = "cention-proxy", "cention-proxy, everything on", True
    more_proxy, more_upstream, more_keeper = {}, {}, {}

    def __init__(self, folder, core, upstream_port, authority, build, audit=None, log_level="warning",
                 sandbox="enforce", wrapper=()):
        super().__init__(folder, core)
        self.upstream_port, self.authority, self.build = upstream_port, authority, build
        self.more_audit, self.sandbox, self.wrapper = audit or {}, sandbox, list(wrapper)
        self.audit_root = self.folder
        self.audit = self.admin_port = None

    @staticmethod
    def program(build, name):
        return pathlib.Path(build) / "daemon" / name

    @staticmethod
    def missing(build):
        program = CentionProxy.program(build, "cention-proxyd")
        return "" if program.exists() else "%s is not built" % program

    def command(self):
        self.admin_port = free_port()
        self.audit = self.audit_root / "audit"
        shutil.rmtree(self.audit, ignore_errors=True)
        self.audit.mkdir(mode=0o750, parents=True)
        keys, keeper, proxy, link = (self.folder / name for name in (
            "keys.conf", "keeper.conf", "proxy.conf", "keeper.sock"))
        keys.touch(mode=0o600)
        keys.write_text("keys = %s;\n" % word([{
            "workspace": WORKSPACE, "access_key_id": KEY_ID, "access_key_secret": SECRET}]))
        keeper.write_text("".join("%s = %s;\n" % (k, word(v)) for k, v in {
            "socket": link, "keys": keys, "sandbox": self.sandbox,
            "audit": {"directory": self.audit, "durability": "fsync", **self.more_audit},
            "clients": [{"name": "load", "uid": os.getuid()}],
            "rules": [{"client": "load", "workspaces": [WORKSPACE], "methods": ["PUT"],
                       "paths": ["/v1/org/:id", "/v1/area/:id"]}], **self.more_keeper}.items()))
        proxy.write_text("".join("%s = %s;\n" % (k, word(v)) for k, v in {
            "listen": [{"address": "127.0.0.1", "port": self.port}],
            "admin": {"address": "127.0.0.1", "port": self.admin_port},
            "keeper": link, "workspace": WORKSPACE, "api": TOP / "conf" / "cention-openapi.json",
            "validation": "enforce", "sandbox": self.sandbox,
            "upstream": {"url": "https://127.0.0.1:%d" % self.upstream_port,
                         "ca_file": self.authority.file, **self.more_upstream},
            **self.more_proxy}.items()))
        return self.wrapper + [self.program(self.build, "cention-keeperd"), "-c", keeper, "--",
                               self.program(self.build, "cention-proxyd"), "-c", proxy]

    def wait(self):
        until(lambda: self.alive() and listening(self.admin_port) and self.ready(),
              "cention-proxy's readiness", 60.0)

    def _admin(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def ready(self):
        return self._admin("/readyz")[0] == 200

    def metric(self, name):
        for line in self._admin("/metrics")[1].splitlines():
            if line.split(" ")[0] == name:
                return int(line.split(" ")[1])
        raise Failed("no metric %s" % name)

    def stop(self):
        status = super().stop()
        if status:
            raise Failed("cention-proxy ended with %d: %s" % (
                status, self.log.read_text(errors="replace")[-800:]))
        return status

    def check(self, sent, most):
        """The audit log is sound, and has an intent and an outcome for each request."""
        broken, counts = self.verify(), self.records()
        problems = ["the audit log is broken: " + broken] if broken else []
        if counts["intent"] != counts["outcome"]:
            problems.append("%(intent)d intents, %(outcome)d outcomes" % counts)
        if counts["intent"] < sent or counts["intent"] + counts["reject"] > most:
            problems.append("%d requests came to the upstream, the audit log has %d intents, %d rejects" % (
                sent, counts["intent"], counts["reject"]))
        return problems

    def verify(self):
        """What the audit log's own verifier finds wrong with it; "" when it is sound."""
        run = subprocess.run([self.program(self.build, "cention-proxyctl"), "audit", "verify", self.audit],
                             capture_output=True, text=True, timeout=300, check=False)
        # 2 is "sound, but nothing proves its end": no head of this log was kept elsewhere.
        if run.returncode in (0, 2) and "usage" not in run.stderr:
            return ""
        return (run.stdout + run.stderr)[-300:]

    def records(self):
        counts = {"intent": 0, "outcome": 0, "reject": 0}
        for segment in self.audit.glob("audit-*.jsonl"):
            with open(segment, "rb") as lines:
                for line in lines:
                    kind = re.search(rb'"type":"(\w+)"', line[:200])
                    if kind and kind.group(1).decode() in counts:
                        counts[kind.group(1).decode()] += 1
        return counts


ALL = {kind.name: kind for kind in (HAProxy, HAProxyH2, NginxPass, NginxSigning, CentionProxy)}
