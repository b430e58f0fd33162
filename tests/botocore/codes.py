#!/usr/bin/env python3
"""Checks that every error code that the source handles or answers exists.

Handled: the tables of src/aws/error.rs, and every code that a comparison names (`error.is("...")`, `error.code == "..."`).
Answered: the refusals of the embedded AWS under src/sandbox.

A code exists when it is an error of the service's model (any service's, where the place does not tell which), when botocore's table of
retries names it, or when sources.toml says where it is documented. An entry of sources.toml that nothing needs fails, too.
"""

import pathlib
import re
import sys
import tomllib

import models

ROOT = pathlib.Path(__file__).resolve().parents[2]
TABLE = re.compile(r"pub const [A-Z_]+: &\[&str\] = &\[(.*?)\];", re.S)
STRING = re.compile(r'"([^"\\]*)"')
HANDLED = re.compile(r'(?:\.is\(|\bcode(?:\.as_str\(\))?\s*==\s*|\bcode\.starts_with\()\s*"([^"]+)"')
# Words of ours: where no answer came, or none with a code (src/aws/error.rs); where a run reaches no cluster of Kubernetes; where the embedded AWS does not offer an operation.
OWN = re.compile(r"HTTP \d{3}|NotImplemented|RequestNotBuilt|NoCredentials|ProviderFailed|RoleRefused|Timeout|NoAnswer|SecretEmpty|NoCluster")
# The sandbox's refusals: `Refusal::new(400, "Code", ...)`, its services' short forms of it, and `(400, "Code", ...)` as data.
REFUSED = re.compile(r'(?:Refusal::new|\brefusal|\brefuse)\(\s*(?:[\w:.()]+,\s*)?"([A-Z][A-Za-z.]+)"')
ANSWERED = re.compile(r'\(\s*[1-5]\d\d,\s*"([A-Z][A-Za-z.]+)",')
# What a folder or file of src/kinds and src/sandbox speaks to.
SPEAKS = {
    "cloudtrail": ("cloudtrail", "s3", "kms", "sns"),
    "ecs": ("ecs",),
    "elasticache": ("ecs", "elasticache", "kms", "secretsmanager", "sns", "ssm"),
    "guardduty": ("guardduty", "s3", "kms"),
    "kms": ("kms",),
    "rds": ("rds", "kms"),
    "s3": ("s3", "s3control", "kms"),
    "s3control": ("s3control", "s3"),
    "secretsmanager": ("secretsmanager", "kms"),
    "sns": ("sns",),
    "ssm": ("kms", "ssm"),
    "sts": ("sts",),
}


def services_of(path):
    parts = path.relative_to(ROOT / "src").with_suffix("").parts
    if len(parts) > 1 and parts[0] in ("kinds", "sandbox") and parts[1] in SPEAKS:
        return SPEAKS[parts[1]]
    return models.SERVICES


def sources():
    """Every Rust file without its tests."""
    for path in sorted((ROOT / "src").rglob("*.rs")):
        if path.name in ("tests.rs", "testing.rs") or "tests" in path.parts:
            continue
        text = path.read_text(encoding="utf-8")
        yield path, text.partition("#[cfg(test)]\nmod tests {")[0]


def found():
    """(code, services, whether it is a stem, place) of every code in the source."""
    for path, text in sources():
        place = str(path.relative_to(ROOT))
        services = services_of(path)
        if place == "src/aws/error.rs":
            for table in TABLE.finditer(text):
                for code in STRING.findall(table.group(1)):
                    yield code, services, True, place
        for match in HANDLED.finditer(text):
            stem = "starts_with" in match.group(0)
            if not OWN.fullmatch(match.group(1)):
                yield match.group(1), services, stem, f"{place}:{text.count(chr(10), 0, match.start()) + 1}"
        if "sandbox" in path.parts:
            for pattern in (REFUSED, ANSWERED):
                for match in pattern.finditer(text):
                    if OWN.fullmatch(match.group(1)):
                        continue
                    yield match.group(1), services, False, f"{place}:{text.count(chr(10), 0, match.start()) + 1}"


def stem_of(code):
    """Without the endings that older services append on the wire or not, as `classify` has it."""
    for ending in ("Exception", "Fault"):
        while code.endswith(ending):
            code = code.removesuffix(ending)
    return code


def where(code, services, stem, documented):
    """What says that this code exists; none where nothing does."""
    same = (lambda known: stem_of(known) == stem_of(code)) if stem else (lambda known: known == code)
    for service in services:
        if any(same(known) for known in models.error_codes(service)):
            return service
    if any(same(known) for known in models.retry_codes()):
        return "_retry.json"
    for source in documented:
        if source["services"] == "all" or set(source["services"]) & set(services):
            for known in source["codes"]:
                if same(known):
                    return source["url"], known
    return None


def judge(codes, documented):
    """(problems, number of different codes)."""
    unsourced, used = {}, set()
    for code, services, stem, place in codes:
        found_at = where(code, services, stem, documented)
        if found_at is None:
            unsourced.setdefault((code, services), []).append(place)
        else:
            used.add(found_at)
    problems = [f"{code}: no source among {', '.join(services)}; used at {', '.join(places)}" for (code, services), places in unsourced.items()]
    for source in documented:
        if not source["url"].startswith("https://"):
            problems.append(f"sources.toml: {source['url']} is no address")
        problems.extend(f"sources.toml: {code} is needed by nothing" for code in source["codes"] if (source["url"], code) not in used)
    return problems, len({code for code, _, _, _ in codes})


def main():
    with open(pathlib.Path(__file__).with_name("sources.toml"), "rb") as file:
        documented = tomllib.load(file)["source"]
    codes = sorted(set(found()), key=lambda code: (code[0], code[3]))
    problems, different = judge(codes, documented)
    # That this check can fail: a code that nobody has, and a source that nobody needs.
    invented = [("NoSuchThingAtAll", ("s3",), False, "here")]
    unneeded = [{"services": "all", "url": "https://x", "codes": ["X"]}]
    if len(judge(invented, [])[0]) != 1 or len(judge([], unneeded)[0]) != 1:
        problems.append("the check itself: an invented code was found right")
    for problem in problems:
        print(problem)
    print(f"{different} error codes in {len(codes)} places checked, {len(problems)} problems")
    return 1 if problems or not codes else 0


if __name__ == "__main__":
    sys.exit(main())
