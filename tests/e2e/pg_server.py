"""Real PostgreSQL servers on free loopback ports: a primary and quorum standbys, with the archive's
schema, in a folder of their own under /tmp, and run by a user that is not root. They can be killed,
started again, promoted and built anew. fsync stays on; only the making of a server is not synced."""
import concurrent.futures
import contextlib
import os
import pathlib
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

from rig import free_port, until

SOURCE = pathlib.Path(__file__).resolve().parents[2]
SCHEMA = SOURCE / "conf" / "central.sql"
DATABASE = "audit"
# Sessions of programs that have ended may still hold locks.
EMPTY = ("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = current_database() AND "
         "pid <> pg_backend_pid(); TRUNCATE cention_audit.record, cention_audit.log, cention_audit.alarm")
# Starts the servers, which end with it (PR_SET_PDEATHSIG): a thread that stays until the process ends.
PARENT = concurrent.futures.ThreadPoolExecutor(1)


def programs():
    """The newest PostgreSQL's folder of programs, 15 or above, or None."""
    found = [p.parent for p in pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb")
             if p.parts[-3].isdigit() and int(p.parts[-3]) >= 15]
    return max(found, key=lambda p: int(p.parts[-2]), default=None)


def needed():
    if not programs():
        pytest.skip("no PostgreSQL 15 (package postgresql-15)")
    if os.getuid() == 0 and not server_user():
        pytest.skip("no user postgres or nobody to run PostgreSQL as")


def server_user():
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            pass
    return None


class Server:
    """One server of a cluster. `settings` go into its postgresql.conf."""

    def __init__(self, cluster, name):
        self.cluster, self.name = cluster, name
        self.data = cluster.folder / name
        self.log = cluster.folder / (name + ".log")
        self.port = free_port()
        self.process = None

    def run(self, program, *arguments, **kwargs):
        return self.cluster.run(program, *arguments, **kwargs)

    def configure(self, **settings):
        """Of this server; what was given before stays. In force after a start."""
        with open(self.data / "postgresql.conf", "a", encoding="ascii") as f:
            for name, value in settings.items():
                f.write("%s = '%s'\n" % (name, str(value).replace("'", "''")))

    def start(self, wait=True):
        assert self.process is None
        deadline = time.monotonic() + 30
        while True:
            with open(self.log, "ab") as log:
                # Ends when the test does, however that ends.
                self.process = PARENT.submit(
                    subprocess.Popen, self.cluster.as_user(["setpriv", "--pdeathsig", "QUIT"]) +
                    [self.cluster.programs / "postgres", "-D", self.data],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    cwd=self.cluster.folder).result()
            if not wait:
                return self
            while self.process.poll() is None:
                if self.answers():
                    return self
                assert time.monotonic() < deadline, self.tail()
                time.sleep(0.02)
            # Processes of a server that was killed may still be there.
            self.process = None
            assert time.monotonic() < deadline, self.tail()
            time.sleep(0.05)

    def tail(self):
        return self.log.read_text(errors="replace")[-2000:]

    def answers(self):
        return subprocess.run([self.cluster.programs / "pg_isready", "-q", "-h",
                               self.cluster.folder, "-p", str(self.port)],
                              check=False).returncode == 0

    def stop(self, how=signal.SIGINT):
        """SIGINT: fast; SIGQUIT: at once; SIGKILL: as a crash."""
        if self.process:
            if self.process.poll() is None:
                self.process.send_signal(how)
            self.process.wait(60)
            self.process = None

    def kill(self):
        self.stop(signal.SIGKILL)

    def pause(self):
        """Every process of it: it is there, and answers nothing."""
        self._signal_all(signal.SIGSTOP)

    def resume(self):
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, number):
        pid = self.process.pid
        children = pathlib.Path("/proc/%d/task/%d/children" % (pid, pid)).read_text().split()
        for child in [pid] + [int(c) for c in children]:
            try:
                os.kill(child, number)
            except ProcessLookupError:
                pass

    def psql(self, sql, user="postgres", database=DATABASE, check=True, password=None):
        """What psql -At prints. As the superuser it waits for no standby."""
        environment = dict(os.environ, PGOPTIONS="-c synchronous_commit=local",
                           PGPASSWORD=password or "", PGCONNECT_TIMEOUT="10")
        host = "127.0.0.1" if password else self.cluster.folder
        done = subprocess.run([self.cluster.programs / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1",
                               "-h", host, "-p", str(self.port), "-U", user, database],
                              input=sql, env=environment, capture_output=True, text=True,
                              timeout=600, check=False)
        if check:
            assert done.returncode == 0, done.stderr
            return done.stdout.rstrip("\n")
        return done

    def value(self, sql):
        return self.psql(sql)

    def is_standby(self):
        return self.psql("SELECT pg_is_in_recovery()", database="postgres") == "t"

    def promote(self):
        self.psql("SELECT pg_promote()", database="postgres")
        until(lambda: not self.is_standby(), 30, "the promotion")


class Cluster:
    """A primary and so many standbys, `ANY 1` of which a commit waits for. Context manager."""

    def __init__(self, standbys=0, **settings):
        needed()
        self.programs = programs()
        self.user = server_user() if os.getuid() == 0 else None
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="cention-pg-"))
        if self.user:
            os.chown(self.folder, self.user.pw_uid, self.user.pw_gid)
        self.settings = settings
        self.passwords = {}
        self.servers = [Server(self, "n%d" % i) for i in range(standbys + 1)]
        self.primary = self.servers[0]
        self.passfile = None

    def as_user(self, command):
        if not self.user:
            return command
        return command + ["--reuid", str(self.user.pw_uid), "--regid", str(self.user.pw_gid),
                          "--clear-groups", "--inh-caps=-all"]

    def run(self, program, *arguments):
        command = [self.programs / program, *arguments]
        if self.user:
            command = self.as_user(["setpriv"]) + command
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=self.folder, timeout=120)

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        for server in self.servers:
            if server.process:
                server.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self):
        first = self.primary
        self.run("initdb", "-D", first.data, "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8",
                 "-A", "trust", "--no-sync")
        (first.data / "pg_hba.conf").write_text(
            "local all postgres trust\nlocal replication postgres trust\n"
            "host all all 127.0.0.1/32 scram-sha-256\n", encoding="ascii")
        first.configure(
            listen_addresses="127.0.0.1", port=first.port, unix_socket_directories=self.folder,
            unix_socket_permissions="0700" if not self.user else "0777",
            shared_buffers="64MB", max_connections=40, max_wal_size="2GB", wal_keep_size="512MB",
            wal_retrieve_retry_interval="100ms", hot_standby_feedback="on",
            password_encryption="scram-sha-256", cluster_name=first.name,
            synchronous_standby_names=self.quorum())
        first.configure(**self.settings)
        first.start()
        first.psql("CREATE DATABASE %s" % DATABASE, database="postgres")
        self.migrate()
        for server in self.servers[1:]:
            self.build(server)
        return self

    def quorum(self):
        names = [s.name for s in self.servers]
        return "ANY 1 (%s)" % ", ".join(names) if len(names) > 1 else ""

    def migrate(self):
        self.primary.psql(SCHEMA.read_text(encoding="utf-8"))

    def build(self, server):
        """Makes a standby of the primary of it, whatever it was before, and starts it."""
        server.stop(signal.SIGQUIT)
        shutil.rmtree(server.data, ignore_errors=True)
        self.run("pg_basebackup", "-D", server.data, "-h", self.folder, "-p",
                 str(self.primary.port), "-U", "postgres", "-X", "stream", "-c", "fast",
                 "--no-sync")
        server.configure(port=server.port, cluster_name=server.name)
        (server.data / "standby.signal").touch()
        if self.user:
            os.chown(server.data / "standby.signal", self.user.pw_uid, self.user.pw_gid)
        self.follow(server)
        server.start()
        self.wait_synchronous()
        return server

    def follow(self, server):
        server.configure(primary_conninfo="host=%s port=%d user=postgres application_name=%s" % (
            self.folder, self.primary.port, server.name))

    def wait_synchronous(self):
        until(lambda: self.primary.psql(
            "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'quorum'",
            database="postgres") != "0", 30, "a standby")

    def promote(self, server):
        """Makes it the primary; the others that run follow it. The old one is not asked."""
        server.promote()
        self.primary = server
        for other in self.servers:
            if other is not server and other.process and other.is_standby():
                self.follow(other)
                other.psql("SELECT pg_reload_conf()", database="postgres")

    def role(self, name, member="cention_shipper"):
        """A login role with a password: its connection string for all servers, without it."""
        self.passwords[name] = secrets.token_hex(12)
        self.primary.psql("CREATE ROLE %s LOGIN PASSWORD '%s' IN ROLE %s" % (
            name, self.passwords[name], member))
        self.passfile = self.folder / "passfile"
        self.passfile.write_text("".join("127.0.0.1:*:*:%s:%s\n" % (n, p)
                                         for n, p in self.passwords.items()), encoding="ascii")
        self.passfile.chmod(0o600)
        return self.url(name)

    def url(self, name, servers=None):
        return "postgresql://%s@%s/%s?sslmode=disable" % (
            name, ",".join("127.0.0.1:%d" % s.port for s in servers or self.servers), DATABASE)


@contextlib.contextmanager
def lone():
    """A server without standbys, with roles for two hosts and an auditor, eve."""
    with Cluster() as cluster:
        for name in ("host1", "host2"):
            cluster.role(name)
        cluster.role("eve", "cention_auditor")
        yield cluster
