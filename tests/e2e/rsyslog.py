"""Real rsyslogd processes with conf/rsyslog-cention.conf, and a receiver written from RFC 5424 and 5425.

`Sender` is the host's rsyslogd, `Receiver` a SIEM's (imtcp and imrelp, both with TLS), `Strict` one in
Python that takes nothing but correct frames and messages. All live in a folder of the test's own.
"""
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading

from rig import TOP, free_ports, until

PROGRAM = shutil.which("rsyslogd") or shutil.which("rsyslogd", path="/usr/sbin:/sbin")
MODULES = ("imfile", "imtcp", "imrelp", "omrelp", "lmnsd_ossl")
CONF = TOP / "conf" / "rsyslog-cention.conf"
REWIND = TOP / "conf" / "rsyslog-cention-rewind.sh"
NAME = "siem.example.com"
HOST = "host-1.example.com"

# RFC 5424, section 6, with what this feed uses of it: no structured data, no BOM.
MESSAGE = re.compile(
    rb"<(?P<pri>0|[1-9]\d{0,2})>1 "
    rb"(?P<time>\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d"
    rb"(?:\.\d{1,6})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)) "
    rb"(?P<host>[\x21-\x7e]{1,255}) (?P<app>[\x21-\x7e]{1,48}) (?P<proc>[\x21-\x7e]{1,128}) "
    rb"(?P<msgid>[\x21-\x7e]{1,32}) - (?P<msg>[^\n]*)", re.DOTALL)
RECORD = re.compile(rb'\{"seq":([1-9]\d*),"time":"([^"]{27})","type":"([a-z]+)".*"h":"[0-9a-f]{64}"\}')


def missing():
    """Why this can't be tested; "" when it can."""
    if not PROGRAM:
        return "rsyslogd is not installed"
    places = [pathlib.Path(p) for p in ("/usr/lib/rsyslog", "/usr/lib64/rsyslog")]
    places += pathlib.Path("/usr/lib").glob("*-linux-gnu/rsyslog")
    for module in MODULES:
        if not any((place / (module + ".so")).exists() for place in places):
            return "rsyslog's module %s is not installed" % module
    return ""


def listening():
    """The ports of IPv4 that somebody listens to."""
    rows = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().split("\n")[1:-1]]
    return {int(row[1].split(":")[1], 16) for row in rows if row[3] == "0A"}


class Malformed(Exception):
    """What a strict receiver does not take."""


def parse(message):
    """(seq, record) of one message of RFC 5424 that holds a record."""
    match = MESSAGE.fullmatch(message)
    if not match:
        raise Malformed("no RFC 5424: %r" % message[:300])
    if int(match["pri"]) != 13 * 8 + 6 or match["app"] != b"cention-proxy" or match["proc"] != b"-":
        raise Malformed("header: %r" % message[:300])
    record = RECORD.fullmatch(match["msg"])
    if not record:
        raise Malformed("no record: %r" % message[:300])
    if (match["time"], match["msgid"]) != (record[2], record[3]):
        raise Malformed("time or type: %r" % message[:300])
    match["msg"].decode("utf-8")
    return int(record[1]), match["msg"]


def variant(text, kind):
    """The configuration with the wanted action in use and the other one commented out."""
    lines, block = [], None
    for line in text.split("\n"):
        word = line.strip()
        if word in ("#TLS", "#RELP"):
            block = word[1:]
        elif word == "#END":
            block = None
        elif block:
            line = re.sub(r"^(\s*)#?", r"\1" if block == kind else r"\1#", line)
        lines.append(line)
    return "\n".join(lines)


class Rsyslogd:
    """One process, started and ended as often as the test likes."""

    def __init__(self, folder, conf):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir()
        (self.folder / "spool").mkdir()
        self.conf = self.folder / "rsyslog.conf"
        self.conf.write_text(conf)
        self.log = self.folder / "log"
        self.process = None

    def check(self):
        done = subprocess.run([PROGRAM, "-N1", "-f", str(self.conf)], capture_output=True, text=True,
                              timeout=30, check=False)
        assert done.returncode == 0 and "error" not in done.stderr.lower(), done.stderr

    def start(self):
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [PROGRAM, "-n", "-f", str(self.conf), "-i", str(self.folder / "pid")], stdout=log,
                stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
        return self

    def end(self, number=signal.SIGTERM, seconds=60):
        if self.process is not None:
            self.process.send_signal(number)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError("rsyslogd did not end:\n" + self.log.read_text()) from None
            finally:
                self.process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *ignored):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


class Sender(Rsyslogd):
    """conf/rsyslog-cention.conf as it is, but for the paths and the place of the receiver."""

    def __init__(self, folder, audit, port, certificates, kind="TLS"):
        super().__init__(folder, "")
        self.second = self.folder / "second"
        self.second.mkdir()
        self.own = self.folder / "own.log"
        self.rewinds = True
        self._given = audit, port, certificates, kind
        self.configure()

    def start(self):
        """As its unit does it."""
        if self.rewinds:
            done = subprocess.run(["sh", str(REWIND), str(self.folder / "spool")], capture_output=True,
                                  text=True, timeout=30, check=False)
            assert (done.returncode, done.stderr) == (0, "")
        return super().start()

    def configure(self, name=NAME, ca=None):
        audit, port, certificates, kind = self._given
        text = variant(CONF.read_text(), kind)
        for old, new in (
                ("/var/log/cention-proxy/audit-[", "%s/audit-[" % audit),
                ("/var/lib/rsyslog-cention/again/audit-[", "%s/audit-[" % self.second),
                ('workDirectory="/var/lib/rsyslog-cention"',
                 'processInternalMessages="on" workDirectory="%s/spool"' % self.folder),
                ('target="%s"' % NAME, 'target="127.0.0.1"'),
                ('port="6514"' if kind == "TLS" else 'port="2514"', 'port="%d"' % port),
                ('"%s"' % NAME, '"%s"' % name),
                ("/etc/cention-proxy/siem-ca.pem", str(ca or certificates["ca"])),
                ("/etc/cention-proxy/siem-host.pem", str(certificates["host"][0])),
                ("/etc/cention-proxy/siem-host.key", str(certificates["host"][1])),
                # So that a test need not wait for a pause that grew.
                ('resumeInterval="2"', 'resumeInterval="1"'),
                ('resumeIntervalMax="60"', 'resumeIntervalMax="1"')):
            assert old in text, "the sample has no %s" % old
            text = text.replace(old, new)
        self.conf.write_text('%s\naction(type="omfile" file="%s")\n' % (text, self.own))

    def said(self):
        """What it had to say of itself so far."""
        return "".join(p.read_text(errors="replace") for p in (self.log, self.own) if p.exists())


RECEIVER = """
global(workDirectory="{folder}/spool" maxMessageSize="64m"
       defaultNetstreamDriverCAFile="{ca}"
       defaultNetstreamDriverCertFile="{certificate}" defaultNetstreamDriverKeyFile="{key}")
module(load="imtcp" streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="anon"
       maxFrameSize="67108864")
module(load="imrelp" tls.tlslib="openssl")
template(name="raw" type="string" string="%rawmsg%\\n")
ruleset(name="in" queue.type="direct") {{
    action(type="omfile" file="{folder}/received" template="raw" asyncWriting="off" flushOnTXEnd="on")
}}
input(type="imtcp" address="127.0.0.1" port="{tcp}" ruleset="in")
input(type="imrelp" address="127.0.0.1" port="{relp}" ruleset="in" maxDataSize="64m" tls="on"
      tls.caCert="{ca}" tls.myCert="{certificate}" tls.myPrivKey="{key}" tls.authMode="name"
      tls.permittedPeer=["{host}"])
"""


class Receiver(Rsyslogd):
    """What a SIEM with rsyslog would do; each message as it came, a line in a file."""

    def __init__(self, folder, certificates):
        self.tcp, self.relp = free_ports(2)
        self.received = pathlib.Path(folder) / "received"
        certificate, key = certificates["server"]
        super().__init__(folder, RECEIVER.format(folder=folder, tcp=self.tcp, relp=self.relp, host=HOST,
                                                 ca=certificates["ca"], certificate=certificate, key=key))

    def port(self, kind):
        return self.tcp if kind == "TLS" else self.relp

    def start(self):
        # What a kill left of a message that was being written. It wasn't acknowledged: it must come again.
        if self.received.exists():
            text = self.received.read_bytes()
            os.truncate(self.received, text.rfind(b"\n") + 1)
        super().start()
        # Not by a connection: one that ends before its handshake can leave imrelp spinning for good.
        until(lambda: {self.tcp, self.relp} <= listening(), what="the listeners")
        return self

    def count(self):
        return self.received.read_bytes().count(b"\n") if self.received.exists() else 0

    def messages(self):
        text = self.received.read_bytes() if self.received.exists() else b""
        assert text == b"" or text.endswith(b"\n")
        return [parse(line) for line in text.split(b"\n")[:-1]]


class Strict:
    """A TLS server that takes `MSG-LEN SP SYSLOG-MSG` and nothing else; the first fault ends it."""

    def __init__(self, certificates):
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._context.load_cert_chain(*map(str, certificates["server"]))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._changed = threading.Condition()
        self.taken, self.fault, self.connections, self.refused = [], None, 0, 0
        self.frames = self.bytes = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *ignored):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def wait_for(self, count, seconds=60.0):
        with self._changed:
            self._changed.wait_for(lambda: self.fault or len(self.taken) >= count, seconds)
            assert not self.fault, self.fault
            assert len(self.taken) >= count, "%d of %d messages" % (len(self.taken), count)

    def _serve(self):
        while True:
            try:
                sock = self._listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._connection, args=(sock,), daemon=True).start()

    def _connection(self, sock):
        try:
            with self._context.wrap_socket(sock, server_side=True) as stream:
                self.connections += 1
                self._frames(stream.makefile("rb"))
        except OSError:
            self.refused += 1
        except Exception as why:  # pylint: disable=broad-except
            with self._changed:
                self.fault = self.fault or why
                self._changed.notify_all()

    def _frames(self, stream):
        while True:
            digits = b""
            while not digits.endswith(b" "):
                byte = stream.read(1)
                if not byte and not digits:
                    return
                if not re.fullmatch(rb"[1-9]\d{0,8} ?", digits + byte) or not byte:
                    raise Malformed("octet count: %r" % (digits + byte))
                digits += byte
            length = int(digits)
            message = stream.read(length)
            if len(message) < length:
                return  # cut off: the connection's end, not a fault of the framing
            taken = parse(message)
            with self._changed:
                self.frames, self.bytes = self.frames + 1, self.bytes + length
                self.taken.append(taken)
                self._changed.notify_all()
