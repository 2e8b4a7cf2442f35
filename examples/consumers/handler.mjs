// A consumer in Node.js 22.15 or later: the country of an address, and its currency.
//
// Both databases are opened once, at init: an execution environment keeps its layer for life, and a new layer version
// comes with new environments. `maxmind` reads the whole mmdb into memory.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { open } from "maxmind";

const root = process.env.FRESHLAYER_ROOT ?? "/opt";
const layer = JSON.parse(readFileSync(join(root, "freshlayer/places.json"), "utf8"));
if (layer.format !== 1) throw new Error(`expected format 1 of the manifest, found ${layer.format}`);
const path = (name) => join(root, layer.datasets.find((dataset) => dataset.name === name).path);

const addresses = await open(path("country"));
const address = pathToFileURL(path("countries"));
address.search = "?immutable=1";
const countries = new DatabaseSync(address, { readOnly: true });
const byCode = countries.prepare("SELECT name, currency FROM countries WHERE iso2 = ?");

export async function handler(event) {
  const code = addresses.get(event.ip)?.country?.iso_code ?? null;
  const { name, currency } = byCode.get(code) ?? { name: null, currency: null };
  return { code, name, currency, release: layer.release, version: layer.version };
}
