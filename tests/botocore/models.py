"""The published models of the services, as botocore carries them."""

import functools
import json
import os

import botocore
from botocore.session import Session

SERVICES = (
    "cloudtrail",
    "ecs",
    "elasticache",
    "guardduty",
    "kms",
    "rds",
    "s3",
    "s3control",
    "secretsmanager",
    "sns",
    "ssm",
    "sts",
)


@functools.cache
def _session():
    return Session()


@functools.cache
def service(name):
    """The model of a service by botocore's name of it; UnknownServiceError where there is none."""
    return _session().get_service_model(name)


@functools.cache
def operations(name):
    """Every operation of a service with its model."""
    model = service(name)
    return {operation: model.operation_model(operation) for operation in model.operation_names}


@functools.cache
def error_codes(name):
    """Every code by which a model's errors can show on the wire."""
    model = service(name)
    codes = set()
    for shape in model.error_shapes:
        codes.add(shape.name)
        codes.add(shape.error_code)
    return frozenset(code for code in codes if code)


@functools.cache
def retry_codes():
    """The codes that botocore's own table of retries names."""
    path = os.path.join(os.path.dirname(botocore.__file__), "data", "_retry.json")
    with open(path, encoding="utf-8") as file:
        table = json.load(file)
    codes = set()

    def walk(value):
        if isinstance(value, dict):
            code = value.get("service_error_code")
            if isinstance(code, str):
                codes.add(code)
            for member in value.values():
                walk(member)
        elif isinstance(value, list):
            for member in value:
                walk(member)

    walk(table)
    return frozenset(codes)
