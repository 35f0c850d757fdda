#!/usr/bin/env python3
"""How fast the service is, beside what its kernels alone can do and beside nginx: standard library, wrk and nginx, Linux.

tools/load/pace.py target/release/tadne [new|same] ... [--rounds N] [--seconds S]

new   Pictures that nobody asked for before, by 16 connections, in each kind of file, against `tadne bench` drawing on as
      many threads, with and without writing the same kind of file. The load generator runs on the same cores, so next to
      the pictures a second stands what does not depend on it: processor time a picture.
same  1,000 pictures from memory, by 1 to 1,024 connections, against nginx with the same files from disk.
"""

import argparse
import contextlib
import http.client
import json
import os
import pathlib
import re
import statistics
import subprocess
import tempfile
import time

HERE = pathlib.Path(__file__).parent
PORT, NGINX = 8392, 8393
KINDS = ["webp", "png", "jpg"]
TICK = os.sysconf("SC_CLK_TCK")


def processor_seconds(pid):
    """Of a process with all its threads, in its program and in the system for it."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def get(path, port=PORT):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    if answer.status != 200:
        raise SystemExit(f"{path}: {answer.status}")
    return body


@contextlib.contextmanager
def running(command, path, port):
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with contextlib.suppress(OSError):
                get(path, port)
                break
            time.sleep(0.05)
        else:
            raise SystemExit(f"{command[0]} did not start")
        yield process
    finally:
        process.terminate()
        process.wait()


def service(program):
    options = ["--addr", f"127.0.0.1:{PORT}", "--rate", "0", "--client-connections", "0"]
    return running([program, "serve", *options], "/readyz", PORT)


def wrk(connections, seconds, port, *script):
    """Answers a second, milliseconds at the 50th and the 99th of a hundred, and how many were no pictures."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", HERE / "mix.lua", f"http://127.0.0.1:{port}", *script]
    said = subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True).stdout
    figures = re.search(r"([\d.]+)/s p50 ([\d.]+) ms p99 ([\d.]+) ms not-2xx (\d+) socket errors (\d+)", said)
    rate, p50, p99, wrong, errors = map(float, figures.groups())
    return rate, p50, p99, int(wrong + errors)


def drawn():
    return int(re.search(r'tadne_files_total\{kind="drawn"\} (\d+)', get("/metrics").decode())[1])


def new(program, rounds, seconds):
    cores = len(os.sched_getaffinity(0))
    rows = {kind: [] for kind in KINDS}
    first = 1
    for _ in range(rounds):
        for kind in KINDS:
            bench = [program, "bench", "--threads", str(cores), "--format", kind, "--seconds", str(seconds), "--json"]
            bench = json.loads(subprocess.run(bench, check=True, capture_output=True).stdout)["rows"]
            alone = next(row for row in bench if row["way"] == "apart")
            written = next(row for row in bench if isinstance(row["way"], dict))
            with service(program) as process:
                wrk(16, 1, PORT, "new", first, kind)
                before, made = processor_seconds(process.pid), drawn()
                rate, p50, p99, wrong = wrk(16, seconds, PORT, "new", first + 10**6, kind)
                cost = (processor_seconds(process.pid) - before) / (drawn() - made) * 1e3
            first += 10**7
            rows[kind].append({
                "rate": rate, "cost": cost, "p50": p50, "p99": p99, "wrong": wrong,
                "alone": alone["pictures_per_second"], "written": written["pictures_per_second"],
                "alone_cost": alone["cpu_ms"], "written_cost": written["cpu_ms"],
            })
    print(f"new pictures, {cores} cores, 16 connections, medians of {rounds} rounds of {seconds} s")
    print("       pictures a second                          processor ms a picture")
    print("kind   service  kernels  ratio  and file  ratio   service  kernels  ratio  and file  ratio   p50 ms  p99 ms  wrong")
    for kind, taken in rows.items():
        middle = lambda value: statistics.median(value(row) for row in taken)
        print(f"{kind:5}  {middle(lambda r: r['rate']):7.0f}  {middle(lambda r: r['alone']):7.0f}  "
              f"{middle(lambda r: r['rate'] / r['alone']):5.2f}  {middle(lambda r: r['written']):8.0f}  "
              f"{middle(lambda r: r['rate'] / r['written']):5.2f}   {middle(lambda r: r['cost']):7.3f}  "
              f"{middle(lambda r: r['alone_cost']):7.3f}  {middle(lambda r: r['alone_cost'] / r['cost']):5.2f}  "
              f"{middle(lambda r: r['written_cost']):8.3f}  {middle(lambda r: r['written_cost'] / r['cost']):5.2f}   "
              f"{middle(lambda r: r['p50']):6.1f}  {middle(lambda r: r['p99']):6.0f}  {sum(r['wrong'] for r in taken):5}")


NGINX_CONF = """
worker_processes auto; worker_rlimit_nofile 8192; pid {folder}/pid; error_log {folder}/error.log; daemon off;
events {{ worker_connections 4096; }}
http {{
  types {{ image/webp webp; }}
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; open_file_cache max=2000;
  server {{ listen 127.0.0.1:{port} backlog=4096; root {folder}/files; }}
}}
"""


def same(program, rounds, seconds):
    rows = {connections: [] for connections in [1, 16, 256, 1024]}
    with tempfile.TemporaryDirectory() as folder, service(program):
        os.chmod(folder, 0o755)
        files = pathlib.Path(folder) / "files/results/psi-1.0"
        files.mkdir(parents=True)
        for seed in range(1000):
            (files / f"seed{seed:05}.webp").write_bytes(get(f"/results/psi-1.0/seed{seed:05}.webp"))
        size = sum(file.stat().st_size for file in files.iterdir()) / 1000
        conf = pathlib.Path(folder) / "nginx.conf"
        conf.write_text(NGINX_CONF.format(folder=folder, port=NGINX))
        with running(["nginx", "-c", conf], "/results/psi-1.0/seed00000.webp", NGINX):
            for _ in range(rounds):
                for connections, taken in rows.items():
                    taken.append([wrk(connections, seconds, port, "same") for port in (PORT, NGINX)])
    print(f"1,000 pictures of {size / 1e3:.0f} KB from memory; medians of {rounds} rounds of {seconds} s each")
    print("connections   service/s  p50 ms  p99 ms  wrong      nginx/s  p50 ms  p99 ms  wrong   ratio")
    for connections, taken in rows.items():
        line = f"{connections:11}  "
        for who in (0, 1):
            rate, p50, p99 = (statistics.median(run[who][figure] for run in taken) for figure in range(3))
            line += f"{rate:10.0f}  {p50:6.2f}  {p99:6.2f}  {sum(run[who][3] for run in taken):5}   "
        print(line + f"{statistics.median(run[0][0] / run[1][0] for run in taken):5.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=os.path.abspath)
    parser.add_argument("what", nargs="*", choices=["new", "same"], default=["new", "same"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3)
    asked = parser.parse_args()
    for name in asked.what:
        {"new": new, "same": same}[name](asked.program, asked.rounds, asked.seconds)
