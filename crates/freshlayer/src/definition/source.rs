//! Where a dataset comes from, and what is taken of it.

use std::fmt;
use std::path::PathBuf;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use url::{Host, Url};

use super::raw::PlainHttp;
use super::secret::SecretRef;
use crate::names::{Digest, RegionName};

/// Where a dataset comes from, and how to take it out of what comes.
#[derive(Debug, Clone)]
pub struct SourceSpec {
    /// The upstream.
    pub origin: Origin,
    /// The checksum of the download that must match, if the definition names one.
    pub checksum: Option<ChecksumSpec>,
    /// Which entries of a container are taken.
    pub select: Select,
}

/// An upstream.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "there is one per dataset")]
pub enum Origin {
    /// An HTTP address.
    Https(HttpsSource),
    /// A database of MaxMind, by its download protocol.
    Maxmind {
        /// The edition, such as `GeoLite2-City`.
        edition: String,
        /// Scheme and host of the service.
        host: SourceUrl,
    },
    /// An object of Amazon S3.
    S3 {
        /// The bucket.
        bucket: String,
        /// The object's key.
        key: String,
        /// The bucket's Region, where it is not ours.
        region: Option<RegionName>,
    },
    /// A layer of AWS Lambda, of any account.
    Layer {
        /// Its ARN, without a version.
        layer: String,
        /// The version; the newest one where none is named.
        version: Option<u64>,
    },
    /// A file or a folder of this machine.
    File {
        /// The absolute path.
        path: PathBuf,
    },
}

/// MaxMind's own service.
pub(super) const MAXMIND_HOST: &str = "https://updates.maxmind.com";
/// Editions that MaxMind has taken back within a day of their release, and how long one waits for that, in hours.
const SETTLING_EDITIONS: [&str; 2] = ["GeoLite2-City", "GeoLite2-Country"];
const SETTLING_HOURS: u32 = 24;
/// Editions that come at least once a week, and the ages in days at which one asks why.
const WEEKLY_EDITIONS: &str = "GeoLite2-";
const LATE_DAYS: u32 = 8;
const STOPPED_DAYS: u32 = 15;
/// Within how many days of a newer build an older one has to be destroyed. Source: `GeoLite2`'s end user licence.
const REPLACED_DAYS: u32 = 30;

/// How old a build of an upstream may be, where the definition does not say.
#[derive(Default)]
pub(super) struct Ages {
    pub(super) min_hours: u32,
    pub(super) warn_days: Option<u32>,
    pub(super) max_days: Option<u32>,
    pub(super) replaced_days: Option<u32>,
}

impl Origin {
    /// Returns how old a build of this upstream may be, where the definition does not say.
    pub(super) fn ages(&self) -> Ages {
        let Self::Maxmind { edition, host } = self else { return Ages::default() };
        if host.to_string() != MAXMIND_HOST || !edition.starts_with(WEEKLY_EDITIONS) {
            return Ages::default();
        }
        let settles = SETTLING_EDITIONS.contains(&&edition[..]);
        let min_hours = if settles { SETTLING_HOURS } else { 0 };
        Ages {
            min_hours,
            warn_days: Some(LATE_DAYS),
            max_days: Some(STOPPED_DAYS),
            replaced_days: Some(REPLACED_DAYS),
        }
    }
}

/// Names the upstream for people.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Https(source) => write!(f, "{}", source.url),
            Self::Maxmind { edition, host } => write!(f, "{host} {edition}"),
            Self::S3 { bucket, key, .. } => write!(f, "s3://{bucket}/{key}"),
            Self::Layer { layer, version: None } => f.write_str(layer),
            Self::Layer { layer, version: Some(version) } => write!(f, "{layer}:{version}"),
            Self::File { path } => write!(f, "{}", path.display()),
        }
    }
}

/// A file at an HTTP address, and what it is asked for with.
#[derive(Debug, Clone)]
pub struct HttpsSource {
    /// The address.
    pub url: SourceUrl,
    /// Other addresses of the same file, asked in this order where the first one cannot be reached or lacks it.
    pub mirrors: Vec<SourceUrl>,
    /// What is sent along, to the origin of `url` and to no other.
    pub headers: RequestHeaders,
    /// Who has to have signed it, if the definition says.
    pub signature: Option<SignatureSpec>,
    /// Whether plain `http` may leave this machine.
    pub plain_http: PlainHttp,
}

/// A signature of minisign that the download must have.
#[derive(Debug, Clone)]
pub struct SignatureSpec {
    /// The public key, in base64.
    pub key: String,
    /// Where the signature is; `<address>.minisig` where the definition names no place.
    pub url: Option<SourceUrl>,
}

impl HttpsSource {
    /// A file at one address, which wants no headers.
    pub fn plain(url: SourceUrl) -> Self {
        Self {
            url,
            mirrors: Vec::new(),
            headers: RequestHeaders::default(),
            signature: None,
            plain_http: PlainHttp::Loopback,
        }
    }
}

/// Headers of a request, with secrets by reference.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestHeaders {
    /// Name and value, sorted by name.
    pub named: Vec<(String, HeaderText)>,
    /// What `Authorization` is made of.
    pub authorization: Option<Authorization>,
}

/// A value that is written out, or a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderText {
    /// Stands in the definition.
    Written(String),
    /// Is read when it is sent.
    Secret(SecretRef),
}

impl fmt::Display for HeaderText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Written(text) => f.write_str(text),
            Self::Secret(reference) => reference.fmt(f),
        }
    }
}

/// How a request is authorised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authorization {
    /// `Bearer`, with a token.
    Bearer(SecretRef),
    /// `Basic`, with a user and a password.
    Basic {
        /// The user.
        user: HeaderText,
        /// The password.
        password: SecretRef,
    },
}

/// Where the expected SHA-256 of a download stands.
#[derive(Debug, Clone)]
pub enum ChecksumSpec {
    /// In the definition.
    Sha256(Digest),
    /// At an address beside the data: `<hex>` or lines of `<hex>  <file name>`.
    Sha256Url(SourceUrl),
}

/// An address, with its variables filled in for the request and left as they stand for people.
///
/// A variable may hold a secret, so `Debug` and `Display` show the text of the definition.
#[derive(Clone, PartialEq, Eq)]
pub struct SourceUrl {
    template: String,
    url: Url,
}

/// Shorter words are no secrets, and stand in any text.
const HIDDEN_BYTES_MIN: usize = 6;

impl SourceUrl {
    /// Makes an address that people see as the template.
    pub fn new(template: &str, url: Url) -> Self {
        Self { template: template.to_owned(), url }
    }

    /// Returns the address to request. It may hold a secret: it goes to the client and nowhere else.
    pub fn expose(&self) -> &Url {
        &self.url
    }

    /// Tells whether a text repeats a part of the address that people do not see.
    pub fn is_repeated_in(&self, text: &str) -> bool {
        let is_word = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
        let words = self.url.as_str().split(|letter| !is_word(letter));
        let mut hidden =
            words.filter(|word| word.len() >= HIDDEN_BYTES_MIN && !self.template.contains(word));
        hidden.any(|word| text.contains(word))
    }
}

impl fmt::Display for SourceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.template)
    }
}

impl fmt::Debug for SourceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.template)
    }
}

/// Tells whether an address stays on this machine.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Which entries of a container are taken, and where they land.
#[derive(Debug, Clone, Default)]
pub struct Select {
    /// Which paths.
    pub globs: Globs,
    /// How many leading parts of an entry's path are dropped (archives).
    pub strip_components: usize,
}

/// Globs over the paths of entries, compiled once. None means all.
#[derive(Debug, Clone, Default)]
pub struct Globs {
    patterns: Vec<String>,
    set: GlobSet,
}

impl Globs {
    /// Compiles globs; `*` matches no `/`.
    ///
    /// # Errors
    /// A sentence for each glob that is none.
    pub fn parse(patterns: Vec<String>) -> Result<Self, Vec<String>> {
        let (mut builder, mut faults) = (GlobSetBuilder::new(), Vec::new());
        for pattern in &patterns {
            match GlobBuilder::new(pattern).literal_separator(true).build() {
                Ok(glob) => drop(builder.add(glob)),
                Err(error) => faults.push(error.to_string()),
            }
        }
        let set = builder.build().map_err(|error| vec![error.to_string()]);
        match (set, faults.is_empty()) {
            (Ok(set), true) => Ok(Self { patterns, set }),
            (Err(fault), true) => Err(fault),
            (_, false) => Err(faults),
        }
    }

    /// Tells whether an entry's path is taken.
    pub fn is_match(&self, path: &str) -> bool {
        self.patterns.is_empty() || self.set.is_match(path)
    }

    /// Tells whether everything is taken.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Returns the globs as the definition writes them.
    pub fn patterns(&self) -> &[String] {
        &self.patterns
    }
}
