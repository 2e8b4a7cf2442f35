use std::collections::BTreeMap;

use tokio::time::Instant;

use super::{ACCOUNT, CALLS_PER_SEC, REGION};

const GET_FUNCTIONS_PER_SEC: u32 = 100;

/// An account in a Region.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Twelve digits.
    pub account: String,
    /// The Region's name.
    pub region: String,
}

/// What is wrong with a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outage {
    /// Every try to assume a role of its account is denied.
    RoleDenied,
    /// Lambda denies every call.
    Denied,
    /// Lambda answers every call that there are too many of them.
    Throttled,
    /// Lambda is out of reach.
    Unreachable,
}

impl Place {
    /// Names the account in the Region.
    pub fn new(account: &str, region: &str) -> Self {
        Self { account: account.to_owned(), region: region.to_owned() }
    }

    pub(super) fn home() -> Self {
        Self::new(ACCOUNT, REGION)
    }

    /// Says who calls, from where: the key's last digits are the account, and the scope names the Region.
    pub(super) fn of(authorization: &str) -> Option<Self> {
        let (_, credential) = authorization.split_once("Credential=")?;
        let mut parts = credential.split('/');
        let (key, _, region) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self::new(key.get(key.len().checked_sub(12)?..)?, region))
    }

    pub(super) fn access_key(&self, kind: &str) -> String {
        format!("{kind}{}", self.account)
    }

    pub(super) fn function(&self, name: &str) -> String {
        format!("arn:aws:lambda:{}:{}:function:{name}", self.region, self.account)
    }

    pub(super) fn layer(&self, name: &str) -> String {
        format!("arn:aws:lambda:{}:{}:layer:{name}", self.region, self.account)
    }

    /// Names the caller in texts.
    pub(super) fn caller(&self) -> String {
        format!("arn:aws:sts::{}:assumed-role/publisher/run", self.account)
    }
}

/// What every place takes in a second.
#[derive(Default)]
pub(super) struct Quotas {
    places: BTreeMap<Place, [Bucket; 2]>,
}

impl Quotas {
    /// Takes one call of the control plane.
    pub(super) fn control(&mut self, place: &Place) -> bool {
        self.of(place)[0].take()
    }

    /// Takes one `GetFunction`.
    pub(super) fn read(&mut self, place: &Place) -> bool {
        self.of(place)[1].take()
    }

    fn of(&mut self, place: &Place) -> &mut [Bucket; 2] {
        let new = || [Bucket::new(CALLS_PER_SEC), Bucket::new(GET_FUNCTIONS_PER_SEC)];
        self.places.entry(place.clone()).or_insert_with(new)
    }
}

/// Tokens that fill up again.
struct Bucket {
    per_sec: u32,
    left: f64,
    since: Instant,
}

impl Bucket {
    fn new(per_sec: u32) -> Self {
        Self { per_sec, left: f64::from(per_sec), since: Instant::now() }
    }

    fn take(&mut self) -> bool {
        let now = Instant::now();
        let earned = now.duration_since(self.since).as_secs_f64() * f64::from(self.per_sec);
        self.left = (self.left + earned).min(f64::from(self.per_sec));
        self.since = now;
        let enough = self.left >= 1.0;
        if enough {
            self.left -= 1.0;
        }
        enough
    }
}
