"""A raw HTTP request read back to an operation and its parameters, by the protocol of its service.

The reading is the reverse of what botocore's `serialize` does, and knows nothing of how holdfast builds a request.
`read` gives the operation's model, its parameters as Python values for `shapes.check`, and what is wrong with the request
itself: an unknown parameter, element, header or query key, a missing checksum, a wrong version or namespace.
"""

import base64
import binascii
import datetime
import hashlib
import json
import re
import urllib.parse
import xml.etree.ElementTree as ElementTree
import zlib

import models
from shapes import Wrong, is_masked

# Headers of HTTP, of the signature and of the SDKs themselves; all other `x-amz-` headers must be members of the operation.
PLUMBING = re.compile(
    r"x-amz-(date|content-sha256|security-token|user-agent|target|trailer|decoded-content-length)|"
    r"x-amz-checksum-(crc32|crc32c|crc64nvme|sha1|sha256)|x-amz-sdk-checksum-algorithm|x-amzn-query-mode|x-amzn-trace-id"
)


class NotRead(Exception):
    """The request cannot be read at all."""


def read(request):
    """(operation model, parameters, problems) of a recorded request."""
    try:
        service = models.service(request["service"])
    except Exception as error:
        raise NotRead(f"no published model of the service {request['service']!r}") from error
    protocol = service.metadata["protocol"]
    problems = []
    name, labels = PROTOCOLS[protocol][0](service, request, problems)
    known = models.operations(request["service"])
    if name not in known:
        raise NotRead(f"{service.service_name} has no operation {name!r}")
    if request.get("operation") not in ("", None, name):
        problems.append(f"recorded as {request['operation']}, on the wire it is {name}")
    operation = known[name]
    parameters = PROTOCOLS[protocol][1](operation, request, labels, problems)
    return operation, parameters, problems


def scalar(shape, text):
    """The text of a query, header, label or element as the shape's type."""
    kind = shape.type_name
    try:
        if kind == "boolean":
            return {"true": True, "false": False}[text]
        if kind in ("integer", "long"):
            return int(text)
        if kind in ("float", "double"):
            return float(text)
        if kind == "timestamp":
            return time(text, shape.serialization.get("timestampFormat"))
        if kind == "blob":
            return base64.b64decode(text, validate=True)
    except (ValueError, KeyError, binascii.Error):
        return Wrong(f"{text!r} is no {kind}")
    if kind in ("structure", "list", "map"):
        return Wrong(f"a text where a {kind} belongs")
    return text


def time(text, form):
    if form == "rfc822":
        return datetime.datetime.strptime(text, "%a, %d %b %Y %H:%M:%S GMT")
    if form == "unixTimestamp":
        return datetime.datetime.fromtimestamp(float(text), datetime.timezone.utc)
    if not text.endswith("Z"):
        raise ValueError(text)
    return datetime.datetime.fromisoformat(text[:-1] + "+00:00")


# --- AWS Query ---------------------------------------------------------------------------------------------------------


def query_operation(service, request, problems):
    pairs = urllib.parse.parse_qsl(request["body"], keep_blank_values=True, strict_parsing=bool(request["body"]))
    form = dict(pairs)
    if len(form) != len(pairs):
        problems.append("a parameter is given twice")
    if form.pop("Version", None) != service.api_version:
        problems.append(f"Version: must be {service.api_version}")
    if request["method"] != "POST" or request["path"] != "/" or request["query"]:
        problems.append("a form goes by POST to /, without a query")
    if not header(request, "content-type").startswith("application/x-www-form-urlencoded"):
        problems.append("content-type: a form is application/x-www-form-urlencoded")
    if "Action" not in form:
        raise NotRead("the request names no Action")
    return form.pop("Action"), form


def query_parameters(operation, _, form, problems):
    tree = {}
    for name, value in form.items():
        node = tree
        for part in name.split("."):
            node = node.setdefault(part, {})
        node[None] = value
    if operation.input_shape is None:
        if tree:
            problems.append(f"{', '.join(form)}: {operation.name} takes no parameters")
        return None
    return query_value(operation.input_shape, tree, "", problems)


def query_value(shape, node, path, problems):
    kind = shape.type_name
    if kind == "structure":
        return query_structure(shape, node, path, problems)
    if kind == "list":
        return query_list(shape, node, path, problems)
    if kind == "map":
        return query_map(shape, node, path, problems)
    if set(node) != {None}:
        return Wrong(f"a structure where a {kind} belongs")
    return scalar(shape, node[None])


def query_structure(shape, node, path, problems):
    if None in node:
        return Wrong("a text where a structure belongs")
    members, value = {}, {}
    for name, member in shape.members.items():
        members[query_name(name, member)] = (name, member)
    for wire, below in node.items():
        if wire not in members:
            problems.append(f"{path}{wire}: {shape.name} has no such parameter")
            continue
        name, member = members[wire]
        value[name] = query_value(member, below, f"{path}{wire}.", problems)
    return value


def query_name(name, member):
    # A flattened list's entries carry the name of the list's member, in the place of the list's own.
    if member.type_name == "list" and member.serialization.get("flattened"):
        return member.member.serialization.get("name") or member.serialization.get("name", name)
    return member.serialization.get("name", name)


def query_list(shape, node, path, problems):
    if set(node) == {None} and node[None] == "":
        return []
    if not shape.serialization.get("flattened"):
        wire = shape.member.serialization.get("name", "member")
        if set(node) != {wire}:
            return Wrong(f"the entries of this list are called {wire}.N, found {', '.join(str(key) for key in node)}")
        node = node[wire]
    return [query_value(shape.member, node[key], f"{path}{key}.", problems) for key in numbered(node, path, problems)]


def query_map(shape, node, path, problems):
    if not shape.serialization.get("flattened"):
        if set(node) != {"entry"}:
            return Wrong("the entries of this map are called entry.N")
        node = node["entry"]
    key_name = shape.key.serialization.get("name", "key")
    value_name = shape.value.serialization.get("name", "value")
    value = {}
    for number in numbered(node, path, problems):
        entry = node[number]
        if set(entry) != {key_name, value_name}:
            return Wrong(f"an entry of this map has {key_name} and {value_name}")
        key = entry[key_name].get(None, "")
        if key in value:
            problems.append(f"{path}{number}: the key {key!r} is there twice")
        value[key] = query_value(shape.value, entry[value_name], f"{path}{number}.", problems)
    return value


def numbered(node, path, problems):
    """The keys of a list in order; they must be 1, 2, 3 without a gap."""
    keys = [key for key in node if isinstance(key, str) and key.isdigit()]
    if len(keys) != len(node) or sorted(int(key) for key in keys) != list(range(1, len(keys) + 1)):
        problems.append(f"{path}: entries must be numbered 1, 2, 3 ..., found {', '.join(str(key) for key in node)}")
    return sorted(keys, key=int)


# --- awsJson -----------------------------------------------------------------------------------------------------------


def json_operation(service, request, problems):
    target = header(request, "x-amz-target")
    prefix, _, name = target.rpartition(".")
    # CloudTrail's model has a long prefix; SDKs made from Smithy send its last part, and both are taken.
    if prefix != service.metadata["targetPrefix"] and prefix != service.metadata["targetPrefix"].rpartition(".")[2]:
        problems.append(f"x-amz-target: {target!r} does not begin with {service.metadata['targetPrefix']}")
    if request["method"] != "POST" or request["path"] != "/" or request["query"]:
        problems.append("a call goes by POST to /, without a query")
    version = service.metadata.get("jsonVersion", "1.0")
    if header(request, "content-type") != f"application/x-amz-json-{version}":
        problems.append(f"content-type: must be application/x-amz-json-{version}")
    return name, None


def json_parameters(operation, request, _, problems):
    body = json_body(request)
    if operation.input_shape is None:
        if body:
            problems.append(f"{operation.name} takes no parameters")
        return None
    return json_value(operation.input_shape, body)


def json_body(request):
    try:
        body = json.loads(request["body"] or "{}")
    except ValueError as error:
        raise NotRead(f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise NotRead("the body is not a JSON object")
    return body


def json_value(shape, value, skip=()):
    kind = shape.type_name
    if getattr(shape, "is_document_type", False):
        return value
    if value is None:
        return Wrong("null: what has no value is left out")
    if kind == "structure":
        if not isinstance(value, dict):
            return Wrong("expected an object")
        members = {member.serialization.get("name", name): (name, member) for name, member in shape.members.items() if name not in skip}
        result = {}
        for wire, below in value.items():
            # Under a name that no member has: the check of the structure says so.
            name, member = members.get(wire, (f"{wire} (on the wire)", None))
            result[name] = json_value(member, below) if member is not None else below
        return result
    if kind == "list":
        return [json_value(shape.member, item) for item in value] if isinstance(value, list) else Wrong("expected an array")
    if kind == "map":
        return {key: json_value(shape.value, item) for key, item in value.items()} if isinstance(value, dict) else Wrong("expected an object")
    if kind == "timestamp":
        if shape.serialization.get("timestampFormat") in ("iso8601", "rfc822"):
            return scalar(shape, value) if isinstance(value, str) else Wrong("expected a time as a string")
        return value if isinstance(value, (int, float)) and not isinstance(value, bool) else Wrong("expected seconds since 1970")
    if kind == "blob":
        if is_masked(value):
            return value.encode()
        return scalar(shape, value) if isinstance(value, str) else Wrong("expected base64")
    return value


# --- REST --------------------------------------------------------------------------------------------------------------


def rest_operation(service, request, problems):
    """The operation whose URI fits best: the one with most literal parts; labels come with it."""
    fitting = []
    for name, operation in models.operations(service.service_name).items():
        found = rest_labels(operation, request)
        if found is not None:
            literals, labels = found
            fitting.append((literals, name, labels))
    if not fitting:
        raise NotRead(f"{request['method']} {request['path']}?{request['query']} fits no operation")
    best = max(literals for literals, _, _ in fitting)
    names = {name: labels for literals, name, labels in fitting if literals == best}
    # Old and new forms of an operation share their URI (PutBucketLifecycle, PutBucketLifecycleConfiguration); who wrote the record
    # knows which it is, and SDKs made from Smithy say so.
    told = (request.get("operation"), *query_of(request).get("x-id", []))
    name = next((name for name in told if name in names), sorted(names)[-1])
    return name, names[name]


def rest_labels(operation, request):
    uri, _, literal_query = operation.http["requestUri"].partition("?")
    if operation.http["method"] != request["method"]:
        return None
    pattern, literals = "", 0
    for part in re.split(r"(\{[^}]+\})", uri.rstrip("/") or "/"):
        if part.startswith("{"):
            label = part[1:-1]
            pattern += f"(?P<{label.rstrip('+')}>{'.+' if label.endswith('+') else '[^/]+'})"
        else:
            pattern += re.escape(part)
            literals += len(part)
    match = re.fullmatch(pattern, request["path"].rstrip("/") or "/")
    if match is None:
        return None
    query = query_of(request)
    for key, value in urllib.parse.parse_qsl(literal_query, keep_blank_values=True):
        if key not in query or (value and query[key] != [value]):
            return None
        literals += 1000
    return literals, {key: urllib.parse.unquote(value) for key, value in match.groupdict().items()}


def query_of(request):
    return urllib.parse.parse_qs(request["query"], keep_blank_values=True)


def rest_parameters(operation, request, labels, problems):
    shape = operation.input_shape
    value, placed = {}, set()
    members = shape.members if shape else {}
    by_place = {}
    for name, member in members.items():
        place = member.serialization.get("location")
        if place:
            placed.add(name)
            by_place.setdefault(place, {})[member.serialization.get("name", name)] = (name, member)
    for wire, (name, member) in by_place.get("uri", {}).items():
        if wire in labels:
            value[name] = scalar(member, labels[wire])
    rest_query(operation, request, by_place.get("querystring", {}), value, problems)
    rest_headers(operation, request, by_place, value, problems)
    rest_body(operation, request, placed, value, problems)
    return value if shape else None


def rest_query(operation, request, members, value, problems):
    literal = urllib.parse.parse_qs(operation.http["requestUri"].partition("?")[2], keep_blank_values=True)
    for key, texts in query_of(request).items():
        if key in literal:
            continue
        if key == "x-id":
            # SDKs made from Smithy name the operation so where its URI alone does not tell it.
            if texts != [operation.name]:
                problems.append(f"?x-id={texts[0]}: the operation is {operation.name}")
        elif key in members:
            name, member = members[key]
            if member.type_name == "list":
                value[name] = [scalar(member.member, text) for text in texts]
            elif len(texts) == 1:
                value[name] = scalar(member, texts[0])
            else:
                value[name] = Wrong("given more than once")
        else:
            problems.append(f"?{key}: {operation.name} has no such key")


def rest_headers(operation, request, by_place, value, problems):
    members = {wire.lower(): found for wire, found in by_place.get("header", {}).items()}
    prefixes = {wire.lower(): found for wire, found in by_place.get("headers", {}).items()}
    for wire, text in request["headers"].items():
        wire = wire.lower()
        prefix = next((prefix for prefix in prefixes if wire.startswith(prefix)), None)
        if wire in members:
            name, member = members[wire]
            if member.type_name == "list":
                value[name] = [scalar(member.member, item.strip()) for item in text.split(",")]
            else:
                value[name] = scalar(member, text)
        elif prefix is not None:
            name, _ = prefixes[prefix]
            value.setdefault(name, {})[wire[len(prefix):]] = text
        elif wire.startswith("x-amz") and not PLUMBING.fullmatch(wire):
            problems.append(f"{wire}: {operation.name} has no such header")


def rest_body(operation, request, placed, value, problems):
    shape, body = operation.input_shape, request["body"]
    if operation.http_checksum.get("requestChecksumRequired"):
        checksum(request, problems)
    payload = shape.serialization.get("payload") if shape else None
    in_body = [name for name in (shape.members if shape else {}) if name not in placed and name != payload]
    if payload:
        member = shape.members[payload]
        if not body:
            return
        if member.type_name == "structure":
            value[payload] = document(operation, member, member, body, problems)
        else:
            value[payload] = body.encode() if member.type_name == "blob" else body
    elif in_body:
        if operation.service_model.metadata["protocol"] == "rest-json":
            found = json_value(shape, json_body(request), skip=placed)
        elif body:
            found = document(operation, shape, shape, body, problems, skip=placed)
        else:
            found = {}
        if isinstance(found, Wrong):
            raise NotRead(f"the body: {found.why}")
        value.update(found)
    elif body and body != "{}":
        problems.append(f"{operation.name} has no body, found {len(body)} bytes")


def checksum(request, problems):
    body = request["body"].encode()
    sums = {
        "content-md5": lambda: hashlib.md5(body).digest(),
        "x-amz-checksum-crc32": lambda: zlib.crc32(body).to_bytes(4, "big"),
        "x-amz-checksum-sha1": lambda: hashlib.sha1(body).digest(),
        "x-amz-checksum-sha256": lambda: hashlib.sha256(body).digest(),
        # Python has none of these two: that they are there is all that is asked.
        "x-amz-checksum-crc32c": None,
        "x-amz-checksum-crc64nvme": None,
    }
    given = [name for name in sums if header(request, name)]
    if not given:
        problems.append("a checksum of the body is required, and there is none")
    for name in given:
        if sums[name] is not None and header(request, name) != base64.b64encode(sums[name]()).decode():
            problems.append(f"{name}: is not that of the body")


def document(operation, shape, naming, body, problems, skip=()):
    if operation.service_model.metadata["protocol"] == "rest-json":
        try:
            return json_value(shape, json.loads(body))
        except ValueError as error:
            raise NotRead(f"the body is not JSON: {error}") from error
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError as error:
        raise NotRead(f"the body is not XML: {error}") from error
    namespace = naming.serialization.get("xmlNamespace", {})
    namespace = namespace.get("uri", "") if isinstance(namespace, dict) else namespace
    expected = naming.serialization.get("name", naming.name)
    # S3 names the namespace in some shapes and takes requests without it.
    if root.tag not in (expected, f"{{{namespace}}}{expected}"):
        problems.append(f"the document is <{expected} xmlns={namespace!r}>, found {root.tag}")
    return xml_value(shape, root, root.tag.rpartition("}")[0], "", problems, skip)


def xml_value(shape, element, space, path, problems, skip=()):
    kind = shape.type_name
    if kind == "structure":
        return xml_structure(shape, element, space, path, problems, skip)
    if kind == "list":
        wire = shape.member.serialization.get("name", "member")
        result = []
        for child in element:
            if local(child, space) != wire:
                problems.append(f"{path}: the entries of this list are called {wire}, found {child.tag}")
            result.append(xml_value(shape.member, child, space, f"{path}{wire}.", problems))
        return result
    if kind == "map":
        return Wrong("a map in XML is not known to this check")
    if len(element):
        return Wrong(f"elements where a {kind} belongs")
    return scalar(shape, element.text or "")


def xml_structure(shape, element, space, path, problems, skip):
    members, attributes, value = {}, {}, {}
    for name, member in shape.members.items():
        if name in skip:
            continue
        if member.serialization.get("xmlAttribute"):
            attributes[member.serialization["name"].rpartition(":")[2]] = (name, member)
        else:
            members[member.serialization.get("name", name)] = (name, member)
    for wire, text in element.attrib.items():
        if wire.rpartition("}")[2] in attributes:
            name, member = attributes[wire.rpartition("}")[2]]
            value[name] = scalar(member, text)
        else:
            problems.append(f"{path}: the attribute {wire} is not known")
    if (element.text or "").strip():
        problems.append(f"{path}: a text where elements belong")
    for child in element:
        wire = local(child, space)
        if wire not in members:
            problems.append(f"{path}{child.tag}: {shape.name} has no such element")
            continue
        name, member = members[wire]
        if member.type_name == "list" and member.serialization.get("flattened"):
            value.setdefault(name, []).append(xml_value(member.member, child, space, f"{path}{wire}.", problems))
        elif name in value:
            problems.append(f"{path}{wire}: there twice")
        else:
            value[name] = xml_value(member, child, space, f"{path}{wire}.", problems)
    return value


def local(element, space):
    """The name of an element in its document's namespace; an element of another one keeps its own."""
    prefix, _, name = element.tag.rpartition("}")
    return name if prefix == space else element.tag


def header(request, name):
    headers = request["headers"]
    return headers.get(name) or next((text for key, text in headers.items() if key.lower() == name), "")


PROTOCOLS = {
    "query": (query_operation, query_parameters),
    "json": (json_operation, json_parameters),
    "rest-xml": (rest_operation, rest_parameters),
    "rest-json": (rest_operation, rest_parameters),
}
