use std::collections::BTreeMap;

use freshlayer::ports::{
    Alias, Configuration, Consumer, FunctionName, Look, PublishedVersion, Routing, Unqualified,
    Update, User,
};
use freshlayer::{Digest, LayerVersionArn};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

const ALIAS_CHARS_MAX: usize = 128;
const TAG_KEY_CHARS_MAX: usize = 128;
const TAG_VALUE_CHARS_MAX: usize = 256;

/// A function of the local host, as it lies on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Function {
    /// Number of the file's format.
    pub format: u32,
    /// The function.
    pub name: FunctionName,
    /// Counts the changes of `$LATEST`; the revision id is made of it.
    pub revision: u64,
    /// `$LATEST`.
    pub latest: Configuration,
    /// Published versions, oldest first.
    pub versions: Vec<PublishedVersion>,
    /// The aliases.
    pub aliases: Vec<Alias>,
    /// The tags.
    pub tags: BTreeMap<String, String>,
    /// What runs where the function is called, with its arguments; empty where it cannot be called.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub program: Vec<String>,
}

/// What a new function is made of.
#[derive(Debug, Clone)]
pub struct NewFunction {
    /// The function.
    pub name: FunctionName,
    /// Its layers, in their order.
    pub layers: Vec<LayerVersionArn>,
    /// Aliases, each pointing to a first published version.
    pub aliases: Vec<String>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// What runs where the function is called, with its arguments.
    pub program: Vec<String>,
}

impl NewFunction {
    /// Holds aliases and tags against AWS's rules, and answers in its words.
    ///
    /// # Errors
    /// What AWS would answer.
    pub(crate) fn check(&self) -> Result<(), String> {
        for (at, alias) in self.aliases.iter().enumerate() {
            if !is_alias(alias) {
                return Err(format!(
                    "Value '{alias}' at 'name' failed to satisfy constraint: Member must satisfy \
                     regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+), and have at most \
                     {ALIAS_CHARS_MAX} characters"
                ));
            }
            if self.aliases[..at].contains(alias) {
                return Err(format!("Alias already exists: {alias}"));
            }
        }
        for (key, value) in &self.tags {
            let fits = key.len() <= TAG_KEY_CHARS_MAX && value.len() <= TAG_VALUE_CHARS_MAX;
            if key.is_empty() || !fits || !key.chars().chain(value.chars()).all(is_tag_char) {
                return Err(format!(
                    "Tag '{key}={value}' failed to satisfy constraint: a key has 1 to \
                     {TAG_KEY_CHARS_MAX} characters, a value at most {TAG_VALUE_CHARS_MAX}; both \
                     take letters, digits, spaces and _ . : / = + - @"
                ));
            }
        }
        Ok(())
    }
}

/// Source: Lambda API, `CreateAlias`, `Name`.
fn is_alias(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let number = name.chars().all(|c| c.is_ascii_digit());
    !number && name.len() <= ALIAS_CHARS_MAX && name.chars().all(allowed)
}

/// Source: AWS, Tagging AWS resources, naming limits.
fn is_tag_char(c: char) -> bool {
    c.is_alphanumeric() || " _.:/=+-@".contains(c)
}

impl Function {
    /// Makes a function with its first version where it has aliases.
    pub fn new(new: NewFunction) -> Self {
        let latest = Configuration {
            code_sha256: digest(&format!("code of {}", new.name)),
            settings_sha256: digest("settings"),
            layers: new.layers,
        };
        let mut function = Self {
            format: 1,
            name: new.name,
            revision: 1,
            latest,
            versions: Vec::new(),
            aliases: Vec::new(),
            tags: new.tags,
            program: new.program,
        };
        if !new.aliases.is_empty() {
            function.publish("");
        }
        let aliases = new.aliases.into_iter();
        let alias = |name| Alias {
            name,
            version: 1,
            revision_id: "alias-1".to_owned(),
            routing: Routing::Whole,
        };
        function.aliases = aliases.map(alias).collect();
        function
    }

    /// Returns `$LATEST`'s revision id.
    pub fn revision_id(&self) -> String {
        format!("latest-{}", self.revision)
    }

    /// Returns the layers of a published version, or of `$LATEST`.
    pub(crate) fn layers(&self, version: Option<u64>) -> Option<&[LayerVersionArn]> {
        let Some(number) = version else { return Some(&self.latest.layers) };
        let version = self.versions.iter().find(|version| version.number == number)?;
        Some(&version.configuration.layers)
    }

    /// Changes `$LATEST` as a deployment of other code does.
    pub fn deploy(&mut self, code: &str) {
        self.latest.code_sha256 = digest(code);
        self.revision += 1;
    }

    /// Publishes `$LATEST`; an unchanged one gives the newest version again, as on Lambda.
    pub fn publish(&mut self, description: &str) -> u64 {
        if let Some(newest) = self.versions.last().filter(|v| v.configuration == self.latest) {
            return newest.number;
        }
        let number = self.versions.last().map_or(0, |newest| newest.number) + 1;
        let (configuration, description) = (self.latest.clone(), description.to_owned());
        self.versions.push(PublishedVersion { number, configuration, description });
        self.revision += 1;
        number
    }

    pub(crate) fn uses(&self, layer: &str) -> bool {
        let served = self
            .versions
            .iter()
            .filter(|version| self.aliases.iter().any(|alias| alias.version == version.number));
        let mut configurations = served.map(|version| &version.configuration).chain([&self.latest]);
        configurations.any(|one| one.layers.iter().any(|arn| arn.layer() == layer))
    }

    /// Every layer version that some version of the function names.
    pub(crate) fn users(&self) -> impl Iterator<Item = (LayerVersionArn, User)> {
        let published = self.versions.iter();
        let published = published.map(|version| (Some(version.number), &version.configuration));
        let all = published.chain([(None, &self.latest)]);
        all.flat_map(|(version, configuration)| {
            let user = User { function: self.name.clone(), version };
            let layers = configuration.layers.iter().cloned();
            layers.map(move |arn| (arn, user.clone()))
        })
    }

    pub(crate) fn observed(&self) -> Consumer {
        Consumer {
            function: self.name.clone(),
            latest: self.latest.clone(),
            revision_id: self.revision_id(),
            unqualified: Unqualified::Latest,
            timeout_secs: 0,
            architectures: Vec::new(),
            versions: self.versions.clone(),
            look: Some(Look { update: Update::Done, aliases: self.aliases.clone() }),
            tags: self.tags.clone(),
        }
    }
}

fn digest(text: &str) -> String {
    Digest::of(Sha256::new_with_prefix(text)).to_string()
}
