"""A consumer of a program: FFmpeg in a layer makes FLAC of WAV. Both are base64 in the event and the answer."""

import base64
import json
import os
import subprocess
from pathlib import Path

ROOT = Path(os.environ.get("FRESHLAYER_ROOT", "/opt"))
LAYER = json.loads((ROOT / "freshlayer" / "ffmpeg.json").read_text(encoding="utf-8"))
PROGRAM = ROOT / LAYER["datasets"][0]["path"]


def ffmpeg(*arguments, given=None):
    command = [PROGRAM, "-hide_banner", "-loglevel", "error", *arguments]
    return subprocess.run(command, input=given, capture_output=True, check=True).stdout


# The first line is `ffmpeg version 7.0.2-static …`.
VERSION = ffmpeg("-version").split()[2].decode()


def handler(event, context):
    wav = base64.b64decode(event["wav"])
    flac = ffmpeg("-i", "pipe:0", "-f", "flac", "pipe:1", given=wav)
    return {"flac": base64.b64encode(flac).decode(), "ffmpeg": VERSION, "release": LAYER["release"]}
