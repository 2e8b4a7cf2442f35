"""Takes statements out of a role's policies, or puts the whole policies back; prints the statements' names.

policy.py ROLE TEMPLATE-POLICY-FILE [SID...]

The whole policies are read from the account at the first call and kept in the file.
"""
import json
import os
import sys

import boto3

role, kept, *removed = sys.argv[1:]
client = boto3.client("iam")
if not os.path.exists(kept):
    names = client.list_role_policies(RoleName=role)["PolicyNames"]
    whole = {name: client.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names}
    with open(kept, "w", encoding="utf-8") as file:
        json.dump(whole, file)
with open(kept, encoding="utf-8") as file:
    whole = json.load(file)
for name, document in whole.items():
    left = [statement for statement in document["Statement"] if statement["Sid"] not in removed]
    if left:
        policy = json.dumps(document | {"Statement": left})
        client.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=policy)
    else:
        client.delete_role_policy(RoleName=role, PolicyName=name)
print("\n".join(statement["Sid"] for document in whole.values() for statement in document["Statement"]))
