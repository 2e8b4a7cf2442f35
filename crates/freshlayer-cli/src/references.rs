//! How people name layers and functions on the command line.

use std::fmt;

use freshlayer::ports::FunctionName;
use freshlayer::{LayerName, LayerVersionArn};
use freshlayer_local::FolderRegistry;

use crate::arguments::Target;
use crate::output::Stopped;
use crate::wiring::Host;

/// One layer, and which version of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LayerReference {
    /// `NAME`: its current release.
    Current(LayerName),
    /// `NAME:VERSION`.
    Version(LayerName, u64),
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
        let number = version.parse::<u64>().ok().filter(|number| *number > 0);
        let number = number.ok_or_else(|| {
            Stopped::usage(format!("expected NAME or NAME:VERSION, found {text:?}"))
        })?;
        Ok(Self::Version(layer_name(name)?, number))
    }

    pub(crate) fn parse_all(texts: &[String]) -> Result<Vec<Self>, Stopped> {
        texts.iter().map(|text| Self::parse(text)).collect()
    }

    /// Finds the layer version on the host that the command works on.
    pub(crate) async fn layer_version(&self, host: &Host) -> Result<LayerVersionArn, Stopped> {
        let layer = match self {
            Self::Arn(arn) => return Ok(arn.clone()),
            Self::Version(layer, number) => return Ok(FolderRegistry::arn(layer, *number)),
            Self::Current(layer) => layer,
        };
        let engine = host.engine().await?;
        let session = engine.session(layer).await.map_err(Stopped::from)?;
        let head = session.head();
        let home = engine.home().await;
        let version = head.desired().and_then(|seq| head.version(seq, home.registry.region()));
        version.cloned().ok_or_else(|| {
            Stopped::usage(format!(
                "layer `{layer}` has no version yet: run `freshlayer refresh {layer}` first"
            ))
        })
    }
}

impl fmt::Display for LayerReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Current(layer) => write!(f, "{layer}"),
            Self::Version(layer, number) => write!(f, "{layer}:{number}"),
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
    #[cfg_attr(
        not(feature = "aws"),
        expect(clippy::unused_async, reason = "the local host needs no waiting")
    )]
    pub(crate) async fn layers(&self, host: &Host) -> Result<Vec<LayerReference>, Stopped> {
        match host.target {
            Target::Local => {
                let found = host.fleet().layers_of(&self.name, self.alias.as_deref());
                let found = found.map_err(|error| Stopped::failed(error.to_string()))?;
                Ok(found.into_iter().map(LayerReference::Arn).collect())
            }
            #[cfg(feature = "aws")]
            Target::Aws => {
                let fleet = host.aws().await?.fleet(freshlayer_aws::Glance::Never);
                let found = fleet.layers_of(&self.name, self.alias.as_deref()).await;
                let found = found.map_err(|fault| Stopped::failed(fault.to_string()))?;
                found.iter().map(|arn| LayerReference::parse(arn)).collect()
            }
        }
    }
}

pub(crate) fn layer_name(text: &str) -> Result<LayerName, Stopped> {
    LayerName::parse(text).map_err(|error| Stopped::usage(format!("layer name: {error}")))
}

pub(crate) fn function_name(text: &str) -> Result<FunctionName, Stopped> {
    FunctionName::parse(text).map_err(|error| Stopped::usage(format!("function name: {error}")))
}
