// The layer `places`, as its definition promises it.
//
// `freshlayer codegen places --language csharp` writes this file: change the definition instead.
// It needs .NET 8, MaxMind.Db 5 and Microsoft.Data.Sqlite.

#nullable enable

using System;
using System.Collections.Generic;
using System.IO;
using System.Net;
using System.Numerics;
using System.Text.Json;
using MaxMind.Db;
using Microsoft.Data.Sqlite;

namespace Freshlayer.Layers.Places;

/// <summary>The layer under /opt, or under the folder that FRESHLAYER_ROOT names.</summary>
public sealed class Layer
{
    private readonly string _root;
    private readonly JsonElement _manifest;

    /// <summary>Opens the layer: once, outside the handler.</summary>
    public Layer(string? root = null)
    {
        var variable = Environment.GetEnvironmentVariable("FRESHLAYER_ROOT");
        _root = root ?? (string.IsNullOrEmpty(variable) ? "/opt" : variable);
        var file = Path.Combine(_root, "freshlayer", "places" + ".json");
        using var document = JsonDocument.Parse(File.ReadAllText(file));
        _manifest = document.RootElement.Clone();
        var format = _manifest.GetProperty("format").GetInt32();
        if (format != 1) throw new InvalidDataException($"read {file}: expected format 1, found {format}");
    }

    /// <summary>The release's number.</summary>
    public long Release => _manifest.GetProperty("release").GetInt64();

    /// <summary>The data version.</summary>
    public string Version => _manifest.GetProperty("version").GetString()!;

    /// <summary>Returns the path of a dataset: its file, or an archive's folder.</summary>
    public string PathOf(string dataset)
    {
        foreach (var each in _manifest.GetProperty("datasets").EnumerateArray())
        {
            if (each.GetProperty("name").GetString() == dataset)
                return Path.Combine(_root, each.GetProperty("path").GetString()!);
        }
        throw new InvalidDataException($"the layer has no dataset {dataset}");
    }

    /// <summary>Returns the build time of the oldest dataset, or its download time if the upstream states none.</summary>
    public DateTimeOffset Built()
    {
        var oldest = long.MaxValue;
        foreach (var each in _manifest.GetProperty("datasets").EnumerateArray())
        {
            var time = each.TryGetProperty("built_unix_secs", out var built) ? built : each.GetProperty("fetched_unix_secs");
            oldest = Math.Min(oldest, time.GetInt64());
        }
        return DateTimeOffset.FromUnixTimeSeconds(oldest);
    }

    /// <summary>Returns the age of the oldest dataset now.</summary>
    public TimeSpan Age()
    {
        var age = DateTimeOffset.UtcNow - Built();
        return age > TimeSpan.Zero ? age : TimeSpan.Zero;
    }

    /// <summary>Returns a log line with the age of the data, for CloudWatch: print it in the handler, at most once an hour.</summary>
    public string MetricLine()
    {
        var metric = new { Name = "ServedDataAgeDays", Unit = "None" };
        var directive = new { Namespace = "freshlayer", Dimensions = new[] { new[] { "Layer" } }, Metrics = new[] { metric } };
        var emf = new { Timestamp = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds(), CloudWatchMetrics = new[] { directive } };
        var days = Age().TotalDays;
        return JsonSerializer.Serialize(new { _aws = emf, Layer = "places", Version, ServedDataAgeDays = days });
    }
}

/// <summary>The object `city.names`, as far as the contract names it.</summary>
public sealed class CityCityNames
{
    /// <summary>`city.names.en`; at most 50.00 % of the networks lack it.</summary>
    [MapKey("en")]
    public string? En { get; init; }
}

/// <summary>The object `city`, as far as the contract names it.</summary>
public sealed class CityCity
{
    /// <summary>`city.geoname_id`; it may be absent.</summary>
    [MapKey("geoname_id")]
    public long? GeonameId { get; init; }
    /// <summary>`city.names`; it may be absent.</summary>
    [MapKey("names")]
    public CityCityNames? Names { get; init; }
}

/// <summary>The object `continent`, as far as the contract names it.</summary>
public sealed class CityContinent
{
    /// <summary>`continent.code`; it may be absent.</summary>
    [MapKey("code")]
    public string? Code { get; init; }
}

/// <summary>The object `country.names`, as far as the contract names it.</summary>
public sealed class CityCountryNames
{
    /// <summary>`country.names.zh-CN`; it may be absent.</summary>
    [MapKey("zh-CN")]
    public string? ZhCn { get; init; }
}

/// <summary>The object `country`, as far as the contract names it.</summary>
public sealed class CityCountry
{
    /// <summary>`country.is_in_european_union`; it is there only when it is true.</summary>
    [MapKey("is_in_european_union")]
    public bool IsInEuropeanUnion { get; init; }
    /// <summary>`country.iso_code`; all networks have it.</summary>
    [MapKey("iso_code")]
    public string IsoCode { get; init; } = null!;
    /// <summary>`country.names`; it may be absent.</summary>
    [MapKey("names")]
    public CityCountryNames? Names { get; init; }
}

/// <summary>The object `location`, as far as the contract names it.</summary>
public sealed class CityLocation
{
    /// <summary>`location.accuracy_radius`; it may be absent.</summary>
    [MapKey("accuracy_radius")]
    public int? AccuracyRadius { get; init; }
    /// <summary>`location.latitude`; at most 5.00 % of the networks lack it.</summary>
    [MapKey("latitude")]
    public double? Latitude { get; init; }
    /// <summary>`location.longitude`; at most 5.00 % of the networks lack it.</summary>
    [MapKey("longitude")]
    public double? Longitude { get; init; }
    /// <summary>`location.time_zone`; it may be absent.</summary>
    [MapKey("time_zone")]
    public string? TimeZone { get; init; }
}

/// <summary>The object `postal`, as far as the contract names it.</summary>
public sealed class CityPostal
{
    /// <summary>`postal.code`; it may be absent.</summary>
    [MapKey("code")]
    public string? Code { get; init; }
}

/// <summary>The object `registered_country`, as far as the contract names it.</summary>
public sealed class CityRegisteredCountry
{
    /// <summary>`registered_country.iso_code`; it may be absent.</summary>
    [MapKey("iso_code")]
    public string? IsoCode { get; init; }
}

/// <summary>The object `represented_country`, as far as the contract names it.</summary>
public sealed class CityRepresentedCountry
{
    /// <summary>`represented_country.iso_code`; it may be absent.</summary>
    [MapKey("iso_code")]
    public string? IsoCode { get; init; }
}

/// <summary>The object `subdivisions`, as far as the contract names it.</summary>
public sealed class CitySubdivisions
{
    /// <summary>`subdivisions[].iso_code`; it may be absent.</summary>
    [MapKey("iso_code")]
    public string? IsoCode { get; init; }
}

/// <summary>One record, as far as the contract names it.</summary>
public sealed class CityRecord
{
    /// <summary>`city`; it may be absent.</summary>
    [MapKey("city")]
    public CityCity? City { get; init; }
    /// <summary>`continent`; it may be absent.</summary>
    [MapKey("continent")]
    public CityContinent? Continent { get; init; }
    /// <summary>`country`; all networks have it.</summary>
    [MapKey("country")]
    public CityCountry Country { get; init; } = null!;
    /// <summary>`location`; it may be absent.</summary>
    [MapKey("location")]
    public CityLocation? Location { get; init; }
    /// <summary>`postal`; it may be absent.</summary>
    [MapKey("postal")]
    public CityPostal? Postal { get; init; }
    /// <summary>`registered_country`; it may be absent.</summary>
    [MapKey("registered_country")]
    public CityRegisteredCountry? RegisteredCountry { get; init; }
    /// <summary>`represented_country`; it may be absent.</summary>
    [MapKey("represented_country")]
    public CityRepresentedCountry? RepresentedCountry { get; init; }
    /// <summary>`subdivisions`; it may be absent.</summary>
    [MapKey("subdivisions")]
    public List<CitySubdivisions>? Subdivisions { get; init; }
}

/// <summary>The dataset "city": open it once, outside the handler.</summary>
public sealed class City
{
    public City(Layer layer) => Opened = new Reader(layer.PathOf("city"));

    /// <summary>What it is read by, for what the contract does not name.</summary>
    public Reader Opened { get; }

    /// <summary>Looks an address up; null where the database does not know it.</summary>
    public CityRecord? Lookup(IPAddress ip) => Opened.Find<CityRecord>(ip);
}

/// <summary>The object `routes`, as far as the contract names it.</summary>
public sealed class NetworkRoutes
{
    /// <summary>`routes[].asn`; it may be absent.</summary>
    [MapKey("asn")]
    public long? Asn { get; init; }
    /// <summary>`routes[].peers`; it may be absent.</summary>
    [MapKey("peers")]
    public List<string>? Peers { get; init; }
}

/// <summary>One record, as far as the contract names it.</summary>
public sealed class NetworkRecord
{
    /// <summary>`address count`; it may be absent.</summary>
    [MapKey("address count")]
    public BigInteger? AddressCount { get; init; }
    /// <summary>`key`; it may be absent.</summary>
    [MapKey("key")]
    public byte[]? Key { get; init; }
    /// <summary>`routes`; it may be absent.</summary>
    [MapKey("routes")]
    public List<NetworkRoutes>? Routes { get; init; }
    /// <summary>`score`; it may be absent.</summary>
    [MapKey("score")]
    public object? Score { get; init; }
    /// <summary>`tags`; it may be absent.</summary>
    [MapKey("tags")]
    public List<object>? Tags { get; init; }
    /// <summary>`type`; it may be absent.</summary>
    [MapKey("type")]
    public string? Type { get; init; }
}

/// <summary>The dataset "network": open it once, outside the handler.</summary>
public sealed class Network
{
    public Network(Layer layer) => Opened = new Reader(layer.PathOf("network"));

    /// <summary>What it is read by, for what the contract does not name.</summary>
    public Reader Opened { get; }

    /// <summary>Looks an address up; null where the database does not know it.</summary>
    public NetworkRecord? Lookup(IPAddress ip) => Opened.Find<NetworkRecord>(ip);
}

/// <summary>A row of the table `zones`, as far as the contract names it.</summary>
public sealed record ZonesZones(
    // `zones.name`; all rows have it.
    string Name,
    // `zones.offset_secs`; it may be absent.
    long? OffsetSecs,
    // `zones.class`; it may be absent.
    string? Class,
    // `zones.note`; it may be absent.
    object? Note);

/// <summary>The dataset "zones": open it once, outside the handler.</summary>
public sealed class Zones
{
    public Zones(Layer layer)
    {
        var address = new Uri(Path.GetFullPath(layer.PathOf("zones"))).AbsoluteUri + "?immutable=1";
        var settings = new SqliteConnectionStringBuilder { DataSource = address, Mode = SqliteOpenMode.ReadOnly };
        Opened = new SqliteConnection(settings.ToString());
        Opened.Open();
    }

    /// <summary>What it is read by, for what the contract does not name.</summary>
    public SqliteConnection Opened { get; }

    /// <summary>Returns all rows.</summary>
    public List<ZonesZones> AllZones() => ReadZones("SELECT \"name\", NULLIF(\"offset_secs\", '') AS \"offset_secs\", \"class\", \"note\" FROM \"zones\"", null);

    /// <summary>Returns the rows with one value in the first column.</summary>
    public List<ZonesZones> FindZonesByName(string value) => ReadZones("SELECT \"name\", NULLIF(\"offset_secs\", '') AS \"offset_secs\", \"class\", \"note\" FROM \"zones\" WHERE \"name\" = ?1", value);

    private List<ZonesZones> ReadZones(string query, object? value)
    {
        using var command = Opened.CreateCommand();
        command.CommandText = query;
        if (value is not null) command.Parameters.AddWithValue("?1", value);
        using var row = command.ExecuteReader();
        var found = new List<ZonesZones>();
        while (row.Read()) found.Add(new ZonesZones(row.GetFieldValue<string>(0), row.IsDBNull(1) ? null : row.GetFieldValue<long>(1), row.IsDBNull(2) ? null : row.GetFieldValue<string>(2), row.IsDBNull(3) ? null : row.GetValue(3)));
        return found;
    }
}

/// <summary>The dataset "plain": open it once, outside the handler.</summary>
public sealed class Plain
{
    public Plain(Layer layer) => Opened = new Reader(layer.PathOf("plain"));

    /// <summary>What it is read by, for what the contract does not name.</summary>
    public Reader Opened { get; }
}

/// <summary>The dataset "tools".</summary>
public static class Tools
{
    /// <summary>Returns its path.</summary>
    public static string PathIn(Layer layer) => layer.PathOf("tools");
}
