"""A real nginx with TLS and HTTP/2 (or without it), in front of another server or answering itself."""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

from rig import free_port

PROGRAM = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/sbin")

CONF = """
pid {folder}/nginx.pid;
error_log {folder}/error.log;
daemon off;
master_process off;
events {{ worker_connections 1024; }}
http {{
    access_log {folder}/access.log combined;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_max_body_size 4m;
    log_format protocol "$server_protocol $connection $connection_requests $status $request_length";
    access_log {folder}/protocol.log protocol;
    {more}
    upstream behind {{ server 127.0.0.1:{behind}; keepalive 64; }}
    server {{
        listen 127.0.0.1:{port} ssl{http2};
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        location / {{ {answer} }}
    }}
}}
"""
PASS = """proxy_pass {scheme}://behind; proxy_http_version 1.1; proxy_set_header Connection "";
          proxy_set_header Host $http_host; proxy_request_buffering on;
          proxy_ssl_verify off;"""
ANSWER = """default_type application/json; return 200 '{"id": 17}';"""


def missing():
    """Why there is no nginx; "" when there is."""
    if not PROGRAM:
        return "nginx is not installed"
    built = subprocess.run([PROGRAM, "-V"], capture_output=True, text=True, check=False).stderr
    return "" if "http_v2_module" in built else "this nginx has no HTTP/2"


class Nginx:
    """Runs from start to stop; use as a context manager. `behind` is a look-alike, or None."""

    def __init__(self, folder, certificate, behind=None, http2=True, more="", location=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir()
        self.port = free_port()
        answer = ANSWER
        if behind:
            answer = PASS.replace("{scheme}", behind.url.partition(":")[0])
        if location:
            answer = location
        (self.folder / "nginx.conf").write_text(CONF.format(
            folder=self.folder, port=self.port, http2=" http2" if http2 else "",
            certificate=certificate[0], key=certificate[1], more=more,
            behind=behind.port if behind else 1, answer=answer))
        self.url = "https://localhost:%d" % self.port

    def __enter__(self):
        self.process = subprocess.Popen(
            [PROGRAM, "-p", str(self.folder), "-e", str(self.folder / "error.log"), "-c",
             str(self.folder / "nginx.conf")], start_new_session=True)
        end = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                if self.process.poll() is not None or time.monotonic() > end:
                    raise AssertionError((self.folder / "error.log").read_text()) from None
                time.sleep(0.01)

    def __exit__(self, *ignored):
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGTERM)
        self.process.wait(10)

    def requests(self):
        """(protocol, connection, which on it, status) of each request so far."""
        lines = (self.folder / "protocol.log").read_text().splitlines()
        return [(w[0], int(w[1]), int(w[2]), int(w[3])) for w in map(str.split, lines)]
