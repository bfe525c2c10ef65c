"""Plays the service manager: a notification socket, inherited listeners, a watchdog's period."""
import os
import socket
import sys
import threading
import time

# Runs argv[3:] with the listeners of argv[1] (a port of 127.0.0.1, or a path) named by argv[2].
ACTIVATE = """
import os, socket, sys
listeners = []
for text in filter(None, sys.argv[1].split(",")):
    if text.startswith("/"):
        s = socket.socket(socket.AF_UNIX)
        s.bind(text)
    else:
        s = socket.socket()
        s.bind(("127.0.0.1", int(text)))
    s.listen(16)
    listeners.append(s)
    sys.stderr.write("ready %s\\n" % (s.getsockname(),))
for i, s in enumerate(listeners):
    os.dup2(s.fileno(), 20 + i)
for i in range(len(listeners)):
    os.dup2(20 + i, 3 + i)
    os.close(20 + i)
os.environ["LISTEN_FDS"] = str(len(listeners))
os.environ["LISTEN_FDNAMES"] = sys.argv[2]
os.environ["LISTEN_PID"] = str(os.getpid())
if "WATCHDOG_USEC" in os.environ:
    os.environ.setdefault("WATCHDOG_PID", str(os.getpid()))
os.execv(sys.argv[3], sys.argv[3:])
"""


def activated(listeners, names, *command):
    """The command line that starts a daemon with listeners as its manager makes them."""
    return (sys.executable, "-c", ACTIVATE, listeners, names, *command)


class Manager:
    """Listens at $NOTIFY_SOCKET; `heard` is what came, as (time, process, {variable: value})."""

    def __init__(self, folder, watchdog=None):
        self.path = str(folder / "notify")
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.bind(self.path)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.watchdog = watchdog  # seconds
        self.heard = []
        self._changed = threading.Condition()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        while True:
            try:
                data, more, _, _ = self._sock.recvmsg(4096, socket.CMSG_SPACE(12))
            except OSError:
                return
            pid = int.from_bytes(more[0][2][:4], sys.byteorder) if more else 0
            words = dict(line.split("=", 1) for line in data.decode().split("\n") if line)
            with self._changed:
                self.heard.append((time.monotonic(), pid, words))
                self._changed.notify_all()

    def environment(self, **more):
        env = {**os.environ, "NOTIFY_SOCKET": self.path, **more}
        if self.watchdog:
            env["WATCHDOG_USEC"] = str(int(self.watchdog * 1e6))
        return env

    def count(self):
        with self._changed:
            return len(self.heard)

    def wait(self, seconds=15.0, skip=0, **wanted):
        """What was heard when it has the wanted variables (True: any value), after `skip` words."""
        def right(words):
            return all(k in words and v in (True, words[k]) for k, v in wanted.items())

        end = time.monotonic() + seconds
        with self._changed:
            while True:
                for _, pid, words in self.heard[skip:]:
                    if right(words):
                        return pid, words
                if not self._changed.wait(max(0.0, end - time.monotonic())):
                    raise AssertionError("no %s in %s" % (wanted, self.heard[skip:]))

    def alive(self, skip=0):
        """When the watchdog was fed."""
        with self._changed:
            return [when for when, _, words in self.heard[skip:] if words == {"WATCHDOG": "1"}]
