"""Whether a parsed value is what a shape of a model allows.

The parsers of `wire` give Python values: dict, list, str, bool, int, float, bytes. A text that did not parse as what the
shape asks for stays a `Wrong`, and is said here with its path.
"""

import functools

import regex


class Wrong:
    """A text or value that is not of the type that the shape asks for."""

    def __init__(self, why):
        self.why = why


@functools.cache
def pattern_of(text):
    # Models write patterns for Java, where two halves of a UTF-16 pair are one character.
    return regex.compile(text.replace(r"\uD800\uDC00-\uDBFF\uDFFF", r"\U00010000-\U0010FFFF"))


# A masked secret has its length and nothing else.
def is_masked(value):
    return isinstance(value, str) and len(value) > 0 and set(value) == {"*"}


def _limits(shape, size, what, path, problems):
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and size < low:
        problems.append(f"{path}: {what} {size} is below the minimum of {low}")
    if high is not None and size > high:
        problems.append(f"{path}: {what} {size} is above the maximum of {high}")


def check(shape, value, path, problems):
    """Appends to `problems` what is wrong with `value`."""
    if isinstance(value, Wrong):
        problems.append(f"{path}: {value.why}")
        return
    CHECKS.get(shape.type_name, _scalar)(shape, value, path, problems)


def _structure(shape, value, path, problems):
    if getattr(shape, "is_document_type", False):
        return
    if not isinstance(value, dict):
        problems.append(f"{path}: expected a structure, found {type(value).__name__}")
        return
    dot = f"{path}." if path else ""
    for name in shape.required_members:
        if name not in value:
            problems.append(f"{dot}{name}: required, and not there")
    for name, member in value.items():
        if name not in shape.members:
            problems.append(f"{dot}{name}: {shape.name} has no such member")
        else:
            check(shape.members[name], member, f"{dot}{name}", problems)
    if getattr(shape, "is_tagged_union", False) and len(value) != 1:
        problems.append(f"{path}: {shape.name} takes exactly one member, found {len(value)}")


def _list(shape, value, path, problems):
    if not isinstance(value, list):
        problems.append(f"{path}: expected a list, found {type(value).__name__}")
        return
    _limits(shape, len(value), "number of entries", path, problems)
    for index, item in enumerate(value):
        check(shape.member, item, f"{path}[{index}]", problems)


def _map(shape, value, path, problems):
    if not isinstance(value, dict):
        problems.append(f"{path}: expected a map, found {type(value).__name__}")
        return
    _limits(shape, len(value), "number of entries", path, problems)
    for key, item in value.items():
        check(shape.key, key, f"{path} (key)", problems)
        check(shape.value, item, f"{path}[{key!r}]", problems)


def _string(shape, value, path, problems):
    if not isinstance(value, str):
        problems.append(f"{path}: expected a string, found {type(value).__name__}")
        return
    _limits(shape, len(value), "length", path, problems)
    if is_masked(value):
        return
    if shape.enum and value not in shape.enum:
        problems.append(f"{path}: {value!r} is none of {', '.join(shape.enum)}")
    pattern = shape.metadata.get("pattern")
    if pattern and not pattern_of(pattern).fullmatch(value):
        problems.append(f"{path}: {value!r} does not match {pattern}")


def _number(shape, value, path, problems):
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        problems.append(f"{path}: expected a number, found {type(value).__name__}")
        return
    if shape.type_name in ("integer", "long") and not isinstance(value, int):
        problems.append(f"{path}: expected a whole number, found {value}")
        return
    bits = {"integer": 31, "long": 63}.get(shape.type_name)
    if bits and not -(2**bits) <= value < 2**bits:
        problems.append(f"{path}: {value} does not fit into {shape.type_name}")
    _limits(shape, value, "value", path, problems)


def _boolean(_, value, path, problems):
    if not isinstance(value, bool):
        problems.append(f"{path}: expected true or false, found {type(value).__name__}")


def _blob(shape, value, path, problems):
    if not isinstance(value, bytes):
        problems.append(f"{path}: expected bytes, found {type(value).__name__}")
        return
    _limits(shape, len(value), "length", path, problems)


# A time that parsed is a time: the parsers leave a Wrong where it did not.
def _scalar(shape, value, path, problems):
    if shape.type_name != "timestamp":
        problems.append(f"{path}: a shape of type {shape.type_name} is not known to this check")


CHECKS = {
    "structure": _structure,
    "list": _list,
    "map": _map,
    "string": _string,
    "character": _string,
    "integer": _number,
    "long": _number,
    "float": _number,
    "double": _number,
    "boolean": _boolean,
    "blob": _blob,
}
