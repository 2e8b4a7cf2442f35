use std::sync::Arc;

use async_trait::async_trait;
use freshlayer::definition::Destinations;
use freshlayer::ports::{Region, Regions};

use crate::{FolderFleet, FolderRegistry};

/// The local host's only Region, whatever Regions a definition names.
pub struct FolderRegions {
    registry: Arc<FolderRegistry>,
    fleet: Arc<FolderFleet>,
}

impl FolderRegions {
    /// Uses the folders of layer versions and functions.
    pub fn new(registry: FolderRegistry, fleet: FolderFleet) -> Self {
        Self { registry: Arc::new(registry), fleet: Arc::new(fleet) }
    }
}

#[async_trait]
impl Regions for FolderRegions {
    async fn of(&self, _destinations: &Destinations) -> Vec<Region> {
        let (registry, fleet) = (self.registry.clone(), self.fleet.clone());
        vec![Region { registry, fleets: vec![(None, fleet)], health: Vec::new() }]
    }
}
