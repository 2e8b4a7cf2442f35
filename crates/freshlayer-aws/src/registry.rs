use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::retry::RetryConfig;
use aws_sdk_lambda::operation::get_layer_version_by_arn::GetLayerVersionByArnOutput;
use aws_sdk_lambda::types::{
    Architecture, LayerVersionContentInput as Content, LayerVersionContentOutput,
    LayerVersionsListItem, Runtime, S3ObjectStorageMode,
};
use aws_smithy_types::base64;
use freshlayer::definition::{self, HttpsSource, Origin, Reader, SourceUrl, ZipStorage};
use freshlayer::ports::{
    Announcement, Key, LayerVersion, ListedVersion, Located, Parameters, Payload, PortError,
    Publication, Registry, Signature, Store as _,
};
use freshlayer::{Digest, LayerName, LayerVersionArn, RegionName};
use url::Url;

use crate::announce::parameters;
use crate::policy::principals;
use crate::sign::Signer;
use crate::{Fault, Pace, S3Store};

/// How often a throttled publish is tried, and how long it waits first; each wait is twice the last.
const THROTTLES_MAX: u32 = 6;
const THROTTLE_WAIT: Duration = Duration::from_millis(500);

/// Layer versions of one account and Region.
pub struct LambdaRegistry {
    pub(crate) client: Client,
    pub(crate) ssm: aws_sdk_ssm::Client,
    pub(crate) signer: Signer,
    pub(crate) pace: Pace,
    pub(crate) zips: Zips,
    pub(crate) region: RegionName,
}

/// Where zips lie that Lambda takes: to copy them it needs them in its Region, to refer to them it does not.
pub(crate) struct Zips {
    pub(crate) here: S3Store,
    pub(crate) home: S3Store,
}

impl Zips {
    fn of(&self, storage: ZipStorage) -> (&S3Store, Option<S3ObjectStorageMode>) {
        match storage {
            ZipStorage::Copy => (&self.here, None),
            ZipStorage::Reference => (&self.home, Some(S3ObjectStorageMode::Reference)),
        }
    }
}

impl LambdaRegistry {
    async fn get(&self, arn: &str) -> Result<Option<GetLayerVersionByArnOutput>, Fault> {
        self.pace.turn().await;
        let asked = self.client.get_layer_version_by_arn().arn(arn).send().await;
        match asked.map_err(Fault::of("GetLayerVersionByArn")) {
            Err(fault) if fault.is("ResourceNotFoundException") => Ok(None),
            found => found.map(Some),
        }
    }

    async fn read(&self, arn: &str) -> Result<Option<LayerVersion>, PortError> {
        let Some(found) = self.get(arn).await? else {
            return Ok(None);
        };
        let version = layer_version(arn, found.description(), found.content())?;
        Ok(Some(self.unsigned(version, found.content()).await?))
    }

    /// Grants one reader the use of one version; a statement that is there already says so in its id.
    async fn grant(&self, arn: &LayerVersionArn, reader: &Reader) -> Result<(), Fault> {
        self.pace.turn().await;
        let (principal, organization) = match reader {
            Reader::Account(id) => (id.to_string(), None),
            Reader::Organization(id) => ("*".to_owned(), Some(id.clone())),
        };
        let added = self
            .client
            .add_layer_version_permission()
            .layer_name(arn.layer_name())
            .version_number(number(arn)?)
            .statement_id(format!("freshlayer-{reader}"))
            .action("lambda:GetLayerVersion")
            .principal(principal)
            .set_organization_id(organization)
            .send()
            .await;
        match added.map_err(Fault::of("AddLayerVersionPermission")) {
            Err(fault) if fault.is("ResourceConflictException") => Ok(()),
            added => added.map(drop),
        }
    }

    /// Names a signed version by the zip that was signed.
    async fn unsigned(
        &self,
        version: LayerVersion,
        content: Option<&LayerVersionContentOutput>,
    ) -> Result<LayerVersion, Fault> {
        let job = content.and_then(LayerVersionContentOutput::signing_job_arn);
        let Some(job) = job.filter(|arn| !arn.is_empty()) else {
            return Ok(version);
        };
        let signed = self.signer.source(job, &self.zips.here).await?;
        Ok(LayerVersion {
            sha256: signed.unwrap_or(version.sha256),
            signature: Signature::Signed,
            ..version
        })
    }

    /// Brings the zip to where Lambda takes it from, and has it signed where it is to be.
    async fn content(&self, publication: &Publication<'_>) -> Result<Content, PortError> {
        let key = Key::blob(publication.sha256);
        let (store, mode) = self.zips.of(publication.terms.storage);
        if !store.has(&key).await? {
            store.create(&key, Payload::File(publication.zip)).await?;
        }
        let key = match &publication.terms.signing_profile {
            Some(profile) => self.signer.sign(profile, store, &key).await?,
            None => key.to_string(),
        };
        let content = Content::builder().s3_bucket(store.bucket()).s3_key(key);
        Ok(content.set_s3_object_storage_mode(mode).build())
    }

    /// Publishes from the bucket.
    ///
    /// The SDK does not try again by itself: a publish whose reply was lost would make a second version.
    async fn publish_from_bucket(
        &self,
        publication: &Publication<'_>,
        content: &Content,
    ) -> Result<LayerVersion, Fault> {
        self.pace.turn().await;
        let terms = publication.terms;
        let runtimes = terms.runtimes.iter().map(|name| Runtime::from(&name[..]));
        let architectures = terms.architectures.iter().copied().map(architecture);
        let once = aws_sdk_lambda::config::Builder::new().retry_config(RetryConfig::disabled());
        let published = self
            .client
            .publish_layer_version()
            .layer_name(publication.layer.as_str())
            .description(publication.description)
            .content(content.clone())
            .set_license_info(terms.license.clone())
            .set_compatible_runtimes(some(runtimes.collect()))
            .set_compatible_architectures(some(architectures.collect()))
            .customize()
            .config_override(once)
            .send()
            .await
            .map_err(Fault::of("PublishLayerVersion"))?;
        let arn = published.layer_version_arn().unwrap_or_default();
        let content = published.content();
        let version = layer_version(arn, published.description(), content)?;
        self.unsigned(version, content).await
    }
}

fn architecture(one: definition::Architecture) -> Architecture {
    match one {
        definition::Architecture::X86 => Architecture::X8664,
        definition::Architecture::Arm => Architecture::Arm64,
    }
}

fn number(arn: &LayerVersionArn) -> Result<i64, Fault> {
    i64::try_from(arn.version()).map_err(|error| Fault::odd("read an ARN", error.to_string()))
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    Some(list).filter(|list| !list.is_empty())
}

impl LambdaRegistry {
    /// Returns the newest version of a layer of any account, by the layer's ARN.
    pub(crate) async fn newest(&self, layer: &str) -> Result<Option<LayerVersionArn>, Fault> {
        self.pace.turn().await;
        let asked = self.client.list_layer_versions().layer_name(layer).max_items(1);
        let found = asked.send().await.map_err(Fault::of("ListLayerVersions"))?;
        let newest = found.layer_versions().first().and_then(listed_version);
        Ok(newest.map(|listed| listed.arn))
    }
}

fn layer_version(
    arn: &str,
    description: Option<&str>,
    content: Option<&LayerVersionContentOutput>,
) -> Result<LayerVersion, Fault> {
    let odd = |problem| Fault::odd("read a layer version", problem);
    let sha256 = content.and_then(LayerVersionContentOutput::code_sha256);
    let sha256 = sha256.ok_or_else(|| odd(format!("{arn} comes without a CodeSha256")))?;
    Ok(LayerVersion {
        arn: LayerVersionArn::parse(arn).map_err(odd)?,
        description: description.unwrap_or_default().to_owned(),
        sha256: digest(sha256).ok_or_else(|| odd(format!("its CodeSha256 is {sha256:?}")))?,
        signature: Signature::Unsigned,
    })
}

fn listed_version(item: &LayerVersionsListItem) -> Option<ListedVersion> {
    let arn = LayerVersionArn::parse(item.layer_version_arn()?).ok()?;
    let description = item.description().unwrap_or_default().to_owned();
    Some(ListedVersion { arn, description })
}

/// Lambda writes digests in base64.
fn digest(code_sha256: &str) -> Option<Digest> {
    let bytes = base64::decode(code_sha256).ok()?;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Digest::parse(&hex).ok()
}

#[async_trait]
impl Registry for LambdaRegistry {
    fn region(&self) -> &RegionName {
        &self.region
    }

    fn parameters(&self) -> Parameters {
        Parameters::Written
    }

    async fn versions(&self, layer: &LayerName) -> Result<Vec<ListedVersion>, PortError> {
        let pages = self.client.list_layer_versions().layer_name(layer.as_str());
        let mut pages = pages.into_paginator().page_size(50).send();
        let mut listed = Vec::new();
        loop {
            self.pace.turn().await;
            let Some(page) = pages.next().await else { break };
            let page = page.map_err(Fault::of("ListLayerVersions"))?;
            listed.extend(page.layer_versions().iter().filter_map(listed_version));
        }
        listed.sort_by_key(|version| std::cmp::Reverse(version.arn.version()));
        Ok(listed)
    }

    async fn publish(&self, publication: Publication<'_>) -> Result<LayerVersion, PortError> {
        let content = self.content(&publication).await?;
        let mut wait = THROTTLE_WAIT;
        for _ in 1..THROTTLES_MAX {
            match self.publish_from_bucket(&publication, &content).await {
                // Nothing was done, so trying again doubles nothing.
                Err(fault) if fault.is("TooManyRequestsException") => {
                    tokio::time::sleep(wait).await;
                    wait *= 2;
                }
                published => return Ok(published?),
            }
        }
        Ok(self.publish_from_bucket(&publication, &content).await?)
    }

    async fn read_back(&self, arn: &LayerVersionArn) -> Result<Option<LayerVersion>, PortError> {
        self.read(arn.as_str()).await
    }

    async fn locate(&self, arn: &LayerVersionArn) -> Result<Option<Located>, PortError> {
        let Some(found) = self.get(arn.as_str()).await? else {
            return Ok(None);
        };
        let version = layer_version(arn.as_str(), found.description(), found.content())?;
        let location = found.content().and_then(LayerVersionContentOutput::location);
        let odd = |problem: String| Fault::odd("read a layer version", problem);
        let url = location.ok_or_else(|| odd(format!("{arn} comes without a location")))?;
        let url = Url::parse(url).map_err(|error| odd(error.to_string()))?;
        // The address is signed: whoever has it may fetch the zip, so people see the ARN.
        Ok(Some(Located {
            sha256: version.sha256,
            origin: Origin::Https(HttpsSource::plain(SourceUrl::new(arn.as_str(), url))),
        }))
    }

    async fn share(
        &self,
        arn: &LayerVersionArn,
        readers: &BTreeSet<Reader>,
    ) -> Result<(), PortError> {
        for reader in readers {
            self.grant(arn, reader).await?;
        }
        Ok(())
    }

    async fn announce(&self, announcement: Announcement<'_>) -> Result<(), PortError> {
        Ok(parameters(&self.ssm, &announcement).await?)
    }

    async fn readers(&self, arn: &LayerVersionArn) -> Result<BTreeSet<String>, PortError> {
        self.pace.turn().await;
        let asked = self.client.get_layer_version_policy();
        let asked = asked.layer_name(arn.layer()).version_number(number(arn)?);
        match asked.send().await.map_err(Fault::of("GetLayerVersionPolicy")) {
            Ok(found) => Ok(principals(found.policy().unwrap_or_default())?),
            // There is no policy, or no such version.
            Err(fault) if fault.is("ResourceNotFoundException") => Ok(BTreeSet::new()),
            Err(fault) => Err(fault.into()),
        }
    }

    /// By its whole ARN: a bucket that came from another account names layers there, and those are not ours.
    async fn delete(&self, arn: &LayerVersionArn) -> Result<(), PortError> {
        self.pace.turn().await;
        let asked = self.client.delete_layer_version();
        let asked = asked.layer_name(arn.layer());
        let deleted = asked.version_number(number(arn)?).send().await;
        match deleted.map_err(Fault::of("DeleteLayerVersion")) {
            Err(fault) if fault.is("ResourceNotFoundException") => Ok(()),
            deleted => Ok(deleted.map(drop)?),
        }
    }
}
