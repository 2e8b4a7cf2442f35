//! What people do to their functions, at once and without being asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use freshlayer::LayerVersionArn;
use tokio::time::Instant;

use super::Simulated;
use super::aliases::Alias;
use super::functions::{Config, Ending, Function, Shape, Updates};
use super::provisioned::Provisioned;
use super::rules::Rules;
use super::settings::{RunsOn, Settings, Signing};

/// What a new function is made of.
#[derive(Debug, Default)]
pub struct NewFunction<'a> {
    /// Its layers, in their order.
    pub layers: &'a [LayerVersionArn],
    /// Aliases, each pointing to a first published version.
    pub aliases: &'a [&'a str],
    /// Tags.
    pub tags: &'a [(&'a str, &'a str)],
    /// Size of its own code.
    pub code_bytes: u64,
    /// Whether it takes layers without a signature.
    pub signing: Signing,
    /// Where it runs.
    pub host: RunsOn,
    /// All else.
    pub settings: Settings,
}

impl Simulated {
    /// Makes a function as a person deploys one. Its first version is active at once.
    pub fn function(&self, name: &str, new: &NewFunction<'_>) {
        let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        let latest = Config {
            code: format!("code of {name}"),
            code_bytes: new.code_bytes,
            layers: new.layers.iter().map(ToString::to_string).collect(),
            settings: new.settings.clone(),
            host: new.host,
        };
        let shape = Shape::new(latest, new.tags.iter().map(own).collect());
        let mut function = Function::new(self.place.clone(), shape, new.signing);
        let mut world = self.world();
        let world = &mut *world;
        for alias in new.aliases {
            let version = publish(&mut function, &world.rules);
            function.aliases.insert((*alias).to_owned(), Alias::of(version));
        }
        let functions = world.places.entry(self.place.clone()).or_default();
        functions.stored_bytes += new.code_bytes * (1 + function.shape().made);
        functions.all.insert(name.to_owned(), function);
    }

    pub(super) fn change<T>(
        &self,
        name: &str,
        change: impl FnOnce(&mut Function, &Rules) -> T,
    ) -> T {
        let mut world = self.world();
        let world = &mut *world;
        let functions = world.places.entry(self.place.clone()).or_default();
        let function = functions.all.get_mut(name).expect("the function is there");
        change(function, &world.rules)
    }

    /// Deploys other code, as a person does.
    ///
    /// # Panics
    /// Where there is no such function.
    pub fn deploy(&self, name: &str) {
        self.change(name, |function, rules| {
            let shape = function.change(rules.lists_lag);
            "other code".clone_into(&mut Arc::make_mut(&mut shape.latest).code);
            shape.touch();
        });
    }

    /// Sets the layers of `$LATEST`, as a deployment with a template of its own does.
    ///
    /// # Panics
    /// Where there is no such function.
    pub fn set_layers(&self, name: &str, layers: &[LayerVersionArn]) {
        self.change(name, |function, rules| {
            let shape = function.change(rules.lists_lag);
            Arc::make_mut(&mut shape.latest).layers =
                layers.iter().map(ToString::to_string).collect();
            shape.touch();
        });
    }

    /// Puts one version of a layer into the place of another one, as a deployment with an old template does: into
    /// `$LATEST`, and where there is an alias behind that as well.
    ///
    /// # Panics
    /// Where there is no such function.
    pub fn put_layer(&self, name: &str, layer: &LayerVersionArn) {
        let aliases = self.change(name, |function, rules| {
            let shape = function.change(rules.lists_lag);
            let layers = &mut Arc::make_mut(&mut shape.latest).layers;
            for one in layers.iter_mut().filter(|one| one.starts_with(layer.layer())) {
                layer.as_str().clone_into(one);
            }
            shape.touch();
            function.aliases.keys().cloned().collect::<Vec<_>>()
        });
        for alias in aliases {
            let version = self.release(name);
            self.point(name, &alias, version);
        }
    }

    /// Changes settings of `$LATEST`, as a person does.
    ///
    /// # Panics
    /// Where there is no such function.
    pub fn configure(&self, name: &str, configure: impl FnOnce(&mut Settings)) {
        self.change(name, |function, rules| {
            let shape = function.change(rules.lists_lag);
            configure(&mut Arc::make_mut(&mut shape.latest).settings);
            shape.touch();
        });
    }

    /// Publishes `$LATEST`, as a person does; the version is active at once. Returns its number.
    ///
    /// # Panics
    /// Where there is no such function.
    pub fn release(&self, name: &str) -> u64 {
        let (number, bytes) = self.change(name, |function, rules| {
            let before = function.unchanged();
            let number = publish(function, rules);
            (number, before.map_or(function.shape().latest.code_bytes, |_| 0))
        });
        let mut world = self.world();
        world.places.entry(self.place.clone()).or_default().stored_bytes += bytes;
        number
    }

    /// Points an alias to a version and clears its weights, as a person does.
    ///
    /// # Panics
    /// Where there is no such function or alias.
    pub fn point(&self, name: &str, alias: &str, version: u64) {
        self.alias(name, alias, |alias| alias.point(&version.to_string(), BTreeMap::new()));
    }

    /// Points an alias to a version and leaves its weights, as `aws lambda update-alias` does without a routing.
    ///
    /// # Panics
    /// Where there is no such function or alias.
    pub fn point_beside_weight(&self, name: &str, alias: &str, version: u64) {
        self.alias(name, alias, |alias| {
            let weights = alias.weights.clone();
            alias.point(&version.to_string(), weights);
        });
    }

    /// Clears an alias's weights, as a person does.
    ///
    /// # Panics
    /// Where there is no such function or alias.
    pub fn unweigh(&self, name: &str, alias: &str) {
        self.alias(name, alias, |alias| {
            let to = alias.version.clone();
            alias.point(&to, BTreeMap::new());
        });
    }

    /// Gives a version a share of an alias's calls, as a person does.
    ///
    /// # Panics
    /// Where there is no such function or alias.
    pub fn weigh(&self, name: &str, alias: &str, version: u64, weight: f64) {
        self.alias(name, alias, |alias| {
            let to = alias.version.clone();
            alias.point(&to, BTreeMap::from([(version.to_string(), weight)]));
        });
    }

    /// Gives an alias provisioned concurrency, which is ready at once.
    ///
    /// # Panics
    /// Where there is no such function or alias.
    pub fn provision(&self, name: &str, alias: &str, environments: u32) {
        let provisioned = Provisioned::new(environments);
        self.alias(name, alias, |alias| alias.provisioned = Some(provisioned));
    }

    /// Lets provisioned concurrency of an alias fail after its next move.
    ///
    /// # Panics
    /// Where it has none.
    pub fn fail_next_provisioning(&self, name: &str, alias: &str, reason: &str) {
        self.alias(name, alias, |alias| {
            let provisioned = alias.provisioned.as_mut().expect("it has provisioned concurrency");
            provisioned.next = Ending::Badly(reason.to_owned());
        });
    }

    /// Tells whether a function has an alias.
    ///
    /// # Panics
    /// Where there is no such function.
    pub fn has_alias(&self, name: &str, alias: &str) -> bool {
        self.change(name, |function, _| function.aliases.contains_key(alias))
    }

    fn alias(&self, name: &str, alias: &str, change: impl FnOnce(&mut Alias)) {
        self.change(name, |function, _| {
            change(function.aliases.get_mut(alias).expect("the alias is there").settle());
        });
    }

    /// Sets a tag, as a person does.
    ///
    /// # Panics
    /// Where there is no such function.
    pub fn tag(&self, name: &str, key: &str, value: &str) {
        self.change(name, |function, rules| {
            let tags = &mut function.change(rules.lists_lag).tags;
            tags.insert(key.to_owned(), value.to_owned());
        });
    }

    /// Takes a tag away, as a person does.
    ///
    /// # Panics
    /// Where there is no such function.
    pub fn untag(&self, name: &str, key: &str) {
        self.change(name, |function, rules| function.change(rules.lists_lag).tags.remove(key));
    }

    /// Lets so many durable executions of a version run.
    ///
    /// # Panics
    /// Where there is no such function.
    pub fn run_durably(&self, name: &str, version: u64, executions: u32) {
        self.change(name, |function, _| function.durable.insert(version, executions));
    }

    /// Lets nobody read a function: an explicit deny.
    ///
    /// # Panics
    /// Where there is no such function.
    pub fn guard(&self, name: &str) {
        self.change(name, |function, _| function.guarded = true);
    }

    /// Sets whether Lambda takes updates of a function.
    ///
    /// # Panics
    /// Where there is no such function.
    pub fn take_updates(&self, name: &str, updates: Updates) {
        self.change(name, |function, _| function.updates = updates);
    }

    /// Lets a function's last update have failed: it serves what it served before.
    ///
    /// # Panics
    /// Where there is no such function.
    pub fn fail_last_update(&self, name: &str) {
        self.change(name, |function, rules| {
            let layers = function.shape().latest.layers.clone();
            let shape = function.change(rules.lists_lag);
            shape.start_update(Instant::now(), Ending::of_a_conversion(), layers);
        });
    }

    /// Lets a function's next update fail after its time: `$LATEST` lists the new layers, and serves the old ones.
    ///
    /// # Panics
    /// Where there is no such function.
    pub fn fail_next_update(&self, name: &str) {
        self.change(name, |function, _| function.next_update = Ending::of_a_conversion());
    }

    /// Lets the next version that is published of a function end `Failed`.
    ///
    /// # Panics
    /// Where there is no such function.
    pub fn fail_next_version(&self, name: &str, reason: &str) {
        self.change(name, |function, _| function.next_version = Ending::Badly(reason.to_owned()));
    }
}

fn publish(function: &mut Function, rules: &Rules) -> u64 {
    match function.unchanged() {
        Some(number) => number,
        None => function.publish(None, &rules.at_once()),
    }
}
