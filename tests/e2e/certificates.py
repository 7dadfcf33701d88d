"""A test authority and the certificates it signs, made afresh for each run by openssl."""

import os
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path


class Pair:
    def __init__(self, chain, key):
        self.chain, self.key = chain, key


class Certificates:
    NAMES = ["DNS:localhost", "IP:127.0.0.1", "IP:::1"]

    def __init__(self, folder):
        self.dir = Path(folder)
        self.dir.mkdir()
        os.chmod(self.dir, 0o755)
        self.ca = self.dir / "ca.pem"
        self._ca_key = self.dir / "ca.key"
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                     "-nodes", "-keyout", self._ca_key, "-out", self.ca, "-days", "30",
                     "-subj", "/CN=sallyport test authority")
        self.ec = self.make("ec", "ec", self.NAMES)
        self.rsa = self.make("rsa", "rsa", self.NAMES)

    @staticmethod
    def openssl(*argv):
        r = subprocess.run(["openssl", *map(str, argv)], capture_output=True, text=True,
                           timeout=30, stdin=subprocess.DEVNULL)
        assert r.returncode == 0, f"openssl {argv[0]}: {r.stderr}"
        return r.stdout

    def make(self, name, kind, names, days=30, begins=None):
        """
        A certificate for names, such as ["DNS:localhost"], signed by the authority. begins: in
        so many days, and it ends days later; None: now.
        """
        key, csr, cert, ext = (self.dir / f"{name}.{e}" for e in ("key", "csr", "pem", "ext"))
        kinds = {"ec": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
                 "ec384": ["ec", "-pkeyopt", "ec_paramgen_curve:P-384"],
                 "rsa": ["rsa:2048"]}
        self.openssl("req", "-new", "-newkey", *kinds[kind], "-nodes", "-keyout", key,
                     "-out", csr, "-subj", f"/CN=sallyport test {name}")
        os.chmod(key, 0o600)
        ext.write_text("subjectAltName=" + ",".join(names) + "\nbasicConstraints=CA:FALSE\n")
        if begins is None:
            self.openssl("x509", "-req", "-in", csr, "-CA", self.ca, "-CAkey", self._ca_key,
                         "-CAcreateserial", "-days", str(days), "-extfile", ext, "-out", cert)
        else:
            self.sign_dated(name, csr, ext, cert, begins, days)
        cert.write_text(cert.read_text() + self.ca.read_text())
        return Pair(cert, key)

    def sign_dated(self, name, csr, ext, cert, begins, days):
        """By `openssl ca`, the only one of its commands that lets one say from when."""
        work = self.dir / f"{name}.ca"
        work.mkdir()
        (work / "index").touch()
        (work / "conf").write_text(
            f"[ca]\ndefault_ca = it\n[it]\ndatabase = {work}/index\nnew_certs_dir = {work}\n"
            "default_md = sha256\npolicy = any\nrand_serial = yes\n[any]\n"
            "commonName = supplied\n")
        start, end = (datetime.now(timezone.utc) + timedelta(days=d)
                      for d in (begins, begins + days))
        self.openssl("ca", "-batch", "-notext", "-config", work / "conf", "-in", csr,
                     "-cert", self.ca, "-keyfile", self._ca_key, "-extfile", ext,
                     "-startdate", start.strftime("%Y%m%d%H%M%SZ"),
                     "-enddate", end.strftime("%Y%m%d%H%M%SZ"), "-out", cert)
