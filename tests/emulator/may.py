"""Prints what IAM decides for a role: may.py ROLE ACTION ARN...; one line per ARN."""
import sys

import boto3

role, action, *resources = sys.argv[1:]
client = boto3.client("iam")
source = client.get_role(RoleName=role)["Role"]["Arn"]
for resource in resources:
    asked = dict(PolicySourceArn=source, ActionNames=[action], ResourceArns=[resource])
    print(client.simulate_principal_policy(**asked)["EvaluationResults"][0]["EvalDecision"])
