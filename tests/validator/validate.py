"""Holds what lies beside a release against its own formats: one JSON document per line on standard input.

CycloneDX documents are validated by the schema of CycloneDX's own library, in-toto statements by in-toto's. That library
knows the predicate `test-result`; of the others it checks the statement around them.
"""

import json
import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from google.protobuf import json_format
from in_toto_attestation.predicates.test_result.v0.test_result_pb2 import TestResult
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement import Statement
from in_toto_attestation.v1.statement_pb2 import Statement as StatementText

TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"


def validate(text):
    """Returns what a document is; raises where it is not what it says."""
    document = json.loads(text)
    if document.get("bomFormat") == "CycloneDX":
        problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
        if problem is not None:
            raise ValueError(problem)
        return "CycloneDX"
    Statement.copy_from_pb(json_format.Parse(text, StatementText())).validate()
    if document["predicateType"] == TEST_RESULT:
        result = json_format.ParseDict(document["predicate"], TestResult())
        for configuration in result.configuration:
            ResourceDescriptor.copy_from_pb(configuration).validate()
    return document["predicateType"]


for line in sys.stdin:
    print(validate(line))
