#!/usr/bin/env python3
"""Sends broken requests, byte by byte, and counts the answers: tools/load/bytes.py HOST:PORT [COUNT]. No 5xx may come."""

import collections
import random
import socket
import sys

host, port = sys.argv[1].rsplit(":", 1)
count = int(sys.argv[2]) if len(sys.argv) > 2 else 5000
chance = random.Random(1)
GOOD = [
    b"GET /api/v1/pictures/42.png?psi=1.1&size=64 HTTP/1.1\r\nhost: a\r\nrange: bytes=0-99\r\nconnection: close\r\n\r\n",
    b"GET /results/psi-1.0/seed00042.png HTTP/1.1\r\nhost: a\r\nif-none-match: \"x\", W/\"y\"\r\nconnection: close\r\n\r\n",
    b"POST /api/v1/batches HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 17\r\n\r\n{\"seeds\":\"0-3,7\"}",
    b"GET /p/42~77~35?psi=0.7&lang=it HTTP/1.1\r\nhost: a.example:80\r\naccept-language: it;q=0.5\r\nconnection: close\r\n\r\n",
]


def broken():
    request = bytearray(chance.choice(GOOD))
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(len(request) + 1)
        kind = chance.randrange(4)
        if kind == 0:
            request[at:at] = chance.randbytes(chance.randint(1, 20))
        elif kind == 1:
            del request[at:at + chance.randint(1, 20)]
        elif kind == 2 and at < len(request):
            request[at] ^= 1 << chance.randrange(8)
        else:
            request[at:at] = request[at:at + 30] * chance.randint(1, 5)
    return bytes(request)


answers = collections.Counter()
for _ in range(count):
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        try:
            connection.sendall(broken())
            connection.shutdown(socket.SHUT_WR)
            head = connection.recv(64)
        except ConnectionError:
            head = b""
    answers[head.split(b" ")[1].decode() if head.startswith(b"HTTP/1.1 ") else "closed"] += 1
print(dict(answers))
sys.exit(any(status.startswith("5") for status in answers))
