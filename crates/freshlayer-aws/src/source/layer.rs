use freshlayer::definition::{Select, SourceSpec};
use freshlayer::ports::{ExpectedChecksum, Fetch, Registry as _, Request, SourceError, Validators};
use freshlayer::{LayerVersionArn, RegionName};

use super::{AwsSource, Remedies, refused};
use crate::LambdaRegistry;

const REMEDIES: Remedies<'static> = &[(
    &["AccessDeniedException", "HTTP 403"],
    "its versions may not be listed: allow lambda:ListLayerVersions on it, or name a version",
)];

impl AwsSource {
    /// Fetches the zip of a layer version, where it is another one than the caller knows. A version never changes.
    pub(super) async fn layer(
        &self,
        request: &Request<'_>,
        layer: &str,
        version: Option<u64>,
    ) -> Result<Fetch, SourceError> {
        let url = request.source.origin.to_string();
        let region = layer.split(':').nth(3).unwrap_or_default();
        let region = RegionName::parse(region).map_err(SourceError::Setup)?;
        let registry = self.aws.in_region(&region).registry();
        let arn = match version {
            Some(version) => {
                LayerVersionArn::parse(&format!("{layer}:{version}")).map_err(SourceError::Setup)?
            }
            None => newest(&registry, layer).await?,
        };
        let build = Some(arn.to_string());
        if request.known.is_some_and(|known| known.build == build) {
            return Ok(Fetch::Unchanged);
        }
        let refusal = |reason: String| SourceError::Refused { url: url.clone(), reason };
        let located = registry.locate(&arn).await.map_err(|fault| {
            refusal(format!("{fault}; allow lambda:GetLayerVersion on {arn}, on both sides"))
        })?;
        let located = located.ok_or_else(|| refusal(format!("{arn} does not exist")))?;
        let source =
            SourceSpec { origin: located.origin, checksum: None, select: Select::default() };
        let zip = Request { source: &source, known: None, passed_over: 0, limits: request.limits };
        let mut fetched = self.download.fetch(zip).await?;
        if let Fetch::Body(body) = &mut fetched {
            body.validators = Validators { build, ..Validators::default() };
            body.checksums = vec![ExpectedChecksum::TransferSha256(located.sha256)];
        }
        Ok(fetched)
    }
}

async fn newest(registry: &LambdaRegistry, layer: &str) -> Result<LayerVersionArn, SourceError> {
    let newest = registry.newest(layer).await;
    let newest = newest.map_err(|fault| refused(layer, &fault, REMEDIES))?;
    newest.ok_or_else(|| {
        let reason = "it has no version that this account may see".to_owned();
        SourceError::Refused { url: layer.to_owned(), reason }
    })
}
