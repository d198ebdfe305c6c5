"""What the benchmarks share: a cluster that bench/make-cluster made, whole processes timed, sizes."""
import os, pwd, shutil, subprocess, sys, time


class Bench:
    """One cluster, the folder in which contenders work, and the user as whom everything runs."""

    def __init__(self, folder, version, port, user):
        self.folder, self.version, self.port = folder, version, port
        servers = os.environ.get("CADENA_TEST_SERVERS") or (
            "/var/cache/cadena/servers" if os.geteuid() == 0 else os.path.expanduser("~/.cache/cadena/servers"))
        self.bin = os.path.join(servers, str(version), "bin")
        self.tools = os.path.join(servers, "18", "bin")
        self.data = os.path.join(folder, "data")
        self.socket = os.path.join(folder, "socket")
        self.work = os.path.join(folder, "work")
        self.account = pwd.getpwnam(user) if os.geteuid() == 0 else None
        self.environment = {
            "PATH": self.bin + ":" + os.environ["PATH"], "HOME": self.work, "LC_ALL": "C.UTF-8", "TZ": "UTC",
            "PGHOST": self.socket, "PGPORT": str(port), "PGUSER": "postgres", "PGDATABASE": "postgres",
            "PG_BIN_PATH": self.bin,
        }

    def identity(self):
        return dict(user=self.account.pw_uid, group=self.account.pw_gid, extra_groups=[]) if self.account else {}

    def fresh(self, path):
        """Empties a folder, outside the timed part."""
        shutil.rmtree(path, ignore_errors=True)
        os.makedirs(path, mode=0o700)
        if self.account:
            os.chown(path, self.account.pw_uid, self.account.pw_gid)
        return path

    def start(self, command):
        """Starts a process of the bench's user; its output goes to the bench's log."""
        log = open(os.path.join(self.folder, "bench.log"), "ab")
        return subprocess.Popen(command, env=self.environment, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                **self.identity())

    def run(self, command, accepted=(0,)):
        """Runs one command as a whole process: wall seconds, CPU seconds, peak resident MiB of its largest process."""
        os.sync()
        begin = time.monotonic()
        child = self.start(command)
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.monotonic() - begin
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode not in accepted:
            sys.exit(f"failed ({child.returncode}): {' '.join(command)}; see {self.folder}/bench.log")
        return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024

    def sql(self, statement, database="postgres"):
        command = [os.path.join(self.tools, "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", statement]
        return subprocess.run(command, env=self.environment, cwd="/", check=True, stdout=subprocess.PIPE, text=True,
                              **self.identity()).stdout.strip()

    def wait(self, what, condition, seconds=300):
        """Waits for something that the server reports; never a fixed pause."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                sys.exit(f"waited {seconds} s for {what}")
            time.sleep(0.05)


def size_mb(path):
    total = 0
    for folder, _, names in os.walk(path):
        total += sum(os.lstat(os.path.join(folder, name)).st_size for name in names)
    return total / 1e6
