"""The README's word on the embedded AWS for other clients, with boto3: S3 Control by a name that begins with the account."""

import re
import socket
import subprocess
import time

import boto3

import server

# What S3 shows late is there within this many seconds, at the speed below.
PATIENCE = 60


def as_in_etc_hosts(name):
    """Resolves `name` as a line `127.0.0.1 name` in /etc/hosts would, for this process."""
    real = socket.getaddrinfo
    socket.getaddrinfo = lambda host, *rest, **more: real("127.0.0.1" if host in (name, name.encode()) else host, *rest, **more)


def run(program, verdicts):
    said = (server.root() / "README.md").read_text(encoding="utf-8")
    line = re.search(r"`127\.0\.0\.1 (\S+)` in\s+`/etc/hosts`", said)
    verdicts.add("the README says what /etc/hosts needs", None if line else "the sentence is gone")
    if not line:
        return
    as_in_etc_hosts(line.group(1))
    command = [program, "sandbox", "serve", "--listen", "127.0.0.1:0", "--speed", "60"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as served:
        try:
            port = re.search(r"http://127\.0\.0\.1:(\d+)", served.stderr.readline()).group(1)
            control = boto3.client(
                "s3control",
                endpoint_url=f"http://localhost:{port}",
                region_name="us-east-1",
                aws_access_key_id="x",
                aws_secret_access_key="x",
            )
            declared = {flag: True for flag in ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")}
            control.put_public_access_block(AccountId=server.ACCOUNT, PublicAccessBlockConfiguration=declared)
            found, until = None, time.monotonic() + PATIENCE
            while found != declared and time.monotonic() < until:
                try:
                    found = control.get_public_access_block(AccountId=server.ACCOUNT)["PublicAccessBlockConfiguration"]
                except control.exceptions.NoSuchPublicAccessBlockConfiguration:
                    pass
            verdicts.add("boto3 reads back by S3 Control what it wrote", None if found == declared else f"found {found}")
        finally:
            served.terminate()
