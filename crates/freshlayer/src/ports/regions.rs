use std::sync::Arc;

use async_trait::async_trait;

use super::{Fleet, Health, Registry};
use crate::definition::Destinations;
use crate::names::{AccountId, Place};

/// The Regions that this publisher can reach.
///
/// # Contract
/// `of` calls nothing: a Region that does not exist or a role that cannot be assumed shows at the first call
/// to what comes back. Asked again, it may hand out the same connections.
#[async_trait]
pub trait Regions: Send + Sync {
    /// Returns the Regions that a layer goes to, at least one, in the definition's order.
    async fn of(&self, destinations: &Destinations) -> Vec<Region>;
}

/// One Region: where layer versions are published, and the functions of each account there.
#[derive(Clone)]
pub struct Region {
    /// Layer versions, in the publisher's account.
    pub registry: Arc<dyn Registry>,
    /// Functions: of the publisher's account, then of the others.
    pub fleets: Vec<(Option<AccountId>, Arc<dyn Fleet>)>,
    /// What the callers of those functions meet, account by account; empty where the host does not count calls.
    pub health: Vec<(Option<AccountId>, Arc<dyn Health>)>,
}

impl Region {
    /// Returns each fleet with its place.
    pub fn places(&self) -> impl Iterator<Item = (Place, Arc<dyn Fleet>)> {
        let region = self.registry.region();
        self.fleets.iter().map(move |(account, fleet)| {
            let place = Place { region: region.clone(), account: account.clone() };
            (place, Arc::clone(fleet))
        })
    }

    /// Returns what is measured in a place, where anything is.
    pub(crate) fn health(&self, place: &Place) -> Option<&Arc<dyn Health>> {
        let mut all = self.health.iter().filter(|_| self.registry.region() == &place.region);
        all.find(|(account, _)| *account == place.account).map(|(_, health)| health)
    }
}
