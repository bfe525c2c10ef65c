"""Throw-away certificates, made with the openssl command line."""
import pathlib
import subprocess


def _run(*args):
    subprocess.run(["openssl", *args], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.PIPE)


class Authority:
    """A CA in a folder of its own: `file` is what a client has to trust."""

    def __init__(self, folder, name="Look-alike CA"):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.file = self.folder / "ca.pem"
        self.key = self.folder / "ca.key"
        _run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
             "-keyout", str(self.key), "-out", str(self.file), "-days", "2", "-subj",
             "/CN=" + name)

    def issue(self, name="server", names=("DNS:localhost", "IP:127.0.0.1"), days=1):
        """(certificate, key) files for a server; days < 0 makes an expired one."""
        key, request, cert = (self.folder / (name + end) for end in (".key", ".csr", ".pem"))
        extensions = self.folder / (name + ".ext")
        extensions.write_text("subjectAltName=%s\n" % ",".join(names))
        _run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
             str(key), "-out", str(request), "-subj", "/CN=" + name)
        _run("x509", "-req", "-in", str(request), "-CA", str(self.file), "-CAkey", str(self.key),
             "-CAcreateserial", "-out", str(cert), "-days", str(days), "-extfile",
             str(extensions))
        return cert, key
