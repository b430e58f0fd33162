#!/usr/bin/env python3
"""Checks recorded requests against the published models of their services.

    check.py FOLDER...     every *.jsonl below: one request a line, as src/sandbox/record.rs writes them

Fails when a request is invalid, and when there was none to check.
"""

import collections
import json
import pathlib
import sys

import shapes
import wire

# Of a problem that thousands of requests share, so many are printed.
SHOWN = 40


def problems_of(request):
    """What is wrong with one request; empty where nothing is. The operation's name comes with it."""
    try:
        operation, parameters, problems = wire.read(request)
    except wire.NotRead as error:
        return request.get("operation") or "?", [str(error)]
    except (KeyError, ValueError) as error:
        return request.get("operation") or "?", [f"the record cannot be read: {type(error).__name__}: {error}"]
    if operation.input_shape is not None:
        shapes.check(operation.input_shape, parameters if parameters is not None else {}, "", problems)
    return operation.name, problems


def identity(request):
    """What makes two requests the same for this check."""
    headers = tuple(sorted((name, text) for name, text in request["headers"].items() if name in RELEVANT or name.startswith("x-amz-checksum")))
    return request["service"], request["operation"], request["method"], request["path"], request["query"], request["body"], headers


RELEVANT = {"content-type", "x-amz-target", "content-md5", "x-amz-account-id", "x-amz-sdk-checksum-algorithm", "x-amz-expected-bucket-owner"}


def main(folders):
    checked, operations, invalid = 0, set(), collections.Counter()
    first, judged = {}, {}
    for folder in folders:
        for path in sorted(pathlib.Path(folder).rglob("*.jsonl")):
            with open(path, encoding="utf-8") as file:
                for number, line in enumerate(file, 1):
                    try:
                        request = json.loads(line)
                        same = identity(request)
                    except (ValueError, KeyError, AttributeError, TypeError):
                        # A process that was killed may leave half a line at the end; anywhere else it is a fault of the record.
                        if line.endswith("\n"):
                            invalid[("record", "?", "a line is no request")] += 1
                            first.setdefault(("record", "?", "a line is no request"), f"{path}:{number}")
                        continue
                    if same not in judged:
                        judged[same] = problems_of(request)
                    name, problems = judged[same]
                    checked += 1
                    operations.add((request["service"], name))
                    for problem in problems:
                        key = (request["service"], name, problem)
                        invalid[key] += 1
                        first.setdefault(key, f"{path}:{number}")
    for key, times in invalid.most_common(SHOWN):
        service, name, problem = key
        print(f"{service}:{name}: {problem} ({times} times; first at {first[key]})")
    if len(invalid) > SHOWN:
        print(f"and {len(invalid) - SHOWN} problems more")
    wrong = sum(1 for _, problems in judged.values() if problems)
    print(f"{checked} requests of {len(operations)} operations checked ({len(judged)} different ones), {wrong + len([k for k in invalid if k[0] == 'record'])} invalid")
    if checked == 0:
        print(f"no requests were found under {', '.join(folders) or 'no folder'}")
    return 1 if invalid or checked == 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
