"""A real Chromium, and the servers of hostile pages. See test_browser.py."""
import contextlib
import http.server
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import threading

FLAGS = ["--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
         "--no-default-browser-check", "--disable-background-networking", "--disable-sync",
         "--disable-component-update", "--disable-breakpad", "--disable-crash-reporter",
         "--disable-popup-blocking", "--disable-extensions", "--password-store=basic",
         # What newer browsers do on their own against such pages must not hide what the daemon does.
         "--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests,"
         "PrivateNetworkAccessForNavigations,HttpsUpgrades,HttpsFirstBalancedMode"]


def program():
    """Chromium's path, or None."""
    return shutil.which("chromium")


def missing():
    """Why there can be no browser; "" when there can."""
    if not program():
        return "chromium is not installed (tests/install-deps.sh test)"
    if os.geteuid() != 0 and not pathlib.Path("/proc/self/ns/user").exists():
        return "chromium's sandbox needs user namespaces"
    return ""


def _command(folder, names, *rest):
    # One name per rule; what isn't named doesn't exist, so nothing leaves this machine.
    rules = ["MAP %s %s" % pair for pair in names.items()]
    rules += ["MAP * ~NOTFOUND", "EXCLUDE localhost", "EXCLUDE 127.0.0.1", "EXCLUDE 0.0.0.0"]
    command = [program(), *FLAGS, "--user-data-dir=%s" % folder,
               "--host-resolver-rules=%s" % ", ".join(rules)]
    if os.geteuid() == 0:
        command.append("--no-sandbox")
    return command + list(rest)


def _stragglers(folder):
    """Processes of this profile that left the group."""
    mark = ("--user-data-dir=%s" % folder).encode()
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                if mark in pathlib.Path("/proc", entry, "cmdline").read_bytes().split(b"\0"):
                    yield int(entry)


@contextlib.contextmanager
def browsing(folder, url, names):
    """Chromium with that page open, in a fresh profile; all its processes are gone afterwards."""
    profile = pathlib.Path(folder) / "profile"
    profile.mkdir()
    with open(profile / "stderr", "wb") as errors:
        process = subprocess.Popen(_command(profile, names, url), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=errors,
                                   env={**os.environ, "HOME": str(folder)}, start_new_session=True)
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)
            for pid in list(_stragglers(profile)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            shutil.rmtree(profile, ignore_errors=True)


def dump(folder, url, seconds=60):
    """What a user sees who enters that address: the document as text."""
    profile = pathlib.Path(folder) / "dump"
    process = subprocess.Popen(_command(profile, {}, "--dump-dom", url), stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                               env={**os.environ, "HOME": str(folder)}, start_new_session=True)
    try:
        return process.communicate(timeout=seconds)[0]
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
        shutil.rmtree(profile, ignore_errors=True)


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address, handler):
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, handler)

    def handle_error(self, request, client_address):
        pass  # a browser that was killed


class Site:
    """Serves pages {path: HTML} and takes what they report (POST /report, JSON); `seen` holds the
    request lines. Use as a context manager."""

    def __init__(self, pages, address="127.0.0.1", port=0):
        site = self
        self.pages, self.reports, self.seen = pages, [], []
        self.reported = threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                site.seen.append(self.requestline)
                page = site.pages.get(self.path.split("?")[0])
                self.answer(200 if page is not None else 404, (page or "").encode())

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                site.seen.append(self.requestline)
                self.answer(200, b"thanks")
                if self.path == "/report":
                    site.reports.append(json.loads(body))
                    site.reported.set()

            def answer(self, status, body):
                self.send_response(status)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Cache-Control", "no-store")
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *ignored):
                pass

        self._server = _Server((address, port), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,),
                                        daemon=True)
        self._thread.start()

    def wait_report(self, seconds=60):
        assert self.reported.wait(seconds), "the page did not report; it asked for %s" % self.seen
        return self.reports[0]

    def close(self):
        """Stops listening; a second time does nothing."""
        if self._thread:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join(5)
            self._thread = None

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.close()
