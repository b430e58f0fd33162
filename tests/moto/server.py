"""moto as a server in this process, and a record of what holdfast asks it."""

import io
import json
import os
import pathlib
import re
import threading
import urllib.parse

import werkzeug.test
from werkzeug.serving import WSGIRequestHandler, make_server

ACCOUNT = "317805897534"
SCOPE = re.compile(r"Credential=[^/]+/\d{8}/[^/]+/([^/]+)/aws4_request")


class Quiet(WSGIRequestHandler):
    """Without a line a request."""

    def log(self, *_):
        pass


class Server:
    """Serves one empty account on a free port of the loopback; `endpoint` is its address."""

    def __init__(self, folder, secret):
        os.environ["MOTO_ACCOUNT_ID"] = ACCOUNT
        # Imported here: moto reads its settings when it is imported.
        from moto.server import DomainDispatcherApplication, create_backend_app

        folder.mkdir(parents=True, exist_ok=True)
        self._record = open(folder / f"moto-{os.getpid()}.jsonl", "a", encoding="utf-8")
        # moto's own faults, with a stack trace for each operation that it does not have.
        self._faults = open(folder / f"moto-{os.getpid()}.log", "a", encoding="utf-8")
        self._secret = secret
        self._lock = threading.Lock()
        self._app = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._handle, threaded=True, request_handler=Quiet)
        self._server.log = lambda _, message, *rest: self._faults.write((message % rest if rest else message) + "\n")
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        self.writes = 0
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._record.close()
        self._faults.close()

    def _handle(self, environ, start_response):
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if "aws-sdk-rust" in environ.get("HTTP_USER_AGENT", ""):
            self._note(environ, body.decode("utf-8", "replace"))
        if environ.get("HTTP_X_AMZ_TARGET", "").endswith(".StartLogging") and "aws-sdk-rust" in environ.get("HTTP_USER_AGENT", ""):
            # A trail may be named by its ARN; moto knows no trail of such a name, and answers 500.
            body = re.sub(rb"arn:aws:cloudtrail:[^/]+:trail/", b"", body)
            environ["CONTENT_LENGTH"] = str(len(body))
        environ["wsgi.input"] = io.BytesIO(body)
        if "limits" in environ.get("HTTP_USER_AGENT", ""):
            return self._app(environ, start_response)
        return self._answer(environ, start_response)

    def _answer(self, environ, start_response):
        """moto's answer. Two of S3's that no strict parser reads are mended; `limits` says when moto has mended them itself."""
        address = urllib.parse.urlsplit(environ["REQUEST_URI"])
        if environ["REQUEST_METHOD"] != "GET" or address.query.partition("=")[0] not in ("versioning", "policyStatus"):
            return self._app(environ, start_response)
        asked = address.query.partition("=")[0]
        if asked == "policyStatus":
            # moto does not have GetBucketPolicyStatus and lists the bucket. Where there is no policy its refusal of GetBucketPolicy is right
            # here, too; the policies of this account are public to nobody.
            environ |= {"QUERY_STRING": "policy", "REQUEST_URI": f"{address.path}?policy", "RAW_URI": f"{address.path}?policy"}
        answer = werkzeug.test.run_wsgi_app(self._app, environ, buffered=True)
        body, status = b"".join(answer[0]), answer[1]
        if asked == "versioning":
            body = body.replace(b"GetBucketVersioningResponse", b"VersioningConfiguration")
        elif status.startswith("200"):
            body = b'<PolicyStatus xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsPublic>false</IsPublic></PolicyStatus>'
        headers = [(name, text) for name, text in answer[2] if name.lower() not in ("content-length", "content-type")]
        start_response(status, [*headers, ("content-type", "application/xml"), ("content-length", str(len(body)))])
        return [body]

    def _note(self, environ, body):
        headers = {name[5:].replace("_", "-").lower(): text for name, text in environ.items() if name.startswith("HTTP_")}
        headers["content-type"] = environ.get("CONTENT_TYPE", "")
        scope = SCOPE.search(headers.pop("authorization", ""))
        service = scope.group(1) if scope else ""
        if service == "s3" and "x-amz-account-id" in headers:
            service = "s3control"
        # Through a proxy the whole address stands in the request line.
        address = urllib.parse.urlsplit(environ["REQUEST_URI"])
        line = {
            "service": service,
            "operation": "",
            "method": environ["REQUEST_METHOD"],
            "path": address.path,
            "query": address.query,
            "host": headers.get("host", ""),
            "headers": headers,
            # As the sandbox's records: a secret has its length and nothing else.
            "body": body.replace(self._secret, "*" * len(self._secret)),
        }
        with self._lock:
            self.writes += is_write(line)
            self._record.write(json.dumps(line) + "\n")
            self._record.flush()


def is_write(line):
    """Whether a request changes something: by its method where the service speaks REST, else by its operation's first word."""
    if line["method"] != "POST" or line["service"] in ("s3", "s3control", "guardduty"):
        return line["method"] not in ("GET", "HEAD")
    form = urllib.parse.parse_qs(line["body"])
    operation = form.get("Action", [line["headers"].get("x-amz-target", "").rpartition(".")[2]])[0]
    return not operation.startswith(("Describe", "Get", "List"))


# What `holdfast` needs to talk to such a server, and to nothing else.
def environment(endpoint):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "HOLDFAST_")) and "proxy" not in name.lower()}
    return kept | {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "moto",
        "AWS_SECRET_ACCESS_KEY": "moto",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        # S3 Control's host begins with the account, and no such name of 127.0.0.1 resolves: as a proxy the server gets it all the same.
        "HTTP_PROXY": endpoint,
    }


def root():
    return pathlib.Path(__file__).resolve().parents[2]
