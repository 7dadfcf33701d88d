"""tests/bench/servers.py - the servers that are measured, each in a cgroup of its own

Every server is configured for speed and for the same work: TLS 1.2 and 1.3 with an ECDSA
P-256 certificate, one PAM stack with a SHA-512 password, a user locked into the home
directory, passive mode, no limits, no DNS, no syncing, no log of transfers.
"""
import os
import re
import resource
import signal
import socket
import subprocess
import tempfile
import time

PAM = """auth required pam_unix.so
account required pam_unix.so
session required pam_permit.so
"""
SERVICES = ("sallyport-bench", "pure-ftpd")
# OpenSSL's own defaults would have some servers parse the system's CA bundle per session
QUIET = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "SSL_CERT_FILE": "/dev/null",
         "SSL_CERT_DIR": "/nonexistent"}
# as systemd starts a service: who needs more open files raises the limit by itself
OPEN_FILES = 1024
# in a mount namespace, so that no file of the system is touched
IN_NAMESPACE = ["unshare", "--mount", "--", "/bin/sh", "-c",
                'mount --bind "$0" /etc/pam.d && exec "$@"']


def write(path, text, mode=0o644):
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, mode)
    return path


class NotStarted(RuntimeError):
    pass


class Group:
    """A cgroup (v1 cpuacct or v2): the CPU of all its processes, living and dead. For some
    works the memory that they take is bounded, the page cache that they fill included."""

    def __init__(self, name):
        v1 = "/sys/fs/cgroup/cpuacct"
        self.v1 = os.path.exists(v1 + "/cpuacct.usage")
        self.path = os.path.join(v1 if self.v1 else "/sys/fs/cgroup",
                                 f"sallyport-bench-{os.getpid()}-{name}")
        self.memory = "/sys/fs/cgroup/memory/" + os.path.basename(self.path)
        os.makedirs(self.path, exist_ok=True)

    def enter(self):
        write(self.path + "/cgroup.procs", str(os.getpid()))

    def seconds(self):
        if self.v1:
            with open(self.path + "/cpuacct.usage") as f:
                return int(f.read()) / 1e9
        with open(self.path + "/cpu.stat") as f:
            return int(f.readline().split()[1]) / 1e6

    def pids(self):
        with open(self.path + "/cgroup.procs") as f:
            return [int(x) for x in f.read().split()]

    def pss(self):
        """KiB of memory, shared pages counted in parts."""
        total = 0
        for pid in self.pids():
            try:
                with open(f"/proc/{pid}/smaps_rollup") as f:
                    total += sum(int(x.split()[1]) for x in f if x.startswith("Pss:"))
            except OSError:
                pass            # it has ended
        return total

    def bound_memory(self, size):
        """All its processes and those that they fork take no more until free_memory()."""
        if not self.v1:
            root = os.path.dirname(self.path)
            write(root + "/cgroup.subtree_control", "+memory")
            write(self.path + "/memory.max", str(size))
            return
        os.makedirs(self.memory, exist_ok=True)
        write(self.memory + "/memory.limit_in_bytes", str(size))
        self.move_all(self.memory)

    def free_memory(self):
        if not self.v1:
            if os.path.exists(self.path + "/memory.max"):
                write(self.path + "/memory.max", "max")
        elif os.path.exists(self.memory):
            self.move_all(os.path.dirname(self.memory))
            for n in range(500):
                try:
                    os.rmdir(self.memory)
                    return
                except OSError:
                    if n == 499:
                        raise
                    time.sleep(0.01)    # one of it is ending

    def enter_memory(self):
        write((self.memory if self.v1 else self.path) + "/cgroup.procs", str(os.getpid()))

    def move_all(self, to):
        """Until nobody was forked meanwhile. Who is ending is not moved any more: it is awaited."""
        for _ in range(500):
            with open(to + "/cgroup.procs") as f:
                there = {int(x) for x in f.read().split()}
            left = set(self.pids()) - there
            if not left:
                return
            for pid in left:
                try:
                    write(to + "/cgroup.procs", str(pid))
                except ProcessLookupError:
                    pass            # it has ended
            time.sleep(0.01)
        raise OSError(f"{to}: {len(left)} processes cannot be moved there")

    def remove(self):
        for _ in range(50):
            try:
                self.free_memory()
                os.rmdir(self.path)
                return
            except OSError:
                time.sleep(0.1)     # its last processes are not gone yet


def free_port(address):
    """Below the ephemeral range, so that no client's end of a connection has it."""
    for port in range(20000 + os.getpid() * 7 % 10000, 32700):
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind((address, port))
                return port
            except OSError:
                pass
    raise SystemExit("no free port")


class Server:
    """One server's configuration and processes. stop() is safe at any time."""

    name = ""
    address = "127.0.0.1"
    version_of = ()             # arguments that make it say its version

    def __init__(self, where, program):
        """program: a Peer, or for sallyport its build directory."""
        self.where, self.program = where, program
        self.port, self.group, self.process = 0, None, None

    def binary(self):
        return self.program.binary

    def environment(self):
        return dict(QUIET, **self.program.environment())

    def arguments(self):
        raise NotImplementedError

    def version(self):
        with tempfile.TemporaryFile("w+") as said:      # vsftpd says it to its input
            subprocess.run([self.binary(), *self.version_of], stdin=said, stdout=said,
                           stderr=said, check=False, timeout=10, env=self.environment())
            said.seek(0)
            found = re.search(r"\d+\.\d+(\.\d+)?\w*", said.read())
        return found.group() if found else "unknown"

    def limits(self):
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, most))
        self.group.enter()

    def start(self):
        pam = self.where + "/pam.d"
        os.makedirs(pam, exist_ok=True)
        for service in SERVICES:
            write(f"{pam}/{service}", PAM)
        self.port = free_port(self.address)
        self.group = Group(self.name)
        with open(f"{self.where}/{self.name}.out", "w") as log:
            self.process = subprocess.Popen(
                [*IN_NAMESPACE, pam, *self.arguments()], preexec_fn=self.limits,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment())
        for _ in range(100):
            try:
                with socket.create_connection((self.address, self.port), 1) as s:
                    if s.recv(1):
                        return
            except OSError:
                pass
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        with open(log.name) as f:
            raise NotStarted(f"{self.name} did not start: {f.read()[-2000:].strip()}")

    def cpu(self):
        return self.group.seconds()

    def settle(self):
        """Until no process of an earlier session is at work any more."""
        last = -1.0
        for _ in range(100):
            now = self.group.seconds()
            if now - last < 0.0005:
                return
            last = now
            time.sleep(0.1)

    def stop(self):
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.group is not None:
            for pid in self.group.pids():
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self.group.remove()
        self.process = self.group = None


class Sallyport(Server):
    name = "sallyport"
    durable = "false"
    version_of = ("--version",)

    def binary(self):
        return self.program + "/sallyportd"

    def environment(self):
        return QUIET

    def arguments(self):
        for user in ("sallyport", "sallyport-keys", "sallyport-ledger"):
            subprocess.run(["useradd", "--system", "--no-create-home", user],
                           capture_output=True, check=False)
        return [self.binary(), "-F", "-c",
                write(f"{self.where}/{self.name}.conf", f"""
listen = {{"{self.address}:{self.port}"}}
certificate = {{"{self.where}/cert.pem"}}
certificate_key = {{"{self.where}/key.pem"}}
run_directory = "{self.where}/run-{self.name}"
state_directory = "{self.where}/ledger-{self.name}"
libexec_directory = "{self.program}"
users_database = "{self.where}/users.db"
auth = {{"pam"}}
pam_service = "sallyport-bench"
tls_required = false
data_protection_required = false
durable = {self.durable}
max_sessions = 6000
max_sessions_per_address = 6000
log = "{self.where}/{self.name}.log"
log_level = "warning"
""")]


class SallyportDurable(Sallyport):
    """226 means stored: each upload is synced, as it is by default."""
    name = "sallyport-durable"
    durable = "true"


class Vsftpd(Server):
    name = "vsftpd"
    version_of = ("-v",)

    def arguments(self):
        empty = self.where + "/empty"
        os.makedirs(empty, exist_ok=True)
        return [self.binary(), write(self.where + "/vsftpd.conf", f"""
listen=YES
listen_address={self.address}
listen_port={self.port}
background=NO
local_enable=YES
write_enable=YES
anonymous_enable=NO
chroot_local_user=YES
allow_writeable_chroot=YES
secure_chroot_dir={empty}
pam_service_name=sallyport-bench
ssl_enable=YES
ssl_tlsv1=NO
force_local_logins_ssl=NO
force_local_data_ssl=NO
require_ssl_reuse=NO
ssl_ciphers=HIGH
rsa_cert_file={self.where}/cert.pem
rsa_private_key_file={self.where}/key.pem
max_clients=0
max_per_ip=0
xferlog_enable=NO
""")]


class Proftpd(Server):
    name = "proftpd"
    version_of = ("-v",)

    def arguments(self):
        return [self.binary(), "-n", "-c", write(self.where + "/proftpd.conf", f"""
ModulePath {self.program.root}/usr/lib/proftpd
LoadModule mod_tls.c
ServerName bench
ServerType standalone
DefaultAddress {self.address}
Port {self.port}
UseReverseDNS off
UseIPv6 off
MaxInstances none
User nobody
Group nogroup
DefaultRoot ~
AllowOverwrite on
RequireValidShell off
PidFile {self.where}/proftpd.pid
ScoreboardFile {self.where}/proftpd.score
DelayEngine off
SystemLog none
TransferLog none
WtmpLog off
AuthPAMConfig sallyport-bench
TLSEngine on
TLSProtocol TLSv1.2 TLSv1.3
TLSECCertificateFile {self.where}/cert.pem
TLSECCertificateKeyFile {self.where}/key.pem
TLSOptions NoSessionReuseRequired
TLSRequired off
""")]


class Pureftpd(Server):
    name = "pure-ftpd"
    version_of = ("--help",)

    def arguments(self):
        return [self.binary(), "-S", f"{self.address},{self.port}", "-A", "-H", "-E", "-l", "pam",
                "-Y", "1", "-2", self.where + "/both.pem", "-c", "6000", "-C", "6000",
                "-u", "1", "-f", "none", "-L", "2000000:10",
                "-g", self.where + "/pure-ftpd.pid"]


PEERS = {s.name: s for s in (Vsftpd, Proftpd, Pureftpd)}
