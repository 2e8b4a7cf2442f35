"""Deploys a snippet of examples/deploy with the tool that it is written for, on the emulator.

snippets.py cdk|serverless|sam|terraform FOLDER
"""
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import zipfile

import boto3

ROOT = pathlib.Path(__file__).resolve().parents[2]
SNIPPETS = ROOT / "examples/deploy"
NODE = ROOT / ".venv/deploy/node"
REGION = "eu-west-1"
PARAMETER = "/freshlayer/geo/arn"
ACCOUNTS = {"cdk": "200000000001", "serverless": "200000000002", "sam": "200000000003", "terraform": "200000000004"}


def run(*command, code=0, **named):
    """Runs a command, and shows what it said where it ends with another code than this one."""
    ran = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300, **named)
    if ran.returncode != code:
        sys.exit(f"{' '.join(map(str, command))}\nexpected exit code {code}, found {ran.returncode}:\n{ran.stdout}")
    return ran.stdout


def expect(what, wanted, found):
    if wanted != found:
        sys.exit(f"{what}: expected {wanted}, found {found}")


def zipped(**files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for name, text in files.items():
            packed.writestr(name.replace("_", "."), text)
    return buffer.getvalue()


class Cloud:
    """What freshlayer does in an account: publish versions of the layer `geo`, name one in the parameter, move functions."""

    def __init__(self):
        self.functions, self.parameters = boto3.client("lambda"), boto3.client("ssm")

    def publish(self, text):
        content = {"ZipFile": zipped(data_txt=text)}
        return self.functions.publish_layer_version(LayerName="geo", Content=content)["LayerVersionArn"]

    def promote(self, arn):
        self.parameters.put_parameter(Name=PARAMETER, Value=arn, Type="String", Overwrite=True)

    def name(self):
        [function] = self.functions.list_functions()["Functions"]
        return function["FunctionName"]

    def layers(self, qualifier="$LATEST"):
        asked = self.functions.get_function_configuration(FunctionName=self.name(), Qualifier=qualifier)
        return [layer["Arn"] for layer in asked.get("Layers", [])]

    def alias(self):
        return self.functions.get_alias(FunctionName=self.name(), Name="live")["FunctionVersion"]

    def roll(self, arn):
        self.functions.update_function_configuration(FunctionName=self.name(), Layers=[arn])
        version = self.functions.publish_version(FunctionName=self.name())["Version"]
        self.functions.update_alias(FunctionName=self.name(), Name="live", FunctionVersion=version)


def follows(cloud, deploy):
    """Deploys twice: each time the function gets the version that the parameter names then."""
    for text in ("one", "two"):
        arn = cloud.publish(text)
        cloud.promote(arn)
        cloud.publish(f"{text}, which was never promoted")
        deploy()
        expect("layers of $LATEST", [arn], cloud.layers())


def stack(template):
    bucket = f"templates-{os.environ['AWS_ACCESS_KEY_ID']}"
    boto3.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    return lambda: run(sys.executable, ROOT / "tests/emulator/deploy.py", template, bucket)


def cdk(cloud, place):
    shutil.copy(SNIPPETS / "stack.ts", place)
    (place / "node_modules").symlink_to(NODE / "node_modules")
    (place / "package.json").write_text('{"type": "module"}')
    strict = ["--strict", "--skipLibCheck", "--module", "nodenext", "--target", "es2022", "--types", "node"]
    run(place / "node_modules/.bin/tsc", *strict, "stack.ts", cwd=place)
    # What the command `cdk synth` sets; no credentials, so nothing can be looked up.
    run("node", "stack.js", cwd=place, env={"PATH": os.environ["PATH"], "CDK_OUTDIR": str(place / "synthesised")})
    text = (place / "synthesised/Checkout.template.json").read_text()
    template = json.loads(text)
    expect("a dynamic reference", False, "{{resolve:" in text)
    wanted = {"Type": "AWS::SSM::Parameter::Value<String>", "Default": PARAMETER}
    [parameter] = [name for name, entry in template["Parameters"].items() if entry == wanted]
    kinds = sorted(entry["Type"].removeprefix("AWS::") for entry in template["Resources"].values())
    expect("resources", ["IAM::Role", "Lambda::Alias", "Lambda::Function", "Lambda::Version"], kinds)
    [function] = [entry for entry in template["Resources"].values() if entry["Type"] == "AWS::Lambda::Function"]
    expect("layers", [{"Ref": parameter}], function["Properties"].get("Layers"))
    (place / "checkout.yaml").write_text(text)
    cloud.parameters.put_parameter(Name="/cdk-bootstrap/hnb659fds/version", Value="30", Type="String")
    follows(cloud, stack(place / "checkout.yaml"))


def sam(cloud, place):
    deploy = stack(SNIPPETS / "sam.yaml")
    first = cloud.publish("zero")
    cloud.promote(first)
    deploy()
    expect("the alias", "1", cloud.alias())
    follows(cloud, deploy)
    expect("the alias, after a new layer version alone", "1", cloud.alias())
    expect("layers behind the alias", [first], cloud.layers("live"))


def serverless(cloud, place):
    shutil.copy(SNIPPETS / "serverless.yml", place)
    (place / "index.py").write_text("def handler(event, context):\n    return 'hello'\n")
    # Its question for an SSM parameter may not go to AWS: the emulator's address stands in the environment.
    osls = [NODE / "node_modules/.bin/osls", "deploy", "--region", REGION]
    follows(cloud, lambda: run(*osls, cwd=place))
    arn = cloud.publish("three")
    cloud.promote(arn)
    run(*osls[:2], "function", "--function", "checkout", *osls[2:], cwd=place)
    expect("layers after `deploy function`", [arn], cloud.layers())


# What the snippet leaves to its reader.
BESIDE = """
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

provider "aws" {
  skip_credentials_validation = true
  skip_get_ec2_platforms      = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
  endpoints {
    iam    = "ENDPOINT"
    lambda = "ENDPOINT"
    ssm    = "ENDPOINT"
  }
}

resource "aws_iam_role" "checkout" {
  name = "checkout"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = { Service = "lambda.amazonaws.com" }, Action = "sts:AssumeRole" }]
  })
}
"""


def terraform(cloud, place):
    snippet = (SNIPPETS / "main.tf").read_text()
    # Release 3.39 of the provider knows neither this attribute nor this runtime.
    for new, old in {"insecure_value": "value", "python3.13": "python3.8"}.items():
        assert new in snippet, f"{new} stands in main.tf"
        snippet = snippet.replace(new, old)
    ignored = r"\n  lifecycle \{\n.*?\n  \}\n"
    provider = f'"hashicorp/aws" = "{place.parent}/provider"'
    (place / "settings").write_text(f"provider_installation {{\n  dev_overrides {{\n    {provider}\n  }}\n}}\n")
    os.environ |= {"TF_CLI_CONFIG_FILE": str(place / "settings"), "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"}
    (place / "main.tf").write_text(snippet)
    (place / "beside.tf").write_text(BESIDE.replace("ENDPOINT", os.environ["AWS_ENDPOINT_URL"]))
    (place / "checkout.zip").write_bytes(zipped(index_py="def handler(event, context):\n    return 1\n"))

    def told(verb, *options, code=0):
        return run("terraform", verb, "-no-color", "-input=false", *options, cwd=place, code=code)

    first, second = cloud.publish("one"), cloud.publish("two")
    cloud.promote(first)
    told("apply", "-auto-approve")
    expect("layers", [first], cloud.layers())
    cloud.roll(second)
    told("plan", "-detailed-exitcode")
    (place / "main.tf").write_text(re.sub(ignored, "\n", snippet, flags=re.DOTALL))
    difference = told("plan", "-detailed-exitcode", code=2)
    changed = sorted(re.findall(r"# (\S+) will be updated in-place", difference))
    expect("changes without ignore_changes", ["aws_lambda_alias.live", "aws_lambda_function.checkout"], changed)
    (place / "main.tf").write_text(snippet)
    alias = cloud.alias()
    (place / "checkout.zip").write_bytes(zipped(index_py="def handler(event, context):\n    return 2\n"))
    told("apply", "-auto-approve")
    versions = cloud.functions.list_versions_by_function(FunctionName=cloud.name())["Versions"]
    expect("versions, with the new code", ["$LATEST", "1", "2", "3"], [entry["Version"] for entry in versions])
    expect("layers of the new code", [second], cloud.layers("3"))
    expect("the alias, after new code", alias, cloud.alias())


def main():
    tool, place = sys.argv[1], pathlib.Path(sys.argv[2]) / sys.argv[1]
    place.mkdir()
    os.environ |= {"AWS_ACCESS_KEY_ID": ACCOUNTS[tool], "AWS_SECRET_ACCESS_KEY": "none", "AWS_EC2_METADATA_DISABLED": "true"}
    os.environ |= {"AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}
    {"cdk": cdk, "serverless": serverless, "sam": sam, "terraform": terraform}[tool](Cloud(), place)
    print(f"{tool}: deployed")


main()
