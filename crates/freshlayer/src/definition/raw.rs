//! The TOML as serde reads it. The doc comments here are the words of `freshlayer schema` and of
//! `layers/README.md`. Unknown keys are the schema's to refuse, so that the rest of a file is judged, too.

mod rollout;

use std::collections::BTreeMap;

use freshlayer_reader::Format;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) use rollout::{
    RawAlarms, RawAlarmsTable, RawDay, RawHook, RawRollout, RawWindow, RawWindows,
};

use super::destinations::{Architecture, ZipStorage};
use crate::limits::Limits;
use crate::schema::Contract;

/// One layer. The file's name is the layer's name.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(title = "freshlayer layer definition")]
pub(super) struct RawLayer {
    /// What the layer is for, in one line.
    pub(super) description: Option<String>,
    /// The datasets that the layer carries; at least one.
    #[schemars(length(min = 1))]
    pub(super) dataset: Vec<RawDataset>,
    /// The bounds of a refresh.
    #[serde(default)]
    pub(super) limits: Limits,
    /// Whether a layer of this name is taken over that has versions which freshlayer did not make: their functions
    /// move, too. Without it such a layer is held. `rollback LAYER --to before` is the way back.
    #[serde(default)]
    pub(super) adopt: bool,
    /// Who looks at each zip before it is published.
    pub(super) scan: Option<RawScan>,
    /// How a new release reaches functions.
    pub(super) rollout: Option<RawRollout>,
    /// AWS: the Regions that the layer is published in and functions are rolled in. Default: the publisher's.
    #[serde(default)]
    #[schemars(inner(regex(pattern = "^[a-z0-9-]{1,32}$")), extend("uniqueItems" = true))]
    pub(super) regions: Vec<String>,
    /// AWS: other accounts whose functions use the layer. Its versions stay in the publisher's account, and
    /// these accounts may use them.
    #[serde(default)]
    pub(super) account: Vec<RawAccount>,
    /// AWS: what each layer version is published with.
    #[serde(default)]
    pub(super) publish: RawPublish,
}

/// Who looks at each zip before it is published: exactly one of `command`, `lambda` and `guardduty`.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct RawScan {
    /// A command of the machine where `freshlayer` runs, with its arguments; the zip's path comes behind them. Exit code 0
    /// lets the zip pass, 1 refuses it, 75 asks to wait; any other is an error, and nothing is published.
    #[serde(default)]
    pub(super) command: Vec<String>,
    /// AWS: a Lambda function, by name or ARN. It is given `layer`, `release`, `bucket`, `key` and `sha256`, and answers
    /// `{"verdict": "proceed" | "abort" | "wait", "reason": "…"}`.
    #[schemars(length(min = 1, max = 170))]
    pub(super) lambda: Option<String>,
    /// AWS: whether GuardDuty's Malware Protection for S3 has to find the zip clean; a person turns it on for the state's
    /// bucket, with tagging.
    #[serde(default)]
    pub(super) guardduty: bool,
    /// The longest that one question may take, in seconds.
    #[serde(default = "scan_timeout_secs")]
    #[schemars(range(min = 1, max = 900))]
    pub(super) timeout_secs: u32,
}

fn scan_timeout_secs() -> u32 {
    300
}

/// Another account whose functions use the layer.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct RawAccount {
    /// Its twelve digits.
    #[schemars(regex(pattern = "^[0-9]{12}$"))]
    pub(super) id: String,
    /// The role there that the publisher assumes; `infra/member.yaml` makes it.
    #[schemars(regex(pattern = "^arn:.*:iam::[0-9]{12}:role/"))]
    pub(super) role_arn: String,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub(super) struct RawPublish {
    /// The data's licence: a text, a name such as `CC-BY-SA-4.0`, or an address; at most 512 characters.
    #[schemars(length(max = 512))]
    pub(super) license: Option<String>,
    /// Lambda runtimes that the layer is listed for, such as `provided.al2023`. Default: all.
    #[schemars(length(max = 15))]
    pub(super) runtimes: Vec<String>,
    /// Processor architectures that the layer is listed for: `x86_64`, `arm64`. Default: both.
    #[schemars(length(max = 2))]
    pub(super) architectures: Vec<Architecture>,
    /// Who keeps the zip: `copy` (Lambda, within its 300 GB per account and Region) or `reference` (the state
    /// bucket; one zip for all Regions, which nothing but `freshlayer prune` may delete, and it does so last).
    pub(super) storage: ZipStorage,
    /// Accounts (twelve digits) and organisations (`o-…`) that may use each version, beside `account`.
    #[schemars(inner(regex(pattern = "^([0-9]{12}|o-[a-z0-9]{10,32})$")))]
    pub(super) readers: Vec<String>,
    /// A signing profile of AWS Signer, of the same name in every Region: each zip is signed before it is published,
    /// for functions whose code signing configuration says `Enforce`. Not together with `reference`.
    /// It holds for releases from then on; `refresh` signs nothing that is published.
    #[schemars(regex(pattern = "^[A-Za-z0-9_]{2,64}$"))]
    pub(super) signing_profile: Option<String>,
}

/// One dataset.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct RawDataset {
    /// The name that the reader is asked for: 1 to 64 of `a-z A-Z 0-9 - _`, unique in the layer.
    #[schemars(regex(pattern = "^[A-Za-z0-9_-]{1,64}$"))]
    pub(super) name: String,
    /// The kind of data: `mmdb`, `sqlite`, `file` (opaque bytes) or `archive` (a tree of files).
    pub(super) format: RawFormat,
    /// Where it lies below `/opt`: its file, or an archive's folder; `.` lets an archive fill `/opt` itself.
    /// Default: `<layer>/<name>`, with `.mmdb` or `.sqlite` behind it for these formats.
    #[schemars(length(min = 1, max = 1024))]
    pub(super) path: Option<String>,
    /// file: whether it can be run (mode 0755), such as `/opt/bootstrap` of a custom runtime. An archive's entries
    /// keep their own bits.
    #[serde(default)]
    pub(super) executable: bool,
    /// Datasets of one group are released together: while the new data of one is not good, or its upstream cannot be
    /// asked, new data of the others waits.
    pub(super) group: Option<String>,
    /// How many days a build may be kept after a newer one replaced it, as its licence says. `prune` and `doctor` name each
    /// release that is kept longer, with the functions that use it, and delete none of them. Default: 30 for GeoLite2 from
    /// MaxMind's own host, else no limit.
    pub(super) replaced_days_max: Option<u32>,
    /// Where it comes from. Exactly one of `https`, `maxmind`, `s3`, `layer` and `file`.
    pub(super) source: RawSource,
    /// What must hold before it is released.
    #[serde(default)]
    pub(super) expect: RawExpect,
    /// mmdb and sqlite: what consumers rely on, per field (`"country.iso_code"`; `[]` is any item of a list) or
    /// `"table.column"`; at most 48 for an mmdb. `freshlayer contract suggest` writes one. With a contract only what it
    /// names makes a new MAJOR data version.
    #[serde(default)]
    pub(super) contract: Contract,
}

/// The kinds of data.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum RawFormat {
    Mmdb,
    Sqlite,
    File,
    Archive,
}

impl From<RawFormat> for Format {
    fn from(raw: RawFormat) -> Self {
        match raw {
            RawFormat::Mmdb => Self::Mmdb,
            RawFormat::Sqlite => Self::Sqlite,
            RawFormat::File => Self::File,
            RawFormat::Archive => Self::Archive,
        }
    }
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub(super) struct RawSource {
    /// An address. `${VAR}` and `${VAR:-default}` are filled in from the environment; a user and password
    /// (`https://${USER}:${PASSWORD}@example.org`) are sent to that host only.
    #[schemars(regex(pattern = "^(https?://|[^:/]*[$][{])"))]
    pub(super) https: Option<String>,
    /// https: other addresses of the same file, asked in this order where the first one cannot be reached or lacks it.
    #[schemars(inner(regex(pattern = "^(https?://|[^:/]*[$][{])")))]
    pub(super) mirrors: Option<Vec<String>>,
    /// https: headers that are sent to the host of the address and to no other: a text, or a secret
    /// (`${VAR}`, `file:PATH`, `secretsmanager:ID`, `secretsmanager:ID#KEY`, `ssm:NAME`).
    pub(super) headers: Option<BTreeMap<String, String>>,
    /// https: a secret that is sent as `Authorization: Bearer`.
    pub(super) bearer: Option<String>,
    /// https: user and password of Basic authentication.
    pub(super) basic: Option<RawBasic>,
    /// https: a public key of minisign, as it stands in `minisign.pub`: the download must be signed by it.
    #[schemars(regex(pattern = "^RW[A-Za-z0-9+/]{54}$"))]
    pub(super) minisign_key: Option<String>,
    /// https: the address of the signature. Variables are filled in. Default: the address with `.minisig` behind it.
    #[schemars(regex(pattern = "^(https?://|[^:/]*[$][{])"))]
    pub(super) signature_url: Option<String>,
    /// A MaxMind edition, such as `GeoLite2-City`. The account comes from the environment.
    pub(super) maxmind: Option<String>,
    /// An object of Amazon S3: `s3://BUCKET/KEY`. Variables are filled in.
    #[schemars(regex(pattern = "^s3://[^/]+/.+$"))]
    pub(super) s3: Option<String>,
    /// s3: the bucket's Region. Default: ours.
    #[schemars(regex(pattern = "^[a-z0-9-]{1,32}$"))]
    pub(super) region: Option<String>,
    /// The ARN of a layer, of any account: its newest version, or the one that the ARN names.
    #[schemars(regex(
        pattern = "^arn:[^:]+:lambda:[a-z0-9-]{1,32}:[0-9]{12}:layer:[A-Za-z0-9_-]+(:[1-9][0-9]{0,17})?$"
    ))]
    pub(super) layer: Option<String>,
    /// A file of this machine, or for an archive a folder, which is packaged with its executable bits; a relative
    /// path starts at the definition's folder. Variables are filled in.
    pub(super) file: Option<String>,
    /// Scheme and host of the MaxMind service. Variables are filled in. Default:
    /// `https://updates.maxmind.com`.
    #[schemars(regex(pattern = "^(https?://|[^:/]*[$][{])"))]
    pub(super) host: Option<String>,
    /// Whether plain `http` may leave this machine: `loopback` (it may not) or `anywhere`.
    pub(super) plain_http: PlainHttp,
    /// The SHA-256 of the download, 64 hex digits. The definition then names one build.
    #[schemars(regex(pattern = "^[0-9A-Fa-f]{64}$"))]
    pub(super) sha256: Option<String>,
    /// The address of a SHA-256 beside the data: `<hex>` or lines of `<hex>  <file name>`. Variables are
    /// filled in.
    #[schemars(regex(pattern = "^(https?://|[^:/]*[$][{])"))]
    pub(super) sha256_url: Option<String>,
    /// Globs over the paths inside a tar or zip: the one file of a dataset, or the entries of an archive.
    /// Default: the edition's mmdb for `maxmind`, everything else whole. A `file` dataset is unpacked only
    /// where this is set.
    pub(super) select: Vec<String>,
    /// Archives: how many leading parts of each entry's path are dropped, as tar's option does.
    pub(super) strip_components: usize,
}

/// User and password of Basic authentication.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct RawBasic {
    /// The user: a text, or a secret.
    #[schemars(length(min = 1))]
    pub(super) user: String,
    /// The password: a secret.
    pub(super) password: String,
}

/// Whether plain `http` may leave this machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PlainHttp {
    #[default]
    #[doc(hidden)]
    Loopback,
    #[doc(hidden)]
    Anywhere,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub(super) struct RawExpect {
    /// Smallest size after unpacking, in bytes. An empty dataset is always refused.
    pub(super) size_bytes_min: u64,
    /// Largest size after unpacking, in bytes. Default: `limits.unpacked_bytes_max`.
    pub(super) size_bytes_max: Option<u64>,
    /// Largest change against the live release, in percent: of the size, and of the number of nodes and
    /// records (mmdb), of rows in all tables together (sqlite) or of entries (archive). A larger change is
    /// refused; one of more than half of it gives a warning.
    pub(super) drift_percent_max: u32,
    /// What to do with an older upstream build than the live one: `reject` or `accept`.
    pub(super) older_build: OlderBuild,
    /// Age of an upstream build, in days before now, from which on it gives a warning; the build is still taken. Default:
    /// 8 for GeoLite2 from MaxMind's own host, else none.
    pub(super) build_age_days_warn: Option<u32>,
    /// Age of an upstream build, in days before now, beyond which it is refused. Default: 15 for GeoLite2 from MaxMind's own host, else any.
    pub(super) build_age_days_max: Option<u32>,
    /// How old a build has to be before it is released, in hours by its own build time, else by `Last-Modified`, else
    /// since it was first seen; `refresh --now` does not wait. Default: 24 for GeoLite2-City and GeoLite2-Country from
    /// MaxMind's own host, else 0.
    pub(super) min_age_hours: Option<u32>,
    /// mmdb: the `database_type` of its metadata. Default: any.
    pub(super) database_type: Option<String>,
    /// mmdb: smallest number of nodes in the search tree.
    pub(super) nodes_min: u64,
    /// mmdb and sqlite: questions with known answers.
    pub(super) probes: Vec<RawProbe>,
    /// sqlite: the tables that must be there, each with the columns that it must have.
    pub(super) tables: BTreeMap<String, Vec<String>>,
    /// sqlite: the smallest number of rows per table.
    pub(super) rows_min: BTreeMap<String, u64>,
    /// sqlite: the triggers, views and virtual tables that may be there, by name; `*` stands for any letters. Others are
    /// refused: they run statements or code of the upstream's choice.
    pub(super) objects: Vec<String>,
    /// file: the first bytes, as hex digits.
    #[schemars(regex(pattern = "^( *[0-9A-Fa-f] *[0-9A-Fa-f])+ *$"))]
    pub(super) magic: Option<String>,
    /// archive: paths below the dataset's folder that must be there.
    #[schemars(inner(length(min = 1, max = 1024)))]
    pub(super) entries: Vec<String>,
    /// archive: paths below the dataset's folder that must be there and can be run.
    #[schemars(inner(length(min = 1, max = 1024)))]
    pub(super) executables: Vec<String>,
}

impl Default for RawExpect {
    fn default() -> Self {
        Self {
            size_bytes_min: 1,
            size_bytes_max: None,
            drift_percent_max: 30,
            older_build: OlderBuild::Reject,
            build_age_days_warn: None,
            build_age_days_max: None,
            min_age_hours: None,
            database_type: None,
            nodes_min: 1,
            probes: Vec::new(),
            tables: BTreeMap::new(),
            rows_min: BTreeMap::new(),
            objects: Vec::new(),
            magic: None,
            entries: Vec::new(),
            executables: Vec::new(),
        }
    }
}

/// What to do with an older build than the live one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OlderBuild {
    #[doc(hidden)]
    Reject,
    #[doc(hidden)]
    Accept,
}

/// A question with a known answer.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub(super) struct RawProbe {
    /// mmdb: the address to look up.
    #[schemars(regex(pattern = "^[0-9A-Fa-f:.]+$"))]
    pub(super) ip: Option<String>,
    /// mmdb: the field of the record, its parts joined by dots; numbers count list items from 0. Default:
    /// the whole record.
    pub(super) path: Option<String>,
    /// sqlite: one query; its first column of its first row is the answer.
    pub(super) query: Option<String>,
    /// The answer. Default: any answer but none.
    pub(super) equals: Option<serde_json::Value>,
}
