"""Deploys a template as `sam deploy` does: the code's zip goes to the bucket, the stack is made or updated, its outputs are
printed.

deploy.py TEMPLATE BUCKET [PARAMETER=VALUE…]

The environment's CODE names the zip of a template that has code.
"""
import json
import os
import re
import sys

import boto3
from botocore.exceptions import WaiterError

template, bucket, *parameters = sys.argv[1:]
# The emulator stops the processes of all functions of one name, whosever they are: so no two accounts share one.
stack = f"{os.path.basename(template).removesuffix('.yaml')}-{os.environ['AWS_ACCESS_KEY_ID'][-4:]}"
with open(template, encoding="utf-8") as file:
    body = file.read()
if "CODE" in os.environ:
    key = f"deploy/{stack}.zip"
    boto3.client("s3").upload_file(os.environ["CODE"], bucket, key)
    body, replaced = re.subn(r"CodeUri: \.\.", f"CodeUri: s3://{bucket}/{key}", body)
    assert replaced == 2, "expected the publisher and the pruner in the template"
# The emulator asks for another action than AWS does.
body = body.replace("lambda:ListLayerVersions,", "lambda:ListLayerVersions, lambda:ListLayers,")
client = boto3.client("cloudformation")
known = {summary["StackName"] for page in client.get_paginator("list_stacks").paginate() for summary in page["StackSummaries"]}
change = client.update_stack if stack in known else client.create_stack
waiter = "stack_update_complete" if stack in known else "stack_create_complete"
change(
    StackName=stack,
    TemplateBody=body,
    Capabilities=["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
    Parameters=[
        {"ParameterKey": name, "ParameterValue": value}
        for name, value in (parameter.split("=", 1) for parameter in parameters)
    ],
)
try:
    client.get_waiter(waiter).wait(StackName=stack, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
except WaiterError:
    events = client.describe_stack_events(StackName=stack)["StackEvents"]
    sys.exit("\n".join(f"{e['LogicalResourceId']}: {e['ResourceStatusReason']}" for e in events if "ResourceStatusReason" in e))
found = client.describe_stacks(StackName=stack)["Stacks"][0]
print(json.dumps({output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}))
