"""The layer `places`, as its definition promises it.

`freshlayer codegen places --language python` writes this file: change the definition instead.
It needs Python 3.11 and the package `maxminddb`: its C extension, without which it is ten times as slow.
"""

import json
import os
import sqlite3
import time
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any, NamedTuple, Required, TypedDict, cast

import maxminddb


class Layer:
    """The layer under /opt, or under the folder that FRESHLAYER_ROOT names."""

    def __init__(self, root: str | os.PathLike[str] | None = None) -> None:
        self.root = Path(root or os.environ.get("FRESHLAYER_ROOT") or "/opt").absolute()
        manifest = self.root / "freshlayer" / ("places" + ".json")
        listed = json.loads(manifest.read_text(encoding="utf-8"))
        if listed["format"] != 1:
            raise ValueError(f"read {manifest}: expected format 1, found {listed['format']}")
        self.release: int = listed["release"]
        self.version: str = listed["version"]
        self._datasets: dict[str, dict[str, Any]] = {each["name"]: each for each in listed["datasets"]}

    def path(self, dataset: str) -> Path:
        """Returns the path of a dataset: its file, or an archive's folder."""
        return self.root / str(self._datasets[dataset]["path"])

    def built_unix_secs(self) -> int:
        """Returns the build time of the oldest dataset, or its download time if the upstream states none, in seconds since 1970."""
        return min(int(each.get("built_unix_secs", each["fetched_unix_secs"])) for each in self._datasets.values())

    def age_secs(self) -> float:
        """Returns the age of the oldest dataset now, in seconds."""
        return max(0.0, time.time() - self.built_unix_secs())

    def metric_line(self) -> str:
        """Returns a log line with the age of the data, for CloudWatch: print it in the handler, at most once an hour."""
        metric = {"Name": "ServedDataAgeDays", "Unit": "None"}
        directive = {"Namespace": "freshlayer", "Dimensions": [["Layer"]], "Metrics": [metric]}
        emf = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]}
        days = self.age_secs() / 86400
        return json.dumps({"_aws": emf, "Layer": "places", "Version": self.version, "ServedDataAgeDays": days})


# The object `city.names`, as far as the contract names it.
CityCityNames = TypedDict(
    "CityCityNames",
    {
        # `city.names.en`; at most 50.00 % of the networks lack it.
        "en": str,
    },
    total=False,
)


# The object `city`, as far as the contract names it.
CityCity = TypedDict(
    "CityCity",
    {
        # `city.geoname_id`; it may be absent.
        "geoname_id": int,
        # `city.names`; it may be absent.
        "names": CityCityNames,
    },
    total=False,
)


# The object `continent`, as far as the contract names it.
CityContinent = TypedDict(
    "CityContinent",
    {
        # `continent.code`; it may be absent.
        "code": str,
    },
    total=False,
)


# The object `country.names`, as far as the contract names it.
CityCountryNames = TypedDict(
    "CityCountryNames",
    {
        # `country.names.zh-CN`; it may be absent.
        "zh-CN": str,
    },
    total=False,
)


# The object `country`, as far as the contract names it.
CityCountry = TypedDict(
    "CityCountry",
    {
        # `country.is_in_european_union`; it is there only when it is true.
        "is_in_european_union": bool,
        # `country.iso_code`; all networks have it.
        "iso_code": Required[str],
        # `country.names`; it may be absent.
        "names": CityCountryNames,
    },
    total=False,
)


# The object `location`, as far as the contract names it.
CityLocation = TypedDict(
    "CityLocation",
    {
        # `location.accuracy_radius`; it may be absent.
        "accuracy_radius": int,
        # `location.latitude`; at most 5.00 % of the networks lack it.
        "latitude": float,
        # `location.longitude`; at most 5.00 % of the networks lack it.
        "longitude": float,
        # `location.time_zone`; it may be absent.
        "time_zone": str,
    },
    total=False,
)


# The object `postal`, as far as the contract names it.
CityPostal = TypedDict(
    "CityPostal",
    {
        # `postal.code`; it may be absent.
        "code": str,
    },
    total=False,
)


# The object `registered_country`, as far as the contract names it.
CityRegisteredCountry = TypedDict(
    "CityRegisteredCountry",
    {
        # `registered_country.iso_code`; it may be absent.
        "iso_code": str,
    },
    total=False,
)


# The object `represented_country`, as far as the contract names it.
CityRepresentedCountry = TypedDict(
    "CityRepresentedCountry",
    {
        # `represented_country.iso_code`; it may be absent.
        "iso_code": str,
    },
    total=False,
)


# The object `subdivisions`, as far as the contract names it.
CitySubdivisions = TypedDict(
    "CitySubdivisions",
    {
        # `subdivisions[].iso_code`; it may be absent.
        "iso_code": str,
    },
    total=False,
)


# One record, as far as the contract names it.
CityRecord = TypedDict(
    "CityRecord",
    {
        # `city`; it may be absent.
        "city": CityCity,
        # `continent`; it may be absent.
        "continent": CityContinent,
        # `country`; all networks have it.
        "country": Required[CityCountry],
        # `location`; it may be absent.
        "location": CityLocation,
        # `postal`; it may be absent.
        "postal": CityPostal,
        # `registered_country`; it may be absent.
        "registered_country": CityRegisteredCountry,
        # `represented_country`; it may be absent.
        "represented_country": CityRepresentedCountry,
        # `subdivisions`; it may be absent.
        "subdivisions": list[CitySubdivisions],
    },
    total=False,
)


class City:
    """The dataset "city": open it once, outside the handler."""

    def __init__(self, layer: Layer) -> None:
        self.reader = maxminddb.open_database(layer.path("city"))

    def lookup(self, ip: str | IPv4Address | IPv6Address) -> CityRecord | None:
        """Looks an address up."""
        return cast("CityRecord | None", self.reader.get(ip))


# The object `routes`, as far as the contract names it.
NetworkRoutes = TypedDict(
    "NetworkRoutes",
    {
        # `routes[].asn`; it may be absent.
        "asn": int,
        # `routes[].peers`; it may be absent.
        "peers": list[str],
    },
    total=False,
)


# One record, as far as the contract names it.
NetworkRecord = TypedDict(
    "NetworkRecord",
    {
        # `address count`; it may be absent.
        "address count": int,
        # `key`; it may be absent.
        "key": bytes,
        # `routes`; it may be absent.
        "routes": list[NetworkRoutes],
        # `score`; it may be absent.
        "score": Any,
        # `tags`; it may be absent.
        "tags": list[Any],
        # `type`; it may be absent.
        "type": str,
    },
    total=False,
)


class Network:
    """The dataset "network": open it once, outside the handler."""

    def __init__(self, layer: Layer) -> None:
        self.reader = maxminddb.open_database(layer.path("network"))

    def lookup(self, ip: str | IPv4Address | IPv6Address) -> NetworkRecord | None:
        """Looks an address up."""
        return cast("NetworkRecord | None", self.reader.get(ip))


# A row of the table `zones`, as far as the contract names it.
class ZonesZones(NamedTuple):
    # `zones.name`; all rows have it.
    name: str
    # `zones.offset_secs`; it may be absent.
    offset_secs: int | None
    # `zones.class`; it may be absent.
    class_: str | None
    # `zones.note`; it may be absent.
    note: Any


class Zones:
    """The dataset "zones": open it once, outside the handler."""

    def __init__(self, layer: Layer) -> None:
        address = layer.path("zones").as_uri() + "?mode=ro&immutable=1"
        self.connection = sqlite3.connect(address, uri=True)

    def all_zones(self) -> list[ZonesZones]:
        return [ZonesZones(*row) for row in self.connection.execute("SELECT \"name\", NULLIF(\"offset_secs\", '') AS \"offset_secs\", \"class\", \"note\" FROM \"zones\"")]

    def zones_by_name(self, value: str) -> list[ZonesZones]:
        return [ZonesZones(*row) for row in self.connection.execute("SELECT \"name\", NULLIF(\"offset_secs\", '') AS \"offset_secs\", \"class\", \"note\" FROM \"zones\" WHERE \"name\" = ?1", (value,))]


class Plain:
    """The dataset "plain": open it once, outside the handler."""

    def __init__(self, layer: Layer) -> None:
        self.reader = maxminddb.open_database(layer.path("plain"))


def tools_path(layer: Layer) -> Path:
    return layer.path("tools")
