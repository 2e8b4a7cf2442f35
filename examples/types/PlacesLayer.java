// The layer `places`, as its definition promises it.
//
// `freshlayer codegen places --language java` writes this file, freshlayer/layers/PlacesLayer.java: change the
// definition instead. It needs Java 17 and jackson-databind 2, com.maxmind.db:maxmind-db 4, org.xerial:sqlite-jdbc. What is absent is null.

package freshlayer.layers;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.maxmind.db.MaxMindDbConstructor;
import com.maxmind.db.MaxMindDbParameter;
import com.maxmind.db.Reader;
import java.io.IOException;
import java.math.BigInteger;
import java.net.InetAddress;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;

/** The layer under /opt, or under the folder that FRESHLAYER_ROOT names. */
public final class PlacesLayer {
    private final Path root;
    private final JsonNode manifest;

    /** Opens the layer: once, outside the handler. */
    public PlacesLayer() throws IOException {
        this(Path.of(rootOfEnvironment()));
    }

    /** Opens the layer under a folder. */
    public PlacesLayer(Path root) throws IOException {
        Path file = root.resolve("freshlayer").resolve("places" + ".json");
        this.root = root;
        this.manifest = new ObjectMapper().readTree(file.toFile());
        if (manifest.path("format").asInt() != 1) {
            throw new IOException("read " + file + ": expected format 1, found " + manifest.path("format"));
        }
    }

    private static String rootOfEnvironment() {
        String root = System.getenv("FRESHLAYER_ROOT");
        return root == null || root.isEmpty() ? "/opt" : root;
    }

    /** Returns the release's number. */
    public long release() {
        return manifest.path("release").asLong();
    }

    /** Returns the data version. */
    public String version() {
        return manifest.path("version").asText();
    }

    /** Returns the path of a dataset: its file, or an archive's folder. */
    public Path path(String dataset) throws IOException {
        for (JsonNode each : manifest.path("datasets")) {
            if (each.path("name").asText().equals(dataset)) {
                return root.resolve(each.path("path").asText());
            }
        }
        throw new IOException("the layer has no dataset " + dataset);
    }

    /** Returns the build time of the oldest dataset, or its download time if the upstream states none, in seconds since 1970. */
    public long builtUnixSecs() {
        long oldest = Long.MAX_VALUE;
        for (JsonNode each : manifest.path("datasets")) {
            long fetched = each.path("fetched_unix_secs").asLong();
            oldest = Math.min(oldest, each.path("built_unix_secs").asLong(fetched));
        }
        return oldest;
    }

    /** Returns the age of the oldest dataset now, in seconds. */
    public long ageSecs() {
        return Math.max(0, System.currentTimeMillis() / 1000 - builtUnixSecs());
    }

    /** Returns a log line with the age of the data, for CloudWatch: print it in the handler, at most once an hour. */
    public String metricLine() {
        ObjectNode line = new ObjectMapper().createObjectNode();
        ObjectNode emf = line.putObject("_aws").put("Timestamp", System.currentTimeMillis());
        ObjectNode directive = emf.putArray("CloudWatchMetrics").addObject().put("Namespace", "freshlayer");
        directive.putArray("Dimensions").addArray().add("Layer");
        directive.putArray("Metrics").addObject().put("Name", "ServedDataAgeDays").put("Unit", "None");
        line.put("Layer", "places").put("Version", version());
        return line.put("ServedDataAgeDays", ageSecs() / 86400.0).toString();
    }

    /** The object `city.names`, as far as the contract names it. */
    public record CityCityNames(
            // `city.names.en`; at most 50.00 % of the networks lack it.
            @MaxMindDbParameter(name = "en") String en) {
        @MaxMindDbConstructor
        public CityCityNames {}
    }

    /** The object `city`, as far as the contract names it. */
    public record CityCity(
            // `city.geoname_id`; it may be absent.
            @MaxMindDbParameter(name = "geoname_id") Long geonameId,
            // `city.names`; it may be absent.
            @MaxMindDbParameter(name = "names") CityCityNames names) {
        @MaxMindDbConstructor
        public CityCity {}
    }

    /** The object `continent`, as far as the contract names it. */
    public record CityContinent(
            // `continent.code`; it may be absent.
            @MaxMindDbParameter(name = "code") String code) {
        @MaxMindDbConstructor
        public CityContinent {}
    }

    /** The object `country.names`, as far as the contract names it. */
    public record CityCountryNames(
            // `country.names.zh-CN`; it may be absent.
            @MaxMindDbParameter(name = "zh-CN") String zhCn) {
        @MaxMindDbConstructor
        public CityCountryNames {}
    }

    /** The object `country`, as far as the contract names it. */
    public record CityCountry(
            // `country.is_in_european_union`; it is there only when it is true.
            @MaxMindDbParameter(name = "is_in_european_union") Boolean isInEuropeanUnion,
            // `country.iso_code`; all networks have it.
            @MaxMindDbParameter(name = "iso_code") String isoCode,
            // `country.names`; it may be absent.
            @MaxMindDbParameter(name = "names") CityCountryNames names) {
        @MaxMindDbConstructor
        public CityCountry {}
    }

    /** The object `location`, as far as the contract names it. */
    public record CityLocation(
            // `location.accuracy_radius`; it may be absent.
            @MaxMindDbParameter(name = "accuracy_radius") Integer accuracyRadius,
            // `location.latitude`; at most 5.00 % of the networks lack it.
            @MaxMindDbParameter(name = "latitude") Double latitude,
            // `location.longitude`; at most 5.00 % of the networks lack it.
            @MaxMindDbParameter(name = "longitude") Double longitude,
            // `location.time_zone`; it may be absent.
            @MaxMindDbParameter(name = "time_zone") String timeZone) {
        @MaxMindDbConstructor
        public CityLocation {}
    }

    /** The object `postal`, as far as the contract names it. */
    public record CityPostal(
            // `postal.code`; it may be absent.
            @MaxMindDbParameter(name = "code") String code) {
        @MaxMindDbConstructor
        public CityPostal {}
    }

    /** The object `registered_country`, as far as the contract names it. */
    public record CityRegisteredCountry(
            // `registered_country.iso_code`; it may be absent.
            @MaxMindDbParameter(name = "iso_code") String isoCode) {
        @MaxMindDbConstructor
        public CityRegisteredCountry {}
    }

    /** The object `represented_country`, as far as the contract names it. */
    public record CityRepresentedCountry(
            // `represented_country.iso_code`; it may be absent.
            @MaxMindDbParameter(name = "iso_code") String isoCode) {
        @MaxMindDbConstructor
        public CityRepresentedCountry {}
    }

    /** The object `subdivisions`, as far as the contract names it. */
    public record CitySubdivisions(
            // `subdivisions[].iso_code`; it may be absent.
            @MaxMindDbParameter(name = "iso_code") String isoCode) {
        @MaxMindDbConstructor
        public CitySubdivisions {}
    }

    /** One record, as far as the contract names it. */
    public record CityRecord(
            // `city`; it may be absent.
            @MaxMindDbParameter(name = "city") CityCity city,
            // `continent`; it may be absent.
            @MaxMindDbParameter(name = "continent") CityContinent continent,
            // `country`; all networks have it.
            @MaxMindDbParameter(name = "country") CityCountry country,
            // `location`; it may be absent.
            @MaxMindDbParameter(name = "location") CityLocation location,
            // `postal`; it may be absent.
            @MaxMindDbParameter(name = "postal") CityPostal postal,
            // `registered_country`; it may be absent.
            @MaxMindDbParameter(name = "registered_country") CityRegisteredCountry registeredCountry,
            // `represented_country`; it may be absent.
            @MaxMindDbParameter(name = "represented_country") CityRepresentedCountry representedCountry,
            // `subdivisions`; it may be absent.
            @MaxMindDbParameter(name = "subdivisions") List<CitySubdivisions> subdivisions) {
        @MaxMindDbConstructor
        public CityRecord {}
    }

    /** The dataset "city": open it once, outside the handler. */
    public static final class City {
        private final Reader reader;

        public City(PlacesLayer layer) throws IOException {
            this.reader = new Reader(layer.path("city").toFile());
        }

        /** Returns what it is read by, for what the contract does not name. */
        public Reader reader() {
            return reader;
        }

        /** Looks an address up; null where the database does not know it. */
        public CityRecord lookup(InetAddress ip) throws IOException {
            return reader.get(ip, CityRecord.class);
        }
    }

    /** The object `routes`, as far as the contract names it. */
    public record NetworkRoutes(
            // `routes[].asn`; it may be absent.
            @MaxMindDbParameter(name = "asn") Long asn,
            // `routes[].peers`; it may be absent.
            @MaxMindDbParameter(name = "peers") List<String> peers) {
        @MaxMindDbConstructor
        public NetworkRoutes {}
    }

    /** One record, as far as the contract names it. */
    public record NetworkRecord(
            // `address count`; it may be absent.
            @MaxMindDbParameter(name = "address count") BigInteger addressCount,
            // `key`; it may be absent.
            @MaxMindDbParameter(name = "key") byte[] key,
            // `routes`; it may be absent.
            @MaxMindDbParameter(name = "routes") List<NetworkRoutes> routes,
            // `score`; it may be absent.
            @MaxMindDbParameter(name = "score") Object score,
            // `tags`; it may be absent.
            @MaxMindDbParameter(name = "tags") List<Object> tags,
            // `type`; it may be absent.
            @MaxMindDbParameter(name = "type") String type) {
        @MaxMindDbConstructor
        public NetworkRecord {}
    }

    /** The dataset "network": open it once, outside the handler. */
    public static final class Network {
        private final Reader reader;

        public Network(PlacesLayer layer) throws IOException {
            this.reader = new Reader(layer.path("network").toFile());
        }

        /** Returns what it is read by, for what the contract does not name. */
        public Reader reader() {
            return reader;
        }

        /** Looks an address up; null where the database does not know it. */
        public NetworkRecord lookup(InetAddress ip) throws IOException {
            return reader.get(ip, NetworkRecord.class);
        }
    }

    /** A row of the table `zones`, as far as the contract names it. */
    public record ZonesZones(
            // `zones.name`; all rows have it.
            String name,
            // `zones.offset_secs`; it may be absent.
            Long offsetSecs,
            // `zones.class`; it may be absent.
            String class_,
            // `zones.note`; it may be absent.
            Object note) {}

    /** The dataset "zones": open it once, outside the handler. */
    public static final class Zones {
        private final Connection connection;

        public Zones(PlacesLayer layer) throws IOException, SQLException {
            String file = layer.path("zones").toAbsolutePath().toUri().getRawPath();
            this.connection = DriverManager.getConnection("jdbc:sqlite:file:" + file + "?immutable=1");
        }

        /** Returns what it is read by, for what the contract does not name. */
        public Connection connection() {
            return connection;
        }

        /** Returns all rows. */
        public List<ZonesZones> allZones() throws SQLException {
            try (PreparedStatement statement = connection.prepareStatement("SELECT \"name\", NULLIF(\"offset_secs\", '') AS \"offset_secs\", \"class\", \"note\" FROM \"zones\"")) {
                return readZones(statement);
            }
        }

        /** Returns the rows with one value in the first column. */
        public List<ZonesZones> findZonesByName(String value) throws SQLException {
            try (PreparedStatement statement = connection.prepareStatement("SELECT \"name\", NULLIF(\"offset_secs\", '') AS \"offset_secs\", \"class\", \"note\" FROM \"zones\" WHERE \"name\" = ?1")) {
                statement.setObject(1, value);
                return readZones(statement);
            }
        }

        private static List<ZonesZones> readZones(PreparedStatement statement) throws SQLException {
            List<ZonesZones> found = new ArrayList<>();
            try (ResultSet rows = statement.executeQuery()) {
                while (rows.next()) {
                    found.add(new ZonesZones(
                    rows.getString(1),
                    rows.getObject(2) == null ? null : rows.getLong(2),
                    rows.getString(3),
                    rows.getObject(4)));
                }
            }
            return found;
        }
    }

    /** The dataset "plain": open it once, outside the handler. */
    public static final class Plain {
        private final Reader reader;

        public Plain(PlacesLayer layer) throws IOException {
            this.reader = new Reader(layer.path("plain").toFile());
        }

        /** Returns what it is read by, for what the contract does not name. */
        public Reader reader() {
            return reader;
        }
    }

    /** Returns the path of the dataset "tools". */
    public Path toolsPath() throws IOException {
        return path("tools");
    }
}
