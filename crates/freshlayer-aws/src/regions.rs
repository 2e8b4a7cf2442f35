use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use aws_config::Region as SdkRegion;
use aws_config::sts::AssumeRoleProvider;
use aws_sdk_lambda::config::SharedCredentialsProvider;
use freshlayer::RegionName;
use freshlayer::definition::{Destinations, MemberAccount};
use freshlayer::ports::{Region, Regions};
use tokio::sync::Mutex;

use crate::{Aws, CloudWatchHealth, LambdaFleet, LambdaRegistry};

/// How the assumed roles' sessions are called in the other accounts' audit logs.
const SESSION: &str = "freshlayer";

/// The Regions of one account, and the roles of others. Each is connected once.
pub struct AwsRegions {
    home: Aws,
    connected: Mutex<HashMap<RegionName, Connected>>,
}

/// One Region: one pace for all calls of one account, and slower ones within it.
struct Connected {
    aws: Aws,
    /// The roles of other accounts.
    roles: HashMap<MemberAccount, Aws>,
    /// What layers reach, by how many calls a second they make at most. One process works on one layer after the other, so layers of
    /// the same bound share a pace.
    reached: HashMap<Option<u32>, Reached>,
}

/// The layer versions and functions of one Region, at one pace.
struct Reached {
    registry: Arc<LambdaRegistry>,
    functions: Functions,
    members: HashMap<MemberAccount, Functions>,
}

/// The functions of one account in one Region, and what their callers meet.
#[derive(Clone)]
struct Functions {
    fleet: Arc<LambdaFleet>,
    health: Arc<CloudWatchHealth>,
}

impl Functions {
    fn of(aws: &Aws) -> Self {
        Self { fleet: Arc::new(aws.fleet()), health: Arc::new(aws.health()) }
    }
}

impl AwsRegions {
    pub(crate) fn new(home: Aws) -> Self {
        Self { home, connected: Mutex::default() }
    }

    fn connect(&self, region: &RegionName) -> Connected {
        let aws = self.home.in_region(region);
        Connected { aws, roles: HashMap::new(), reached: HashMap::new() }
    }
}

impl Connected {
    fn reach(&mut self, calls_per_sec_max: Option<u32>) -> &mut Reached {
        let aws = &self.aws;
        self.reached.entry(calls_per_sec_max).or_insert_with(|| {
            let aws = aws.at_most(calls_per_sec_max);
            let (registry, functions) = (Arc::new(aws.registry()), Functions::of(&aws));
            Reached { registry, functions, members: HashMap::new() }
        })
    }

    async fn member(
        &mut self,
        account: &MemberAccount,
        calls_per_sec_max: Option<u32>,
    ) -> Functions {
        if let Some(known) = self.reach(calls_per_sec_max).members.get(account) {
            return known.clone();
        }
        if !self.roles.contains_key(account) {
            let role = self.aws.assuming(&account.role_arn).await;
            self.roles.insert(account.clone(), role);
        }
        let functions = Functions::of(&self.roles[account].at_most(calls_per_sec_max));
        let members = &mut self.reach(calls_per_sec_max).members;
        members.insert(account.clone(), functions.clone());
        functions
    }
}

#[async_trait]
impl Regions for AwsRegions {
    async fn of(&self, destinations: &Destinations) -> Vec<Region> {
        let mut known = self.connected.lock().await;
        let home = [self.home.region().clone()];
        let names = match &destinations.regions[..] {
            [] => &home,
            named => named,
        };
        let mut regions = Vec::new();
        for name in names {
            let here = known.entry(name.clone()).or_insert_with(|| self.connect(name));
            let most = destinations.calls_per_sec_max;
            let reached = here.reach(most);
            let registry = Arc::clone(&reached.registry);
            let mut all = vec![(None, reached.functions.clone())];
            for account in &destinations.accounts {
                all.push((Some(account.id.clone()), here.member(account, most).await));
            }
            let mut region = Region { registry, fleets: Vec::new(), health: Vec::new() };
            for (account, Functions { fleet, health }) in all {
                region.fleets.push((account.clone(), fleet));
                region.health.push((account, health));
            }
            regions.push(region);
        }
        regions
    }
}

impl Aws {
    /// The same account in another Region, with a pace of its own. Zips that Lambda copies have to lie in a bucket
    /// of that Region: the state's bucket with the Region's name behind it (`infra/region.yaml` makes it).
    pub(crate) fn in_region(&self, region: &RegionName) -> Self {
        if region == self.region() {
            return self.clone();
        }
        let sdk = self.sdk.to_builder();
        let sdk = sdk.region(SdkRegion::new(region.to_string())).build();
        Self {
            zips: format!("{}-{region}", self.bucket),
            region: region.clone(),
            pace: self.pace.another(),
            sdk,
            ..self.clone()
        }
    }

    /// The same account and Region, with at most so many calls a second within the pace of all.
    fn at_most(&self, calls_per_sec: Option<u32>) -> Self {
        let pace =
            calls_per_sec.map_or_else(|| self.pace.clone(), |calls| self.pace.at_most(calls));
        Self { pace, ..self.clone() }
    }

    /// A role of another account in the same Region.
    async fn assuming(&self, role_arn: &str) -> Self {
        let role = AssumeRoleProvider::builder(role_arn)
            .session_name(SESSION)
            .configure(&self.sdk)
            .build()
            .await;
        let role = SharedCredentialsProvider::new(role);
        Self {
            sdk: self.sdk.to_builder().credentials_provider(role).build(),
            pace: self.pace.another(),
            ..self.clone()
        }
    }
}
