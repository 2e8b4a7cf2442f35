use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Every bound of a refresh. Nothing that comes from outside is unbounded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct Limits {
    /// Largest body that is downloaded, in bytes. Twice the largest layer, so that a badly compressed one
    /// still passes.
    pub download_bytes_max: u64,
    /// Largest dataset after unpacking, in bytes. Lambda's own limit for a function with its layers.
    #[schemars(range(max = LAYER_BYTES_MAX))]
    pub unpacked_bytes_max: u64,
    /// Largest ratio of unpacked to downloaded bytes. Deflate cannot exceed 1,032; real data stays under 40.
    pub expansion_ratio_max: u64,
    /// Most entries of an archive. A zip without 64-bit extensions holds 65,535.
    pub entries_max: u64,
    /// Longest time for one download with its retries, in seconds. Lambda ends a publisher at 900.
    pub download_secs_max: u64,
    /// Most downloads of this layer from MaxMind in one day (UTC). MaxMind counts per account: a free account has 30
    /// for all its layers and machines.
    pub maxmind_downloads_per_day: u32,
    /// Slowest average speed of a download, in bytes per second, judged over `stall_secs_max`.
    pub throughput_bytes_per_sec_min: u64,
    /// Longest time below the slowest speed, or without an answer, in seconds.
    pub stall_secs_max: u64,
    /// Most redirects that are followed.
    pub redirects_max: u32,
    /// Most tries of one request, the first one included.
    #[schemars(range(min = 1))]
    pub tries_max: u32,
    /// Most values that are decoded to prove one mmdb, per core. A GeoLite2-City has under 4,000,000.
    pub decoded_values_max: u64,
    /// Longest time for the probe queries and checks of one SQLite file, in seconds.
    pub sqlite_secs_max: u64,
}

/// Lambda's limit for a function's code with all its layers, unzipped: 250 × 1024 × 1024 bytes.
/// Source: AWS Lambda quotas; the service's own error text names the number.
pub const LAYER_BYTES_MAX: u64 = 262_144_000;

impl Default for Limits {
    fn default() -> Self {
        Self {
            download_bytes_max: 2 * LAYER_BYTES_MAX,
            unpacked_bytes_max: LAYER_BYTES_MAX,
            expansion_ratio_max: 200,
            entries_max: 65_000,
            download_secs_max: 600,
            maxmind_downloads_per_day: 10,
            throughput_bytes_per_sec_min: 10_240,
            stall_secs_max: 30,
            redirects_max: 5,
            tries_max: 4,
            decoded_values_max: 100_000_000,
            sqlite_secs_max: 120,
        }
    }
}
