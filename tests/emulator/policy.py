"""Takes one statement out of a role's policy, or puts the whole policy back; prints the statements' names.

policy.py ROLE TEMPLATE-POLICY-FILE [SID]

The whole policy is read from the account at the first call and kept in the file.
"""
import json
import os
import sys

import boto3

role, kept, *removed = sys.argv[1:]
client = boto3.client("iam")
name = client.list_role_policies(RoleName=role)["PolicyNames"][0]
if not os.path.exists(kept):
    document = client.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    with open(kept, "w", encoding="utf-8") as file:
        json.dump(document, file)
with open(kept, encoding="utf-8") as file:
    document = json.load(file)
names = [statement["Sid"] for statement in document["Statement"]]
left = [statement for statement in document["Statement"] if statement["Sid"] not in removed]
client.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document | {"Statement": left}))
print("\n".join(names))
