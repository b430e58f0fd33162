#!/usr/bin/env python3
"""The owner's manifest against moto, over HTTP: from the account as found to in sync, and what boto3 reads back is what was declared.

    run.py HOLDFAST RECORDS     the program; the folder into which its requests are written for tests/botocore
"""

import copy
import pathlib
import subprocess
import sys
import tempfile

import account
import expect
import limits
import served
import server
import yaml

MANIFEST = server.root() / "manifests" / "baselines" / "huntaze-production.yaml"
# A run that does not end is a failure, and no reason to wait for ever.
PATIENCE = 120


class Verdicts:
    """What passed, failed and was skipped, each said as it comes."""

    def __init__(self):
        self.passed, self.failed, self.skipped = 0, 0, 0

    def add(self, name, problem, lack=None):
        if lack is not None:
            self.skipped += 1
            print(f"skipped: {name}: needs {lack}, which moto does not have")
        elif problem:
            self.failed += 1
            print(f"FAILED: {name}: {problem}")
        else:
            self.passed += 1

    def close(self):
        print(f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped")
        return 1 if self.failed or not self.passed else 0


def reduced(manifest, lacking):
    """The manifest without the fields that moto does not know. Where nothing is left of an entry, it goes."""
    manifest = copy.deepcopy(manifest)

    def strip(entry, kind):
        for path in [path for path, _ in expect.leaves(entry) if f"{kind}.{path}" in lacking]:
            *above, last = path.split(".")
            below = entry
            for part in above:
                below = below[part]
            del below[last]
        for key in [key for key, value in entry.items() if value == {}]:
            del entry[key]
        return any(path.partition(".")[0] not in expect.SILENT | {"migration"} for path, _ in expect.leaves(entry))

    for kind in expect.KINDS:
        service, part = kind.split(".")
        parts = manifest["spec"].get(service, {})
        declared = parts.get(part)
        if isinstance(declared, list):
            parts[part] = [entry for entry in declared if strip(entry, kind)]
        elif declared is not None:
            strip(declared, kind)
        if part in parts and not parts[part]:
            del parts[part]
        if service in manifest["spec"] and not parts:
            del manifest["spec"][service]
    return manifest


class Holdfast:
    """The real program on one manifest and one state folder."""

    def __init__(self, program, endpoint, folder, manifest):
        self._program, self._folder = program, folder
        self._environment = server.environment(endpoint)
        self._manifest = folder / "manifest.yaml"
        self._manifest.write_text(manifest, encoding="utf-8")

    def reconcile(self, *options):
        command = [self._program, "reconcile", "-f", self._manifest, "--state-dir", self._folder / "state", *options]
        try:
            return subprocess.run(command, env=self._environment, capture_output=True, text=True, timeout=PATIENCE, check=False)
        except subprocess.TimeoutExpired as late:
            text = lambda part: part.decode("utf-8", "replace") if isinstance(part, bytes) else part or ""
            return subprocess.CompletedProcess(command, -1, text(late.stdout), f"{text(late.stderr)}\nno end after {PATIENCE} s")


def exits(run, code):
    return None if run.returncode == code else f"exit code {run.returncode}, expected {code}\n{run.stdout}\n{run.stderr}"


def run_account(program, records, verdicts):
    found = account.described()
    secret = account.secret_of(found)
    lacking = limits.fields()
    with server.Server(records, secret) as moto, tempfile.TemporaryDirectory() as folder:
        clients = account.Clients(moto.endpoint)
        clients.account = server.ACCOUNT
        text = MANIFEST.read_text(encoding="utf-8")
        for there, here in account.build(clients, found).items():
            verdicts.add(f"the manifest names {there}", None if there in text else "it does not: the substitution is stale")
            text = text.replace(there, here)
        whole = yaml.safe_load(text)
        # The group cannot be changed on moto, and must be left alone: it stays in this manifest, and this manifest is only looked at.
        looked_at = Holdfast(program, moto.endpoint, pathlib.Path(tempfile.mkdtemp(dir=folder)), text)
        kept = Holdfast(program, moto.endpoint, pathlib.Path(tempfile.mkdtemp(dir=folder)), yaml.safe_dump(reduced(whole, lacking)))

        plan = looked_at.reconcile("--dry-run")
        verdicts.add("a dry run of the whole manifest says that the Redis is blocked", exits(plan, 3))
        verdicts.add("a dry run finds drift", exits(kept.reconcile("--dry-run", "--detailed-exitcode"), 2))
        verdicts.add("a dry run writes nothing", None if moto.writes == 0 else f"{moto.writes} writing requests")
        first = kept.reconcile()
        verdicts.add("the account is brought in sync", exits(first, 0))
        verdicts.add("the plan is empty then", exits(kept.reconcile("--dry-run", "--detailed-exitcode"), 0))
        written = moto.writes
        verdicts.add("applied again, nothing is written", exits(kept.reconcile(), 0) or (None if moto.writes == written else f"{moto.writes - written} writing requests"))
        for name, problem, lack in expect.fields(clients, whole["spec"], lacking):
            verdicts.add(name, problem, lack)
        statements = clients.s3.get_bucket_policy(Bucket="huntaze-uploads")["Policy"]
        verdicts.add("somebody else's policy statement is still there", None if "UploadsRole" in statements else statements)
        said = "".join(run.stdout + run.stderr for run in (plan, first))
        verdicts.add("the token is in no output", "it is" if secret in said else None)
        stale = limits.check(clients)
        verdicts.add("what moto lacks is what limits.py says", "; ".join(stale))


def main(program, records):
    verdicts = Verdicts()
    run_account(program, pathlib.Path(records), verdicts)
    served.run(program, pathlib.Path(records), verdicts)
    return verdicts.close()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
