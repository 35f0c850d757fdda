#!/usr/bin/env python3
"""Two services with one bucket between them, tried on a program built with `--features s3`: moto plays the bucket.

python3 -m venv /tmp/moto && /tmp/moto/bin/pip install 'moto[server,s3]' boto3
/tmp/moto/bin/python tools/load/bucket.py target/release/tadne
"""

import contextlib
import http.client
import os
import subprocess
import sys
import time

import boto3
from moto.server import ThreadedMotoServer

BUCKET, FIRST, SECOND, MOTO = "pictures", 8394, 8395, 8396
SEEDS = range(60)


@contextlib.contextmanager
def service(program, port):
    options = ["--rate", "0", "--cache", "1", "--cache", f"s3://{BUCKET}/tadne"]
    process = subprocess.Popen([program, "serve", "--addr", f"127.0.0.1:{port}", *options], stdout=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with contextlib.suppress(OSError):
                get(port, "/readyz")
                break
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait()


def get(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    assert answer.status == 200, (path, answer.status)
    return answer.read()


def pictures(port):
    return [get(port, f"/results/psi-1.0/seed{seed:05}.webp") for seed in SEEDS]


def counts(port):
    lines = get(port, "/metrics").decode().splitlines()
    return {line.split('"')[1]: int(line.split()[-1]) for line in lines if line.startswith("tadne_store_total")}


def main(program):
    moto = ThreadedMotoServer(port=MOTO)
    moto.start()
    os.environ |= {
        "AWS_ENDPOINT": f"http://127.0.0.1:{MOTO}", "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing",
    }
    s3 = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT"], region_name="us-east-1")
    s3.create_bucket(Bucket=BUCKET)
    with service(program, FIRST), service(program, SECOND):
        drawn = pictures(FIRST)
        for _ in range(100):
            if counts(FIRST)["written"] + counts(FIRST)["failed"] >= len(SEEDS):
                break
            time.sleep(0.1)
        assert pictures(SECOND) == drawn
        print("first service: ", counts(FIRST))
        print("second service:", counts(SECOND))
        kept = s3.list_objects_v2(Bucket=BUCKET)["Contents"]
        print(f"{len(kept)} objects below {kept[0]['Key'].rsplit('/', 2)[0]}")
        for entry in kept:
            body = bytearray(s3.get_object(Bucket=BUCKET, Key=entry["Key"])["Body"].read())
            body[len(body) // 2] ^= 1
            s3.put_object(Bucket=BUCKET, Key=entry["Key"], Body=bytes(body))
    with service(program, FIRST):
        assert pictures(FIRST) == drawn
        print("after a bit of each was changed:", counts(FIRST))
    with service(program, SECOND):
        moto.stop()
        start = time.perf_counter()
        assert pictures(SECOND)[:3] == drawn[:3]
        print(f"bucket gone: {len(SEEDS)} pictures in {time.perf_counter() - start:.1f} s,", counts(SECOND))


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]))
