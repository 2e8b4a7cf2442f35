/**
 * The layer `places`, as its definition promises it.
 *
 * `freshlayer codegen places --language typescript` writes this file: change the definition instead.
 * It needs Node.js 22.15 and the package `maxmind`, which reads a database into memory.
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { open, type Reader, type Response } from "maxmind";

interface Listed {
  readonly name: string;
  readonly path: string;
  readonly built_unix_secs?: number;
  readonly fetched_unix_secs: number;
}

/** The layer under /opt, or under the folder that FRESHLAYER_ROOT names. */
export class Layer {
  readonly root: string;
  readonly release: number;
  readonly version: string;
  private readonly datasets: readonly Listed[];

  constructor(root: string = process.env["FRESHLAYER_ROOT"] || "/opt") {
    const manifest = join(root, "freshlayer", "places" + ".json");
    const listed = JSON.parse(readFileSync(manifest, "utf8"));
    if (listed.format !== 1) {
      throw new Error(`read ${manifest}: expected format 1, found ${listed.format}`);
    }
    this.root = root;
    this.release = listed.release;
    this.version = listed.version;
    this.datasets = listed.datasets;
  }

  /** Returns the path of a dataset: its file, or an archive's folder. */
  path(dataset: string): string {
    const found = this.datasets.find((each) => each.name === dataset);
    if (found === undefined) throw new Error(`the layer has no dataset ${dataset}`);
    return join(this.root, found.path);
  }

  /** Returns the build time of the oldest dataset, or its download time if the upstream states none, in seconds since 1970. */
  builtUnixSecs(): number {
    return Math.min(...this.datasets.map((each) => each.built_unix_secs ?? each.fetched_unix_secs));
  }

  /** Returns the age of the oldest dataset now, in seconds. */
  ageSecs(): number {
    return Math.max(0, Date.now() / 1000 - this.builtUnixSecs());
  }

  /** Returns a log line with the age of the data, for CloudWatch: print it in the handler, at most once an hour. */
  metricLine(): string {
    const metric = { Name: "ServedDataAgeDays", Unit: "None" };
    const directive = { Namespace: "freshlayer", Dimensions: [["Layer"]], Metrics: [metric] };
    const emf = { Timestamp: Date.now(), CloudWatchMetrics: [directive] };
    const days = this.ageSecs() / 86400;
    return JSON.stringify({ _aws: emf, Layer: "places", Version: this.version, ServedDataAgeDays: days });
  }
}

/** The object `city.names`, as far as the contract names it. */
export interface CityCityNames {
  /** `city.names.en`; at most 50.00 % of the networks lack it. */
  readonly en?: string;
}

/** The object `city`, as far as the contract names it. */
export interface CityCity {
  /** `city.geoname_id`; it may be absent. */
  readonly geoname_id?: number;
  /** `city.names`; it may be absent. */
  readonly names?: CityCityNames;
}

/** The object `continent`, as far as the contract names it. */
export interface CityContinent {
  /** `continent.code`; it may be absent. */
  readonly code?: string;
}

/** The object `country.names`, as far as the contract names it. */
export interface CityCountryNames {
  /** `country.names.zh-CN`; it may be absent. */
  readonly "zh-CN"?: string;
}

/** The object `country`, as far as the contract names it. */
export interface CityCountry {
  /** `country.is_in_european_union`; it is there only when it is true. */
  readonly is_in_european_union?: boolean;
  /** `country.iso_code`; all networks have it. */
  readonly iso_code: string;
  /** `country.names`; it may be absent. */
  readonly names?: CityCountryNames;
}

/** The object `location`, as far as the contract names it. */
export interface CityLocation {
  /** `location.accuracy_radius`; it may be absent. */
  readonly accuracy_radius?: number;
  /** `location.latitude`; at most 5.00 % of the networks lack it. */
  readonly latitude?: number;
  /** `location.longitude`; at most 5.00 % of the networks lack it. */
  readonly longitude?: number;
  /** `location.time_zone`; it may be absent. */
  readonly time_zone?: string;
}

/** The object `postal`, as far as the contract names it. */
export interface CityPostal {
  /** `postal.code`; it may be absent. */
  readonly code?: string;
}

/** The object `registered_country`, as far as the contract names it. */
export interface CityRegisteredCountry {
  /** `registered_country.iso_code`; it may be absent. */
  readonly iso_code?: string;
}

/** The object `represented_country`, as far as the contract names it. */
export interface CityRepresentedCountry {
  /** `represented_country.iso_code`; it may be absent. */
  readonly iso_code?: string;
}

/** The object `subdivisions`, as far as the contract names it. */
export interface CitySubdivisions {
  /** `subdivisions[].iso_code`; it may be absent. */
  readonly iso_code?: string;
}

/** One record, as far as the contract names it. */
export interface CityRecord {
  /** `city`; it may be absent. */
  readonly city?: CityCity;
  /** `continent`; it may be absent. */
  readonly continent?: CityContinent;
  /** `country`; all networks have it. */
  readonly country: CityCountry;
  /** `location`; it may be absent. */
  readonly location?: CityLocation;
  /** `postal`; it may be absent. */
  readonly postal?: CityPostal;
  /** `registered_country`; it may be absent. */
  readonly registered_country?: CityRegisteredCountry;
  /** `represented_country`; it may be absent. */
  readonly represented_country?: CityRepresentedCountry;
  /** `subdivisions`; it may be absent. */
  readonly subdivisions?: readonly (CitySubdivisions)[];
}

/** The dataset "city": open it once, outside the handler. */
export class City {
  readonly reader: Reader<Response>;

  constructor(reader: Reader<Response>) {
    this.reader = reader;
  }

  static async open(layer: Layer): Promise<City> {
    return new City(await open<Response>(layer.path("city")));
  }

  /** Looks an address up. */
  lookup(ip: string): CityRecord | null {
    return this.reader.get(ip) as CityRecord | null;
  }
}

/** The object `routes`, as far as the contract names it. */
export interface NetworkRoutes {
  /** `routes[].asn`; it may be absent. */
  readonly asn?: number;
  /** `routes[].peers`; it may be absent. */
  readonly peers?: readonly (string)[];
}

/** One record, as far as the contract names it. */
export interface NetworkRecord {
  /** `address count`; it may be absent. */
  readonly "address count"?: number | bigint;
  /** `key`; it may be absent. */
  readonly key?: Uint8Array;
  /** `routes`; it may be absent. */
  readonly routes?: readonly (NetworkRoutes)[];
  /** `score`; it may be absent. */
  readonly score?: unknown;
  /** `tags`; it may be absent. */
  readonly tags?: readonly unknown[];
  /** `type`; it may be absent. */
  readonly type?: string;
}

/** The dataset "network": open it once, outside the handler. */
export class Network {
  readonly reader: Reader<Response>;

  constructor(reader: Reader<Response>) {
    this.reader = reader;
  }

  static async open(layer: Layer): Promise<Network> {
    return new Network(await open<Response>(layer.path("network")));
  }

  /** Looks an address up. */
  lookup(ip: string): NetworkRecord | null {
    return this.reader.get(ip) as NetworkRecord | null;
  }
}

/** A row of the table `zones`, as far as the contract names it. */
export interface ZonesZones {
  /** `zones.name`; all rows have it. */
  readonly name: string;
  /** `zones.offset_secs`; it may be absent. */
  readonly offset_secs: number | null;
  /** `zones.class`; it may be absent. */
  readonly class: string | null;
  /** `zones.note`; it may be absent. */
  readonly note: string | number | Uint8Array | null;
}

/** The dataset "zones": open it once, outside the handler. */
export class Zones {
  readonly database: DatabaseSync;

  constructor(layer: Layer) {
    const address = pathToFileURL(layer.path("zones"));
    address.searchParams.set("immutable", "1");
    this.database = new DatabaseSync(address, { readOnly: true });
  }

  allZones(): ZonesZones[] {
    return this.database.prepare("SELECT \"name\", NULLIF(\"offset_secs\", '') AS \"offset_secs\", \"class\", \"note\" FROM \"zones\"").all() as unknown as ZonesZones[];
  }

  findZonesByName(value: string): ZonesZones[] {
    return this.database.prepare("SELECT \"name\", NULLIF(\"offset_secs\", '') AS \"offset_secs\", \"class\", \"note\" FROM \"zones\" WHERE \"name\" = ?").all(value) as unknown as ZonesZones[];
  }
}

/** The dataset "plain": open it once, outside the handler. */
export class Plain {
  readonly reader: Reader<Response>;

  constructor(reader: Reader<Response>) {
    this.reader = reader;
  }

  static async open(layer: Layer): Promise<Plain> {
    return new Plain(await open<Response>(layer.path("plain")));
  }
}

export function toolsPath(layer: Layer): string {
  return layer.path("tools");
}
