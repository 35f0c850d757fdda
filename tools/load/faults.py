#!/usr/bin/env python3
"""What must not hurt the service, tried on the program itself: standard library only, Linux.

tools/load/faults.py target/release/tadne [half-open|truncated|killed|full-disk|flood|flood=SECONDS] ...
flood needs wrk; full-disk mounts a tmpfs and therefore needs root; all others need nothing.
"""

import collections
import concurrent.futures
import http.client
import os
import pathlib
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time

PORT = 8391


class Service:
    """The program, serving; ready when entered."""

    def __init__(self, program, *options):
        self.log = tempfile.TemporaryFile()
        command = [program, "serve", "--addr", f"127.0.0.1:{PORT}", "--rate", "0", "--client-connections", "0", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=self.log)

    def __enter__(self):
        for _ in range(200):
            try:
                if get("/readyz")[0] == 200:
                    return self
            except OSError:
                time.sleep(0.05)
        raise SystemExit("the service did not start:\n" + self.said())

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def said(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def memory(self):
        """Resident MB."""
        for line in open(f"/proc/{self.process.pid}/status"):
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024


def get(path, timeout=10):
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=timeout)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def picture(seed):
    return get(f"/results/psi-1.0/seed{seed:05d}.png")


def half_open(program):
    """10,000 connections that begin a request and never end it, while others are served."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min(10_000, hard - 200)
    with Service(program, "--connections", "12000") as service:
        before = service.memory()
        held = []
        for _ in range(count):
            connection = socket.create_connection(("127.0.0.1", PORT), timeout=5)
            connection.send(b"GET / HTTP/1.1\r\nhost: a\r\nx: ")
            held.append(connection)
        times = []
        for seed in range(100):
            start = time.perf_counter()
            assert picture(seed)[0] == 200
            times.append(time.perf_counter() - start)
        full = service.memory()
        time.sleep(17)
        closed = sum(connection.recv(1000) is not None for connection in held)
        print(f"half-open: {count} connections took {full - before:.0f} MB; 100 new pictures meanwhile, slowest "
              f"{max(times) * 1e3:.1f} ms; after 17 s the service had closed {closed} of {count}")


def truncated(program):
    """A model file cut at 50 places: refused each time, in words."""
    whole = (pathlib.Path(__file__).parents[2] / "models/tadne.safetensors").read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        model, words = pathlib.Path(folder) / "model.safetensors", set()
        for place in range(50):
            model.write_bytes(whole[:len(whole) * place // 50])
            done = subprocess.run([program, "serve", "--addr", "127.0.0.1:0", "--model", model], capture_output=True, timeout=20)
            said = done.stderr.decode()
            assert done.returncode == 1 and said.startswith("error: ") and said.count("\n") == 1, said
            words.add(said.split("model.safetensors")[-1].strip()[:110])
    print(f"truncated: refused 50 of 50; said, for example: {sorted(words)[:3]}")


def killed(program):
    """kill -9 under load, ten times: every answer after the restart is the one before, from the folder or drawn again."""
    with tempfile.TemporaryDirectory() as folder:
        options = ["--cache", "1", "--cache", f"file://{folder}"]
        with Service(program) as service:
            true = {seed: picture(seed)[1] for seed in range(200)}
        answers = wrong = 0
        for _ in range(10):
            with Service(program, *options) as service, concurrent.futures.ThreadPoolExecutor(8) as pool:
                asked = [(seed, pool.submit(picture, seed)) for seed in range(200)]
                time.sleep(0.1)
                service.process.send_signal(signal.SIGKILL)
                for seed, answer in asked:
                    try:
                        status, body = answer.result()
                    except (OSError, http.client.HTTPException):
                        continue
                    answers += 1
                    wrong += (status, body) != (200, true[seed])
        with Service(program, *options) as service:
            wrong += sum(picture(seed) != (200, true[seed]) for seed in range(200))
            said = service.said()
        print(f"killed: 10 times; {answers} answers before the kills and 200 after the last restart, {wrong} wrong; "
              f"log: {said.strip()[:200] or 'empty'}")


def full_disk(program):
    """A cache folder of 1 MB on a disk of its own: 2,000 pictures, and all of them right; then damage."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], check=True)
        try:
            with Service(program) as service:
                true = {seed: picture(seed)[1] for seed in range(2000)}
            with Service(program, "--cache", "1", "--cache", f"file://{folder}") as service:
                wrong = sum(picture(seed) != (200, true[seed]) for seed in range(2000))
                warnings = service.said().count("the cache cannot be written")
            print(f"full disk: 2000 pictures, {wrong} wrong, {warnings} warnings in the log")
            files = [path for path in pathlib.Path(folder).rglob("*") if path.is_file()]
            for at, path in enumerate(files):
                data = bytearray(path.read_bytes())
                data[len(data) * at // len(files)] ^= 0x10
                path.write_bytes(data)
            with Service(program, "--cache", "1", "--cache", f"file://{folder}") as service:
                wrong = sum(picture(seed) != (200, true[seed]) for seed in range(2000))
                found = service.said().count("damaged entry")
            print(f"damaged: {len(files)} entries, one bit each; {found} found, {wrong} pictures wrong")
        finally:
            subprocess.run(["umount", folder], check=True)


def wrk(connections, seconds, *script):
    """wrk with mix.lua, started; its last line says how fast it was answered."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "40s", "-s", pathlib.Path(__file__).with_name("mix.lua")]
    command = [*command, f"http://127.0.0.1:{PORT}", "new", *script]
    return subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, text=True)


def answered():
    """Requests for pictures so far, by status."""
    counts = collections.Counter()
    for line in get("/metrics")[1].decode().splitlines():
        if line.startswith("tadne_requests_total") and 'route="/results' in line:
            counts[line.split('status="')[1][:3]] += int(line.split()[-1])
    return counts


def flood(program, seconds=600):
    """New pictures at twice the pace that the service can draw them: 503 and nothing else, flat memory, calm right after."""
    with Service(program, "--queue", "64", "--cache", "16") as service:
        load = wrk(16, 10, 1)
        said = load.communicate()[0]
        capacity = answered()["200"] / 10
        print(f"capacity: {capacity:.0f} pictures a second ({said.strip().splitlines()[-1]}); now twice that for {seconds} s")
        print("minute  asked/s  drawn/s  503/s  others  resident MB  slowest /healthz ms")
        # 64 of the connections wait in the queue, the others ask.
        load = wrk(256, seconds, 10**9, "webp", 2 * capacity / (256 - 64))
        began = mark = time.perf_counter()
        counts, slowest, others = answered(), 0, 0
        while time.perf_counter() - began < seconds - 1:
            time.sleep(1)
            start = time.perf_counter()
            assert get("/healthz")[0] == 200
            slowest = max(slowest, time.perf_counter() - start)
            passed = time.perf_counter() - mark
            if passed >= min(60, seconds - 2):
                now = answered()
                new = now - counts
                others += sum(new.values()) - new["200"] - new["503"]
                print(f"{(time.perf_counter() - began) / 60:6.1f}  {sum(new.values()) / passed:7.0f}  {new['200'] / passed:7.0f}  "
                      f"{new['503'] / passed:5.0f}  {others:6}  {service.memory():11.1f}  {slowest * 1e3:20.0f}", flush=True)
                counts, mark, slowest = now, time.perf_counter(), 0
        said = load.communicate()[0].strip().splitlines()[-1]
        start = time.perf_counter()
        assert picture(10**18)[0] == 200
        calm = time.perf_counter() - start
        print(f"the load's own count: {said}; first new picture after it in {calm * 1e3:.0f} ms; "
              f"{answered()}; log: {service.said().strip()[:300] or 'empty'}")


if __name__ == "__main__":
    tries = {"half-open": half_open, "truncated": truncated, "killed": killed, "full-disk": full_disk, "flood": flood}
    program = os.path.abspath(sys.argv[1])
    for name in sys.argv[2:] or tries:
        name, _, seconds = name.partition("=")
        tries[name](program, *([int(seconds)] if seconds else []))
