//! How people name layers and functions on the command line.

use std::fmt;
use std::str::FromStr;

use freshlayer::ports::FunctionName;
use freshlayer::{HistoryLine, LayerName, LayerVersionArn};
use freshlayer_local::HostError;
use freshlayer_local::{ACCOUNT, FolderRegistry, REGION};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};

use crate::arguments::Target;
use crate::definitions::no_layer;
use crate::output::Stopped;
use crate::wiring::Host;

/// One layer, and which version of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LayerReference {
    /// `NAME`: its current release.
    Current(LayerName),
    /// `NAME:VERSION`.
    Version(LayerName, u64),
    /// `NAME:DATA-VERSION`, such as `geo:1.0.3`.
    Release(LayerName, ReleaseReference),
    /// Any layer version, by its ARN.
    Arn(LayerVersionArn),
}

impl LayerReference {
    pub(crate) fn parse(text: &str) -> Result<Self, Stopped> {
        if text.starts_with("arn:") {
            return LayerVersionArn::parse(text).map(Self::Arn).map_err(Stopped::usage);
        }
        let Some((name, version)) = text.split_once(':') else {
            return Ok(Self::Current(layer_name(text)?));
        };
        match version.parse() {
            Ok(ReleaseReference::Number(number)) if number > 0 => {
                Ok(Self::Version(layer_name(name)?, number))
            }
            Ok(named @ ReleaseReference::DataVersion(_)) => {
                Ok(Self::Release(layer_name(name)?, named))
            }
            _ => Err(Stopped::usage(format!(
                "expected NAME or NAME:VERSION, where VERSION is the number of a layer version or a data version such as \
                 1.0.3, found {text:?}"
            ))),
        }
    }

    pub(crate) fn parse_all(texts: &[String]) -> Result<Vec<Self>, Stopped> {
        texts.iter().map(|text| Self::parse(text)).collect()
    }

    /// Finds the layer version on the local host.
    pub(crate) async fn layer_version(&self, host: &Host) -> Result<LayerVersionArn, Stopped> {
        let (layer, release) = match self {
            Self::Arn(arn) => return own(arn).cloned(),
            Self::Version(layer, number) => return Ok(FolderRegistry::arn(layer, *number)),
            Self::Release(layer, release) => (layer, Some(release.number(host, layer).await?)),
            Self::Current(layer) => (layer, None),
        };
        must_be_known(host, layer).await?;
        let engine = host.engine().await?;
        let session = engine.session(layer).await.map_err(Stopped::from)?;
        let head = session.head();
        let home = engine.home().await;
        let wanted = release.or(head.desired());
        let version = wanted.and_then(|seq| head.version(seq, home.registry.region()));
        version.cloned().ok_or_else(|| {
            Stopped::usage(match release {
                Some(release) => {
                    format!("release {release} of layer `{layer}` has no layer version any more; `freshlayer history {layer}` lists the releases that have one")
                }
                None => format!(
                    "layer `{layer}` has no release yet: run `freshlayer refresh {layer}` first"
                ),
            })
        })
    }
}

/// Refuses the ARN of another host: a layer of the same name here holds other data.
fn own(arn: &LayerVersionArn) -> Result<&LayerVersionArn, Stopped> {
    let own = FolderRegistry::arn(&layer_name(arn.layer_name())?, arn.version());
    if own == *arn {
        return Ok(arn);
    }
    Err(Stopped::usage(format!(
        "{arn} is no layer version of the local host, whose ARNs start with arn:aws:lambda:{REGION}:{ACCOUNT}: name it \
         as {name}:VERSION, or add --target aws",
        name = arn.layer_name()
    )))
}

impl fmt::Display for LayerReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Current(layer) => write!(f, "{layer}"),
            Self::Version(layer, number) => write!(f, "{layer}:{number}"),
            Self::Release(layer, release) => write!(f, "{layer}:{release}"),
            Self::Arn(arn) => write!(f, "{arn}"),
        }
    }
}

/// One function: `NAME`, or `NAME:ALIAS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FunctionReference {
    name: FunctionName,
    alias: Option<String>,
}

impl FunctionReference {
    pub(crate) fn parse(text: &str) -> Result<Self, Stopped> {
        let (name, alias) = match text.split_once(':') {
            Some((name, alias)) => (name, Some(alias.to_owned())),
            None => (text, None),
        };
        Ok(Self { name: function_name(name)?, alias })
    }

    /// Returns the function's layers, in its order.
    pub(crate) async fn layers(&self, host: &Host) -> Result<Vec<LayerReference>, Stopped> {
        let alias = self.alias.as_deref();
        match host.target {
            Target::Local => {
                let found = host.fleet().layers_of(&self.name, alias);
                let found = found.map_err(|error| match error {
                    HostError::NotFound(_) | HostError::Refused(_) => {
                        Stopped::usage(error.to_string())
                    }
                    error => Stopped::failed(error.to_string()),
                })?;
                Ok(found.into_iter().map(LayerReference::Arn).collect())
            }
            Target::Aws => {
                LayerReference::parse_all(&host.deployed_layers(&self.name, alias).await?)
            }
        }
    }
}

/// One release of a layer: by its number, or by its data version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ReleaseReference {
    Number(u64),
    DataVersion(String),
}

impl fmt::Display for ReleaseReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::DataVersion(version) => f.write_str(version),
        }
    }
}

impl FromStr for ReleaseReference {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(number) = text.parse() {
            return Ok(Self::Number(number));
        }
        let parts: Vec<&str> = text.split('.').collect();
        let is_version = parts.len() == 3 && parts.iter().all(|part| part.parse::<u64>().is_ok());
        if is_version {
            Ok(Self::DataVersion(text.to_owned()))
        } else {
            Err("expected a release such as 3, or a data version such as 1.0.3")
        }
    }
}

impl ReleaseReference {
    /// Returns the release's number. A data version must name one release of the layer's history.
    pub(crate) async fn number(&self, host: &Host, layer: &LayerName) -> Result<u64, Stopped> {
        let version = match self {
            Self::Number(number) => return Ok(*number),
            Self::DataVersion(version) => version,
        };
        must_be_known(host, layer).await?;
        let history = freshlayer::history(&host.engine().await?, layer).await?;
        with_data_version(layer, version, &history.releases)
    }
}

/// Finds the one release of a data version; of several, the one that has a layer version.
fn with_data_version(
    layer: &LayerName,
    version: &str,
    history: &[HistoryLine],
) -> Result<u64, Stopped> {
    let releases: Vec<&HistoryLine> =
        history.iter().filter(|line| line.version == version).collect();
    let published = releases.iter().filter(|line| !line.layer_versions.is_empty());
    let published: Vec<u64> = published.map(|line| line.seq).collect();
    match (&published[..], &releases[..]) {
        ([number], _) => Ok(*number),
        ([], [pruned, ..]) => Ok(pruned.seq),
        ([], []) => Err(Stopped::usage(format!(
            "layer `{layer}` has no data version {version}; it has {}",
            listed(history)
        ))),
        _ => Err(Stopped::usage(format!(
            "several releases of layer `{layer}` have data version {version}: name one by its \
             number; it has {}",
            listed(history)
        ))),
    }
}

/// Lists the data versions that have a layer version, each with its release.
fn listed(history: &[HistoryLine]) -> String {
    let published = history.iter().filter(|line| !line.layer_versions.is_empty());
    let known: Vec<String> =
        published.map(|line| format!("{} (release {})", line.version, line.seq)).collect();
    known.join(", ")
}

/// Takes the name of a layer that has a definition, or releases from a time when it had one.
pub(crate) async fn known_layer(host: &Host, text: &str) -> Result<LayerName, Stopped> {
    let layer = layer_name(text)?;
    must_be_known(host, &layer).await?;
    Ok(layer)
}

pub(crate) async fn must_be_known(host: &Host, layer: &LayerName) -> Result<(), Stopped> {
    let is_defined = host.layers.join(format!("{layer}.toml")).exists();
    if is_defined || host.engine().await?.session(layer).await?.head().newest() > 0 {
        return Ok(());
    }
    Err(no_layer(&host.layers, layer))
}

pub(crate) fn layer_name(text: &str) -> Result<LayerName, Stopped> {
    LayerName::parse(text).map_err(|error| Stopped::usage(format!("layer name: {error}")))
}

pub(crate) fn function_name(text: &str) -> Result<FunctionName, Stopped> {
    FunctionName::parse(text).map_err(|error| Stopped::usage(format!("function name: {error}")))
}

/// A moment that a person names: a day in UTC, or a time with its offset.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment(pub(crate) Timestamp);

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let day = || text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok();
        let moment = text.parse().ok().or_else(|| day().map(|day| day.timestamp()));
        let words = "expected a day such as 2026-12-24 or a time such as 2026-12-24T08:00:00Z";
        moment.map(Self).ok_or_else(|| words.to_owned())
    }
}

/// How old something may be, as a person writes it.
#[derive(Debug, Clone)]
pub(crate) struct Age {
    pub(crate) duration: SignedDuration,
    written: String,
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl FromStr for Age {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let span = text.parse::<Span>().ok();
        let duration =
            span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()).ok());
        let duration = duration.filter(|duration| !duration.is_negative());
        let duration = duration.ok_or("expected a duration such as 8d, 36h or 90m")?;
        Ok(Self { duration, written: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use freshlayer::RegionName;
    use jiff::Timestamp;

    use super::*;

    fn release(seq: u64, version: &str, layer_version: Option<u64>) -> HistoryLine {
        let layer = LayerName::parse("geo").expect("a layer name");
        let region = RegionName::parse(REGION).expect("a Region's name");
        let versions = layer_version.map(|number| FolderRegistry::arn(&layer, number));
        HistoryLine {
            seq,
            version: version.to_owned(),
            version_reasons: Vec::new(),
            created: Timestamp::UNIX_EPOCH,
            zip_bytes: 1,
            layer_versions: versions.map(|arn| (region, arn)).into_iter().collect(),
            marks: Vec::new(),
        }
    }

    #[test]
    fn a_data_version_names_the_release_that_has_a_layer_version() {
        let layer = LayerName::parse("geo").expect("a layer name");
        let history = [
            release(4, "1.0.2", Some(3)),
            release(3, "1.0.1", Some(2)),
            release(2, "1.0.1", None),
            release(1, "1.0.0", None),
        ];
        let find = |version| with_data_version(&layer, version, &history).ok();
        assert_eq!([find("1.0.2"), find("1.0.1"), find("1.0.0")], [Some(4), Some(3), Some(1)]);
    }

    #[test]
    fn a_data_version_of_several_releases_is_refused() {
        let layer = LayerName::parse("geo").expect("a layer name");
        let history = [release(2, "1.0.1", Some(2)), release(1, "1.0.1", Some(1))];
        let refused = with_data_version(&layer, "1.0.1", &history).expect_err("two have it");
        let words = format!("{refused:?}");
        assert!(words.contains("1.0.1 (release 2), 1.0.1 (release 1)"), "{words}");
    }
}
