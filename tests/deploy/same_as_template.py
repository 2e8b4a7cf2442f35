"""Holds each Terraform module to the CloudFormation template beside it: same parameters, resources, statements and outputs.

same_as_template.py INFRA

Both are evaluated with the defaults, with everything given, and with each parameter given alone. What a template's resource says is
put into Terraform's words here, whole: a property without a word is an error, and so is an argument that no property asks for.
"""
import json
import pathlib
import sys

from evaluated import Module, Template, snake

# Each module's parameters as a deployment could give them; the first ones have no default.
GIVEN = {
    "template.yaml": {
        "LayerNames": "geo-*", "FunctionsToRoll": "shop-*", "OnlyTaggedFunctions": "yes", "Schedule": "rate(1 hour)",
        "Architecture": "arm64", "MaxmindAccountId": "123456", "MaxmindLicenseKeySecretArn": "arn:key", "SecretKeyArn": "arn:kms",
        "RegionPattern": "us-*", "MemberRoleArn": "arn:member", "ReferenceStorage": "yes", "SigningProfile": "profile",
        "SigningKeyArn": "arn:signing", "ScannerFunction": "scanner", "HookFunction": "hook", "GuardDutyScan": "yes",
        "ProbeFunctions": "yes", "CallsPerSec": 12, "LayersBesideOurs": "arn:beside", "PruneKeep": 5, "OldestDataDays": 30,
        "ReservedConcurrency": 0, "AlarmTopicArn": "arn:topic",
    },
    "region.yaml": {"StateBucket": "the-state"},
    "member.yaml": {
        "PublisherRoleArn": "arn:publisher", "PublisherAccount": "123456789012", "OperatorArn": "arn:operator",
        "PrunerRoleArn": "arn:pruner", "FunctionsToRoll": "shop-*", "ProbeFunctions": "yes", "LayersBesideOurs": "arn:beside",
    },
}
MODULES = {"template.yaml": "terraform", "region.yaml": "terraform/region", "member.yaml": "terraform/member"}
# What Terraform wants and CloudFormation chooses by itself.
NAMES = {"name_prefix", "bucket_prefix", "alarm_name", "filename", "source_code_hash", "force_destroy"}
ONLY_TERRAFORM = {"name": "freshlayer", "publisher_zip": "publisher.zip"}


def in_order(statement):
    """Returns a statement whose lists are sorted, with one string as a list of one."""
    if isinstance(statement, dict):
        return {key: in_order(value) for key, value in statement.items()}
    return sorted(statement) if isinstance(statement, list) else [statement]


def statements(document):
    if document is None:
        return "cannot be evaluated"
    found = json.loads(document) if isinstance(document, str) else document
    return [in_order(statement) for statement in found["Statement"]]


def words(properties):
    """Returns properties with their keys in snake case."""
    if isinstance(properties, dict):
        return {snake(key): words(value) for key, value in properties.items()}
    return [words(item) for item in properties] if isinstance(properties, list) else properties


def bucket(name, said):
    to = {"bucket": f"<{name}>"}
    named = said.pop("BucketName", None)
    yield "aws_s3_bucket", name, {"bucket": named} if named else {}
    [sse] = said.pop("BucketEncryption")["ServerSideEncryptionConfiguration"]
    algorithm = sse["ServerSideEncryptionByDefault"]["SSEAlgorithm"]
    sse = {"rule": {"apply_server_side_encryption_by_default": {"sse_algorithm": algorithm}}}
    yield "aws_s3_bucket_server_side_encryption_configuration", name, to | sse
    yield "aws_s3_bucket_public_access_block", name, to | words(said.pop("PublicAccessBlockConfiguration"))
    [rule] = said.pop("OwnershipControls")["Rules"]
    yield "aws_s3_bucket_ownership_controls", name, to | {"rule": words(rule)}
    versioning = {"versioning_configuration": words(said.pop("VersioningConfiguration"))}
    yield "aws_s3_bucket_versioning", name, to | versioning
    rules = [words(rule) for rule in said.pop("LifecycleConfiguration")["Rules"]]
    for rule in rules:
        rule["rule_id"] = rule.pop("id")
        rule["filter"] = {"prefix": rule.pop("prefix")} if "prefix" in rule else {}
        if "expiration_in_days" in rule:
            rule["expiration"] = {"days": rule.pop("expiration_in_days")}
    yield "aws_s3_bucket_lifecycle_configuration", name, to | {"rule": rules if len(rules) > 1 else rules[0]}


def role(name, said):
    named = {"name": said.pop("RoleName")} if "RoleName" in said else {}
    yield "aws_iam_role", name, named | {"assume_role_policy": statements(said.pop("AssumeRolePolicyDocument"))}
    for policy in said.pop("Policies", []):
        short = name.removesuffix("_role")
        # SAM names the policies that it makes by itself.
        label = "call" if policy["PolicyName"].endswith("LambdaPolicy") else policy["PolicyName"]
        inside = {"name": label, "role": f"<{name}>", "policy": statements(policy["PolicyDocument"])}
        yield "aws_iam_role_policy", short, inside


def policy(name, said):
    [to] = said.pop("Roles")
    yield "aws_iam_role_policy", name, {
        "name": said.pop("PolicyName"), "role": to, "policy": statements(said.pop("PolicyDocument")),
    }


def function(name, said):
    del said["Code"]
    assert said.pop("Tags") == [{"Key": "lambda:createdBy", "Value": "SAM"}]
    variables = {key: str(value) for key, value in said.pop("Environment")["Variables"].items()}
    inside = words(said) | {"environment": {"variables": variables}}
    inside.setdefault("reserved_concurrent_executions", -1)
    inside["logging_config"]["log_format"] = "Text"
    said.clear()
    yield "aws_lambda_function", name, inside


def event_invoke(name, said):
    assert said.pop("DestinationConfig") == {}
    yield "aws_lambda_function_event_invoke_config", name.removesuffix("_event_invoke_config"), words(said)
    said.clear()


def alarm(name, said):
    inside = words(said) | {"alarm_actions": said.get("AlarmActions", [])}
    if "Dimensions" in said:
        inside["dimensions"] = {dimension["Name"]: dimension["Value"] for dimension in said["Dimensions"]}
    said.clear()
    yield "aws_cloudwatch_metric_alarm", name, inside


def queue(name, said):
    kept = said.pop("MessageRetentionPeriod")
    yield "aws_sqs_queue", name, words(said) | {"message_retention_seconds": kept}
    said.clear()


def dashboard(name, said):
    body = json.loads(said.pop("DashboardBody"))
    yield "aws_cloudwatch_dashboard", name, {"dashboard_name": said.pop("DashboardName"), "dashboard_body": body}


def bucket_policy(name, said):
    inside = {"bucket": said.pop("Bucket"), "policy": statements(said.pop("PolicyDocument"))}
    yield "aws_s3_bucket_policy", name, inside


def plain(kind):
    def translate(name, said):
        yield kind, name, words(said)
        said.clear()
    return translate


IN_TERRAFORM = {
    "AWS::S3::Bucket": bucket,
    "AWS::S3::BucketPolicy": bucket_policy,
    "AWS::SQS::Queue": queue,
    "AWS::Logs::LogGroup": plain("aws_cloudwatch_log_group"),
    "AWS::IAM::Role": role,
    "AWS::IAM::Policy": policy,
    "AWS::Lambda::Function": function,
    "AWS::Lambda::EventInvokeConfig": event_invoke,
    "AWS::Scheduler::Schedule": plain("aws_scheduler_schedule"),
    "AWS::CloudWatch::Alarm": alarm,
    "AWS::CloudWatch::Dashboard": dashboard,
}


def of_template(template, given):
    for name, kind, said in template.resources(given):
        for kind, name, arguments in IN_TERRAFORM[kind](snake(name), said):
            yield f"{kind}.{name}", arguments
        assert not said, f"{name}: {said} has no word in Terraform here"


def of_module(module, given):
    for kind, name, arguments in module.resources(given):
        for key in ("policy", "assume_role_policy"):
            if key in arguments:
                arguments[key] = statements(arguments[key])
        if "dashboard_body" in arguments:
            arguments["dashboard_body"] = json.loads(arguments["dashboard_body"])
        if kind == "aws_lambda_function":
            del arguments["function_name"]
        yield f"{kind}.{name}", {key: value for key, value in arguments.items() if key not in NAMES}


def leaves(found, path=""):
    """Returns one line per value: path and value."""
    if isinstance(found, dict) and found:
        for key, value in found.items():
            yield from leaves(value, f"{path}.{key}" if path else key)
    elif isinstance(found, list) and any(isinstance(item, dict) for item in found):
        for number, item in enumerate(found):
            sid = item.get("Sid", number) if isinstance(item, dict) else number
            yield from leaves(item, f"{path}[{sid[0] if isinstance(sid, list) else sid}]")
    else:
        yield f"{path} = {json.dumps(found)}"


def differences(what, first, second):
    first, second = set(leaves(first)), set(leaves(second))
    yield from (f"{what}: only in the template: {line}" for line in sorted(first - second))
    yield from (f"{what}: only in the module: {line}" for line in sorted(second - first))


def as_variable(value):
    return {"yes": True, "no": False}.get(value, value)


def parameters(template):
    for name, parameter in template.parameters.items():
        default = as_variable(parameter.get("Default", "none: it asks"))
        kind = "bool" if isinstance(default, bool) else {"String": "string", "Number": "number"}[parameter["Type"]]
        checked = not kind == "bool" and bool(parameter.keys() & {"AllowedValues", "AllowedPattern", "MinValue", "MaxValue"})
        yield snake(name), {"type": kind, "default": default, "checked": checked}


def variables(module):
    for name, variable in module.variables.items():
        if name not in ONLY_TERRAFORM:
            default = variable.get("default", "none: it asks")
            yield name, {"type": variable["type"], "default": default, "checked": "validation" in variable}


def sets(name, template):
    """Returns what to evaluate both with: the defaults, everything, and each parameter alone."""
    assert GIVEN[name].keys() == template.parameters.keys(), f"{name}: a parameter is given nowhere"
    asked = {key: GIVEN[name][key] for key, entry in template.parameters.items() if "Default" not in entry}
    alone = {f"{key}={value}": asked | {key: value} for key, value in GIVEN[name].items() if key not in asked}
    return {"defaults": asked, "everything": GIVEN[name]} | alone


def of_variables(given, module):
    here = {snake(key): as_variable(value) for key, value in given.items()}
    return here | {key: value for key, value in ONLY_TERRAFORM.items() if key in module.variables}


def compare(infra, name, folder):
    """Yields each difference with the parameters that show it."""
    template, module = Template(infra / name), Module(infra / folder)
    unlike = list(differences("variables", dict(parameters(template)), dict(variables(module))))
    yield from ((line, "") for line in unlike)
    if unlike:
        return
    for told, given in sets(name, template).items():
        here = of_variables(given, module)
        found = dict(of_module(module, here))
        yield from ((line, told) for line in differences("resources", dict(of_template(template, given)), found))
        outputs = {snake(key): value for key, value in template.outputs_of(given).items()}
        yield from ((line, told) for line in differences("outputs", outputs, module.outputs_of(here)))


def main():
    infra, unlike = pathlib.Path(sys.argv[1]), 0
    for name, folder in MODULES.items():
        first = {}
        for line, told in compare(infra, name, folder):
            first.setdefault(line, told)
        for line, told in first.items():
            print(f"{folder}: {line} {told and f'({told})'}")
        unlike += len(first)
    sys.exit(f"{unlike} differences between modules and templates" if unlike else 0)


if __name__ == "__main__":
    main()
