"""Starts the AWS emulator for as long as standard input stays open: it ends with the test process, however that ends.

The emulator runs `provided` functions as plain processes and leaves their layers out. Here each gets what Lambda gives
it: its own layers merged at /opt, in list order, its code at /var/task, and a /tmp of its own, in a mount namespace. Where no
such namespace is to be had, the merged layers are named to the reader by FRESHLAYER_ROOT. The runtime is the bootstrap of
its code, or else that of its layers. This rests on the internals of ministack 1.5.33, which requirements.txt pins.
"""
import errno
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import zipfile

import cbor2


def end_with_parent():
    sys.stdin.buffer.read()
    shutil.rmtree(MERGED, ignore_errors=True)
    os._exit(0)


MERGED = tempfile.mkdtemp(prefix="freshlayer-emulator-")
threading.Thread(target=end_with_parent, daemon=True).start()

import ministack.core.iam_actions as iam_actions  # noqa: E402
import ministack.services.cloudwatch as cloudwatch_service  # noqa: E402
import ministack.services.eventbridge as event_service  # noqa: E402
import ministack.services.lambda_svc as lambda_service  # noqa: E402
import ministack.services.tagging as tagging_service  # noqa: E402
from ministack.app import main  # noqa: E402

real_resource = iam_actions.extract_resource_arn


def resource(service, method, path, headers, body, query_params, region, account):
    """Names the version that a DeleteFunction with a qualifier is about, as Lambda does, and everything for what CloudWatch is asked."""
    if service == "monitoring":
        return "*"
    found = real_resource(service, method, path, headers, body, query_params, region, account)
    qualifier = query_params.get("Qualifier")
    if service == "lambda" and method == "DELETE" and qualifier and ":function:" in found:
        return f"{found}:{qualifier if isinstance(qualifier, str) else qualifier[0]}"
    return found


iam_actions.extract_resource_arn = resource

real_action = iam_actions.extract_iam_action


def action(service, method, path, headers, body, query_params):
    """Names the action of a request to CloudWatch by rpc-v2-cbor, which stands at the end of its path."""
    if service == "monitoring" and "/operation/" in path:
        return f"cloudwatch:{path.rsplit('/', 1)[1]}"
    return real_action(service, method, path, headers, body, query_params)


iam_actions.extract_iam_action = action

real_statistic = cloudwatch_service._stat_value


def statistic(stats, name, points=None):
    """Counts what lies above a bound, `TC(bound:)`, as CloudWatch's documentation says."""
    bound = re.fullmatch(r"TC\((\d+):\)", name)
    if not bound:
        return real_statistic(stats, name, points)
    samples = cloudwatch_service._percentile_samples(points or []) or []
    return float(sum(count for value, count in samples if value > int(bound[1])))


cloudwatch_service._stat_value = statistic
real_put_events = event_service._put_events


def put_events(data, **more):
    """Writes what is put on the bus to a log group, as a rule does whose target is one; the emulator has no such targets."""
    told = "\n".join(f"{entry.get('DetailType')} {entry.get('Detail')}" for entry in data.get("Entries", []))
    log = {"config": {"FunctionName": "bus", "LoggingConfig": {"LogGroup": "/aws/events/all"}}}
    lambda_service._emit_lambda_logs(log, "", told, False, 0)
    return real_put_events(data, **more)


event_service._put_events = put_events

mute_rules = {}
real_answer = cloudwatch_service.handle_request


async def answer(method, path, headers, body, query_params):
    """Knows rules that mute alarms. Each is active as soon as it is made, whatever its schedule says."""
    operation = path.rsplit("/operation/", 1)[-1]
    if operation not in ("PutAlarmMuteRule", "ListAlarmMuteRules"):
        return await real_answer(method, path, headers, body, query_params)
    asked = cbor2.loads(body)
    place = f"{cloudwatch_service.get_region()}:{cloudwatch_service.get_account_id()}"
    rules = mute_rules.setdefault(place, {})
    if operation == "PutAlarmMuteRule":
        rules[asked["Name"]] = asked["MuteTargets"]["AlarmNames"]
        return cloudwatch_service._cbor_ok({})
    rules = rules if "ACTIVE" in asked.get("Statuses", ["ACTIVE"]) else {}
    summaries = [
        {"AlarmMuteRuleArn": f"arn:aws:cloudwatch:{place}:alarm-mute-rule:{name}", "Status": "ACTIVE"}
        for name, alarms in rules.items()
        if asked.get("AlarmName") in (None, *alarms)
    ]
    return cloudwatch_service._cbor_ok({"AlarmMuteRuleSummaries": summaries})


cloudwatch_service.handle_request = answer


def tagged_alarms():
    """Lists the alarms of the Region that is asked, with their tags."""
    for arn, tags in cloudwatch_service._resource_tags.items():
        if arn.split(":")[3] == cloudwatch_service.get_region():
            yield arn, tagging_service._normalise_flat(tags)


tagging_service._COLLECTORS["cloudwatch"] = tagged_alarms

RESOURCES_PER_PAGE = 50
real_resources = tagging_service._get_resources


def get_resources(asked):
    """Answers page by page, as AWS does."""
    status, headers, body = real_resources(asked)
    page = json.loads(body)
    found = page.get("ResourceTagMappingList", [])
    begin = int(asked.get("PaginationToken") or 0)
    end = begin + RESOURCES_PER_PAGE
    if len(found) > RESOURCES_PER_PAGE:
        page["ResourceTagMappingList"] = found[begin:end]
        page["PaginationToken"] = str(end) if end < len(found) else ""
    return status, headers, json.dumps(page).encode()


tagging_service._HANDLERS["GetResources"] = get_resources

real_list = lambda_service._list_functions


def list_functions(query):
    """Lists published versions, too, where all are asked for, as Lambda does."""
    status, headers, body = real_list(query)
    wanted = query.get("FunctionVersion") or [None]
    if (wanted if isinstance(wanted, str) else wanted[0]) == "ALL":
        page = json.loads(body)
        known = lambda_service._functions
        page["Functions"] = [
            listed
            for latest in page["Functions"]
            for listed in [latest, *(one["config"] for one in known[latest["FunctionName"]]["versions"].values())]
        ]
        body = json.dumps(page).encode()
    return status, headers, body


lambda_service._list_functions = list_functions


def by_arn(real):
    """Takes a layer's ARN for its name, as Lambda does."""
    return lambda layer, more: real(layer.rsplit(":", 1)[-1], more)


lambda_service._delete_layer_version = by_arn(lambda_service._delete_layer_version)
lambda_service._list_layer_versions = by_arn(lambda_service._list_layer_versions)
lambda_service._get_layer_version_policy = by_arn(lambda_service._get_layer_version_policy)
real_code_folder = lambda_service._provided_runtime_code_dir
real_environment = lambda_service._provided_worker_env
RealPopen = subprocess.Popen
NAMESPACE = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]
# /var/task is not there on an ordinary machine, so it is made on a /var of its own.
ENTER = (
    'mount --bind "$1" /opt && mount -t tmpfs none /var && mkdir /var/task && mount --bind "$2" /var/task'
    ' && mount -t tmpfs none /tmp && cd /var/task && exec "$3"'
)
STAND_IN = tempfile.mkdtemp(dir=MERGED)
os.symlink(sys.executable, os.path.join(STAND_IN, "bootstrap"))


class CodeFolder(str):
    """Shows the emulator, which wants a bootstrap in the code itself, a folder that has one; `task` is the code's."""

    def __new__(cls, code_zip):
        folder = super().__new__(cls, STAND_IN)
        folder.task = real_code_folder(code_zip)
        return folder


def find_bootstrap(task, opt):
    """Returns the folder of the bootstrap that Lambda runs, as the function and as this machine know it.

    The first file of that name is taken, and is not passed over where it cannot be executed. The emulator makes
    Runtime.InvalidEntrypoint of these errors, as Lambda does; their words are Lambda's.
    """
    for inside, folder in (("/var/task", task), ("/opt", opt)):
        path = os.path.join(folder, "bootstrap")
        if os.path.isfile(path):
            if not os.access(path, os.X_OK):
                raise PermissionError(errno.EACCES, f"fork/exec {inside}/bootstrap: permission denied")
            return inside, folder
    raise FileNotFoundError(
        errno.ENOENT, "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"
    )


def namespaces_work():
    if not os.path.isdir("/opt"):
        return False
    probe = RealPopen(NAMESPACE + ["true"], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return probe.wait() == 0


ISOLATED = namespaces_work()


def merged(layers):
    """Returns the folder that holds these layers, extracted in order; one per set of layers."""
    zips = [content for content in map(lambda_service._resolve_layer_zip, layers) if content]
    name = hashlib.sha256(b"".join(hashlib.sha256(content).digest() for content in zips)).hexdigest()
    folder = os.path.join(MERGED, name)
    # A bootstrap cannot be executed while a process that was forked meanwhile holds it open for writing.
    with lambda_service._provided_code_lock:
        if not os.path.isdir(folder):
            fresh = tempfile.mkdtemp(dir=MERGED)
            for content in zips:
                lambda_service._extract_zip_preserving_mode(zipfile.ZipFile(io.BytesIO(content)), fresh)
            os.chmod(fresh, 0o755)
            os.rename(fresh, folder)
    return folder


def environment(config, code_folder, port):
    variables = real_environment(config, code_folder, port)
    variables["TEST_OPT"] = merged(config.get("Layers") or [])
    variables["TEST_TASK"] = code_folder.task
    variables["LAMBDA_TASK_ROOT"] = "/var/task" if ISOLATED else code_folder.task
    if not ISOLATED:
        variables["FRESHLAYER_ROOT"] = variables["TEST_OPT"]
    return variables


class FunctionPopen(RealPopen):
    def __init__(self, arguments, *positional, **named):
        variables = named.get("env") or {}
        if "TEST_OPT" in variables:
            opt, task = variables.pop("TEST_OPT"), variables.pop("TEST_TASK")
            inside, folder = find_bootstrap(task, opt)
            arguments, named["cwd"] = [f"{folder}/bootstrap"], task
            if ISOLATED:
                named.pop("cwd")
                arguments = NAMESPACE + ["sh", "-c", ENTER, "enter", opt, task, f"{inside}/bootstrap"]
        super().__init__(arguments, *positional, **named)


lambda_service._provided_runtime_code_dir = CodeFolder
lambda_service._provided_worker_env = environment
subprocess.Popen = FunctionPopen
sys.exit(main())
