"""A consumer in Python 3.11 or later: the country of an address, and its currency.

Both databases are opened once, at init: an execution environment keeps its layer for life, and a new layer version
comes with new environments.
"""

import json
import os
import sqlite3
from pathlib import Path

import maxminddb

ROOT = Path(os.environ.get("FRESHLAYER_ROOT", "/opt"))
LAYER = json.loads((ROOT / "freshlayer" / "places.json").read_text(encoding="utf-8"))
if LAYER["format"] != 1:
    raise ValueError(f"expected format 1 of the manifest, found {LAYER['format']}")
PATHS = {dataset["name"]: ROOT / dataset["path"] for dataset in LAYER["datasets"]}

# MODE_MMAP_EXT is the C extension: without it, opening fails instead of being ten times as slow.
addresses = maxminddb.open_database(PATHS["country"], maxminddb.MODE_MMAP_EXT)
countries = sqlite3.connect(f"{PATHS['countries'].as_uri()}?mode=ro&immutable=1", uri=True)


def handler(event, context):
    record = addresses.get(event["ip"]) or {}
    code = record.get("country", {}).get("iso_code")
    found = countries.execute("SELECT name, currency FROM countries WHERE iso2 = ?", [code]).fetchone()
    name, currency = found or (None, None)
    return {"code": code, "name": name, "currency": currency, "release": LAYER["release"], "version": LAYER["version"]}
