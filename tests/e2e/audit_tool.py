"""What `cention-proxyctl audit show` and `audit diff` print."""
import fcntl
import json
import os
import pty
import struct
import subprocess
import termios

from rig import program


def ctl(*arguments, env=None):
    return subprocess.run([program("cention-proxyctl"), "audit", *map(str, arguments)],
                          capture_output=True, timeout=60, env=env)


def shown(*arguments, code=0):
    """The lines on a standard output that is no terminal."""
    result = ctl("show", *arguments)
    assert result.returncode == code, result
    return result.stdout.splitlines()


def ids(lines):
    """The ids of the requests shown, each once, in order."""
    return list(dict.fromkeys(json.loads(line).get("id") for line in lines))


def on_terminal(*arguments, columns=200, env=None):
    """What a terminal of so many columns gets, and the exit code."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    process = subprocess.Popen([program("cention-proxyctl"), "audit", *map(str, arguments)],
                               stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs,
                               env={**os.environ, **(env or {})})
    os.close(theirs)
    data = b""
    try:
        while True:
            data += os.read(ours, 65536)
    except OSError:  # EIO: the other side is closed
        pass
    os.close(ours)
    return data.decode().replace("\r\n", "\n"), process.wait(30)
