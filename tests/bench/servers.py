"""tests/bench/servers.py - the servers that are measured, each in a cgroup of its own

Every server is configured for speed and for the same work: TLS 1.2 and 1.3 with an ECDSA
P-256 certificate, one PAM stack with a SHA-512 password, a user locked into the home
directory, passive mode, no limits, no DNS, no syncing, no log of transfers.
"""
import os
import signal
import socket
import subprocess
import time

PAM = """auth required pam_unix.so
account required pam_unix.so
session required pam_permit.so
"""
# OpenSSL's own defaults would have some servers parse the system's CA bundle per session
QUIET = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "SSL_CERT_FILE": "/dev/null",
         "SSL_CERT_DIR": "/nonexistent"}


def write(path, text, mode=0o644):
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, mode)
    return path


class Group:
    """A cgroup (v1 cpuacct or v2): the CPU of all its processes, living and dead."""

    def __init__(self, name):
        v1 = "/sys/fs/cgroup/cpuacct"
        self.v1 = os.path.exists(v1 + "/cpuacct.usage")
        self.path = os.path.join(v1 if self.v1 else "/sys/fs/cgroup",
                                 f"sallyport-bench-{os.getpid()}-{name}")
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

    def remove(self):
        for _ in range(50):
            try:
                os.rmdir(self.path)
                return
            except OSError:
                time.sleep(0.1)     # its last processes are not gone yet


class Server:
    """One server's configuration and processes. stop() is safe at any time."""

    name = binary = ""
    pam = []                    # files of /etc/pam.d that it needs

    def __init__(self, where, port, build):
        self.where, self.port, self.build = where, port, build
        self.group = self.process = None
        self.made = []

    def arguments(self):
        raise NotImplementedError

    def start(self):
        for name in self.pam:
            path = "/etc/pam.d/" + name
            if not os.path.exists(path):
                self.made.append(write(path, PAM))
        argv = self.arguments()
        self.group = Group(self.name)
        with open(f"{self.where}/{self.name}.out", "w") as log:
            self.process = subprocess.Popen(
                argv, preexec_fn=self.group.enter, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, env=QUIET)
        for _ in range(100):
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1) as s:
                    s.recv(1)
                return self
            except OSError:
                time.sleep(0.1)
        with open(log.name) as f:
            raise SystemExit(f"{self.name} did not start: {f.read()[-2000:]}")

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
        if self.group is not None:
            for pid in self.group.pids():
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self.group.remove()
        for path in self.made:
            os.unlink(path)


class Sallyport(Server):
    name = "sallyport"
    pam = ["sallyport-bench"]

    def arguments(self):
        for user in ("sallyport", "sallyport-keys"):
            subprocess.run(["useradd", "--system", "--no-create-home", user],
                           capture_output=True, check=False)
        return [self.build + "/sallyportd", "-F", "-c",
                write(self.where + "/sallyport.conf", f"""
listen = {{"127.0.0.1:{self.port}"}}
certificate = {{"{self.where}/cert.pem"}}
certificate_key = {{"{self.where}/key.pem"}}
run_directory = "{self.where}/run"
libexec_directory = "{self.build}"
users_database = "{self.where}/users.db"
auth = {{"pam"}}
pam_service = "sallyport-bench"
tls_required = false
data_protection_required = false
durable = false
max_sessions = 5000
max_sessions_per_address = 5000
log = "{self.where}/sallyport.log"
log_level = "warning"
""")]


class Vsftpd(Server):
    name, binary, pam = "vsftpd", "/usr/sbin/vsftpd", ["sallyport-bench"]

    def arguments(self):
        os.makedirs("/var/run/vsftpd/empty", exist_ok=True)
        return [self.binary, write(self.where + "/vsftpd.conf", f"""
listen=YES
listen_address=127.0.0.1
listen_port={self.port}
background=NO
local_enable=YES
write_enable=YES
anonymous_enable=NO
chroot_local_user=YES
allow_writeable_chroot=YES
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
    name, binary, pam = "proftpd", "/usr/sbin/proftpd", ["sallyport-bench"]

    def arguments(self):
        return [self.binary, "-n", "-c", write(self.where + "/proftpd.conf", f"""
LoadModule mod_tls.c
ServerName bench
ServerType standalone
DefaultAddress 127.0.0.1
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
    name, binary, pam = "pure-ftpd", "/usr/sbin/pure-ftpd", ["pure-ftpd"]

    def arguments(self):
        return [self.binary, "-S", f"127.0.0.1,{self.port}", "-A", "-H", "-E", "-l", "pam",
                "-Y", "1", "-2", self.where + "/both.pem", "-c", "5000", "-C", "5000",
                "-u", "1", "-f", "none", "-L", "1000000:10",
                "-g", self.where + "/pure-ftpd.pid"]


PEERS = {s.name: s for s in (Vsftpd, Proftpd, Pureftpd)}
