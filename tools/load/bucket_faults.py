#!/usr/bin/env python3
"""Archives made into a bucket whose answers fail, compared byte for byte with one made into a folder.

The programs are built with `--features s3`; moto plays the bucket, and a proxy before it spoils a share of the requests:

python3 -m venv /tmp/moto && /tmp/moto/bin/pip install 'moto[server,s3]' boto3
/tmp/moto/bin/python tools/load/bucket_faults.py target/release/tadne [target/cluster/tadne-cluster] [--share 0.2] [--seeds 0-511]
"""

import argparse
import collections
import contextlib
import http.client
import http.server
import logging
import os
import pathlib
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time

import boto3
from moto.server import ThreadedMotoServer

HOST, MOTO, PROXY, SCHEDULER, SERVICE = "127.0.0.1", 8396, 8397, 8398, 8399
BUCKET = "pictures"
KILLS = 5


class Faults:
    """Which requests are spoiled, and how: drawn from one seed, counted by kind."""

    KINDS = ("slow down", "internal error", "closed before", "closed after", "cut", "late")

    def __init__(self, share):
        self.share, self.random, self.lock = share, random.Random(1), threading.Lock()
        self.counts = collections.Counter()

    def draw(self):
        with self.lock:
            spoiled = self.random.random() < self.share
            kind = self.random.choice(self.KINDS) if spoiled else "whole"
            self.counts[kind] += 1
            return kind

    def told(self):
        with self.lock:
            counts, self.counts = self.counts, collections.Counter()
        total = sum(counts.values())
        return f"{total} requests, {total - counts['whole']} of them spoiled ({', '.join(f'{kind} {counts[kind]}' for kind in self.KINDS)})"


class Proxy(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    faults: Faults

    def pass_on(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        kind = self.faults.draw()
        if kind in ("slow down", "internal error"):
            return self.answer(503 if kind == "slow down" else 500, [("content-type", "application/xml")], b"<Error/>")
        if kind == "closed before":
            return self.close()
        if kind == "late":
            time.sleep(1)
        to = http.client.HTTPConnection(HOST, MOTO, timeout=60)
        to.request(self.command, self.path, body, dict(self.headers))
        answer = to.getresponse()
        contents = answer.read()
        to.close()
        if kind == "closed after":
            # The bucket has done what it was asked for, and nobody is told.
            return self.close()
        headers = [(name, value) for name, value in answer.getheaders() if name.lower() not in ("connection", "transfer-encoding", "date", "server")]
        self.answer(answer.status, headers, contents, cut=kind == "cut")

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = pass_on

    def answer(self, status, headers, contents, cut=False):
        self.send_response(status)
        length = [value for name, value in headers if name.lower() == "content-length"] or [str(len(contents))]
        for name, value in headers:
            if name.lower() != "content-length":
                self.send_header(name, value)
        self.send_header("content-length", length[0])
        self.end_headers()
        self.wfile.write(contents[:len(contents) // 2] if cut else contents)
        if cut:
            self.close()

    def close(self):
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, *_):
        # A program that was killed has closed its connections.
        pass


def folder_files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in pathlib.Path(folder).rglob("*") if path.is_file()}


class Trial:
    def __init__(self, arguments, faults, s3, folder):
        self.program, self.cluster = (path and os.path.abspath(path) for path in (arguments.program, arguments.cluster))
        self.work, self.faults, self.s3, self.folder = ["--seeds", arguments.seeds, "--levels", "1.0"], faults, s3, pathlib.Path(folder)
        self.random = random.Random(2)
        self.wanted = {}

    def command(self, out, *more):
        return [self.program, "archive", *self.work, "--out", out, *more]

    def alone(self, *more):
        """The archive made into a folder, and how long that took."""
        out, start = self.folder / "-".join(["alone", *more]), time.perf_counter()
        subprocess.run(self.command(out, *more), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.wanted[more] = folder_files(out)
        return time.perf_counter() - start

    def kept(self, prefix):
        """What lies in the bucket, read past the proxy."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix + "/")
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        return {key.removeprefix(prefix + "/"): self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}

    def compare(self, what, prefix, start, *more):
        kept, wanted = self.kept(prefix), self.wanted[more]
        different = [path for path in {*kept, *wanted} if kept.get(path) != wanted.get(path)]
        uploads = self.s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
        print(f"{what}: {time.perf_counter() - start:.0f} s, {self.faults.told()}; {len(kept)} files, {len(different)} differ"
              f"{' ' + str(different[:3]) if different else ''}; uploads left open: {len(uploads)}", flush=True)
        return not different

    def killed(self, command, seconds):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        process.kill()
        process.wait()

    def whole(self, command):
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done

    def once(self, *more):
        """By one process, killed five times."""
        prefix, start = "-".join(["once", *more]), time.perf_counter()
        command = self.command(f"s3://{BUCKET}/{prefix}", *more)
        for _ in range(KILLS):
            self.killed(command, self.random.uniform(0.5, 3))
        self.whole(command)
        return self.compare(f"one process{' ' + ' '.join(more) if more else ''}, killed {KILLS} times", prefix, start, *more)

    def verified(self):
        """A bit of some pictures is changed and some are taken away: --verify mends them."""
        start, pictures = time.perf_counter(), sorted(path for path in self.wanted[()] if path.startswith("results/"))
        for at, path in enumerate(pictures[::40]):
            key = f"once/{path}"
            if at % 2:
                self.s3.delete_object(Bucket=BUCKET, Key=key)
            else:
                spoiled = bytearray(self.wanted[()][path])
                spoiled[len(spoiled) // 2] ^= 1
                self.s3.put_object(Bucket=BUCKET, Key=key, Body=bytes(spoiled))
        self.whole(self.command(f"s3://{BUCKET}/once", "--verify"))
        return self.compare(f"{len(pictures[::40])} pictures damaged or gone, --verify", "once", start)

    def array(self):
        """A job array of three at once, one of them killed and begun again."""
        start, out = time.perf_counter(), f"s3://{BUCKET}/array"
        others = [subprocess.Popen(self.command(out, "--part", f"{part}/3"), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) for part in (1, 2)]
        self.killed(self.command(out, "--part", "3/3"), 2)
        self.whole(self.command(out, "--part", "3/3"))
        for process in others:
            said = process.communicate()[1]
            assert process.returncode == 0, said
        return self.compare("job array of three, one killed", "array", start)

    def served(self):
        """`tadne serve` before such a bucket: every picture is the one that was made ahead."""
        command = [self.program, "serve", "--addr", f"{HOST}:{SERVICE}", "--rate", "0", "--archive", f"s3://{BUCKET}/once"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            start, wrong = time.perf_counter(), 0
            for _ in range(200):
                with contextlib.suppress(OSError):
                    get("/readyz")
                    break
                time.sleep(0.05)
            pictures = [path for path in sorted(self.wanted[()]) if path.startswith("results/")][:100]
            for path in pictures:
                wrong += get("/" + path) != (200, self.wanted[()][path])
            counts = [line for line in get("/metrics")[1].decode().splitlines() if line.startswith("tadne_archive")]
            print(f"served: {len(pictures)} pictures in {time.perf_counter() - start:.0f} s, {wrong} wrong; {self.faults.told()}; {counts}", flush=True)
            return wrong == 0
        finally:
            process.kill()
            process.wait()

    def ballista(self):
        """A scheduler and two executors: an executor is killed, then the scheduler; the same command goes on."""
        start, address = time.perf_counter(), f"df://{HOST}:{SCHEDULER}"
        log = open(self.folder / "cluster.log", "w")

        def begin(*arguments):
            return subprocess.Popen([self.cluster, *arguments], stdout=subprocess.DEVNULL, stderr=log)

        def scheduler():
            process = begin("scheduler", "--listen", f"{HOST}:{SCHEDULER}", "--executor-timeout", "4")
            while True:
                with contextlib.suppress(OSError):
                    socket.create_connection((HOST, SCHEDULER)).close()
                    return process
                time.sleep(0.05)

        def executor(port):
            ports = ["--port", str(port), "--task-port", str(port + 1)]
            return begin("executor", "--scheduler", address, *ports, "--threads", "1", "--heartbeat", "1")

        client = [self.cluster, "archive", "--cluster", address, *self.work, "--out", f"s3://{BUCKET}/cluster"]
        processes = [scheduler(), executor(8400), executor(8402)]
        try:
            first = subprocess.Popen(client, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(3)
            processes[1].kill()
            time.sleep(6)
            processes[0].kill()
            ended = first.wait()
            processes += [scheduler(), executor(8404)]
            self.whole(client)
        finally:
            for process in processes:
                process.kill()
                process.wait()
        return self.compare(f"Ballista, an executor killed, then the scheduler (the command ended with {ended}), again", "cluster", start)


def get(path):
    connection = http.client.HTTPConnection(HOST, SERVICE, timeout=60)
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.read()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("cluster", nargs="?")
    parser.add_argument("--share", type=float, default=0.2, help="of the requests that are spoiled")
    parser.add_argument("--seeds", default="0-511")
    arguments = parser.parse_args()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    moto = ThreadedMotoServer(ip_address=HOST, port=MOTO, verbose=False)
    moto.start()
    Proxy.faults = Faults(arguments.share)
    proxy = Server((HOST, PROXY), Proxy)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    os.environ |= {"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing"}
    s3 = boto3.client("s3", endpoint_url=f"http://{HOST}:{MOTO}", region_name="us-east-1")
    s3.create_bucket(Bucket=BUCKET)
    os.environ |= {"AWS_ENDPOINT": f"http://{HOST}:{PROXY}", "AWS_ALLOW_HTTP": "true"}
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(arguments, Proxy.faults, s3, folder)
        tar = ("--tar", "--shard-seeds", "256")
        print(f"into a folder: {trial.alone():.0f} s, in tars {trial.alone(*tar):.0f} s; "
              f"{sum(map(len, trial.wanted[()].values())) / 1e6:.0f} MB", flush=True)
        right = [trial.once(), trial.verified(), trial.served(), trial.once(*tar), trial.array()]
        if trial.cluster:
            right.append(trial.ballista())
    return 0 if all(right) else 1


if __name__ == "__main__":
    sys.exit(main())
