use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use async_trait::async_trait;
use freshlayer::ports::{
    Answer, Call, CodeStorage, Consumer, Fleet, FleetError, FunctionName, Glimpse, PortError, Step,
    User,
};
use freshlayer::{LAYER_BYTES_MAX, LayerVersionArn};

use crate::durable;
use crate::function::{Function, NewFunction};
use crate::program::Runner;
use crate::registry::FolderRegistry;

/// Lambda's limit of layers per function. Source: AWS Lambda quotas.
const LAYERS_MAX: usize = 5;

/// Functions in a folder: one file each, changed under a lock and replaced at once.
#[derive(Debug, Clone)]
pub struct FolderFleet {
    root: PathBuf,
    registry: FolderRegistry,
    runner: Option<Runner>,
}

/// Why the host does not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// The function is there already.
    #[error("function {0} exists; remove it first, or choose another name")]
    Exists(FunctionName),
    /// There is no such function.
    #[error("there is no function {0}")]
    NotFound(FunctionName),
    /// What Lambda would refuse, in Lambda's words.
    #[error("{0}")]
    Refused(String),
    /// The function's file cannot be understood.
    #[error("read {path}: {problem}; restore it, or remove it and add the function again")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What was found.
        problem: String,
    },
    /// The operating system.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl FolderFleet {
    /// Uses a folder for functions and a registry for their layers.
    pub fn new(root: impl Into<PathBuf>, registry: FolderRegistry) -> Self {
        Self { root: root.into(), registry, runner: None }
    }

    /// Lets functions that have a program be called.
    #[must_use]
    pub fn with_runner(self, runner: Runner) -> Self {
        Self { runner: Some(runner), ..self }
    }

    /// Makes a function.
    ///
    /// # Errors
    /// [`HostError::Exists`], [`HostError::Refused`] where its aliases, tags or layers break Lambda's rules.
    pub fn add(&self, new: NewFunction) -> Result<Function, HostError> {
        new.check().map_err(HostError::Refused)?;
        self.check_layers(&new.layers)?;
        let function = Function::new(new);
        let bytes = print(&function);
        if durable::create(&self.path(&function.name), &bytes)? {
            Ok(function)
        } else {
            Err(HostError::Exists(function.name))
        }
    }

    /// Removes a function.
    ///
    /// # Errors
    /// [`HostError::NotFound`].
    pub fn remove(&self, name: &FunctionName) -> Result<(), HostError> {
        let path = self.path(name);
        let lock = durable::lock(&path)?;
        let removed = std::fs::remove_file(&path);
        let _gone = std::fs::remove_file(path.with_extension("json.lock"));
        drop(lock);
        match removed {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(HostError::NotFound(name.clone()))
            }
            done => Ok(done?),
        }
    }

    /// Lists all functions, by name.
    ///
    /// # Errors
    /// [`HostError::Corrupt`] and [`HostError::Io`].
    pub fn list(&self) -> Result<Vec<Function>, HostError> {
        let entries = match std::fs::read_dir(&self.root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(durable::at("list", &self.root)(error).into()),
        };
        let mut names: Vec<FunctionName> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter_map(|name| FunctionName::parse(name.strip_suffix(".json")?).ok())
            .collect();
        names.sort();
        names.iter().map(|name| self.function(name)).collect()
    }

    /// Returns the layers of a function in `$LATEST`, or behind an alias.
    ///
    /// # Errors
    /// [`HostError::NotFound`], [`HostError::Refused`] where there is no such alias, and the file's errors.
    pub fn layers_of(
        &self,
        name: &FunctionName,
        alias: Option<&str>,
    ) -> Result<Vec<LayerVersionArn>, HostError> {
        let function = self.function(name)?;
        let Some(alias) = alias else {
            return Ok(function.latest.layers);
        };
        let known = function.aliases.iter().find(|known| known.name == alias);
        let version = known.and_then(|known| {
            let mut versions = function.versions.iter();
            versions.find(|version| version.number == known.version)
        });
        let missing = || HostError::Refused(format!("function {name} has no alias {alias}"));
        Ok(version.ok_or_else(missing)?.configuration.layers.clone())
    }

    /// Changes a function the way a person does, whatever freshlayer is doing with it.
    ///
    /// # Errors
    /// [`HostError::NotFound`], [`HostError::Corrupt`], [`HostError::Io`], and what `change` says.
    pub fn edit<T>(
        &self,
        name: &FunctionName,
        change: impl FnOnce(&mut Function) -> Result<T, HostError>,
    ) -> Result<T, HostError> {
        let path = self.path(name);
        let _lock = durable::lock(&path)?;
        let mut function = self.function(name)?;
        let before = function.clone();
        let value = change(&mut function)?;
        if function != before {
            durable::replace(&path, &print(&function))?;
        }
        Ok(value)
    }

    fn path(&self, name: &FunctionName) -> PathBuf {
        self.root.join(format!("{name}.json"))
    }

    fn function(&self, name: &FunctionName) -> Result<Function, HostError> {
        let path = self.path(name);
        let bytes = std::fs::read(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => HostError::NotFound(name.clone()),
            _ => durable::at("read", &path)(error).into(),
        })?;
        serde_json::from_slice(&bytes)
            .map_err(|error| HostError::Corrupt { path, problem: error.to_string() })
    }

    /// Holds a layer list against Lambda's rules, and answers in Lambda's words.
    fn check_layers(&self, layers: &[LayerVersionArn]) -> Result<(), HostError> {
        if layers.len() > LAYERS_MAX {
            let text = format!("Cannot reference more than {LAYERS_MAX} layers.");
            return Err(HostError::Refused(text));
        }
        let mut total = 0;
        for (at, arn) in layers.iter().enumerate() {
            if let Some(other) = layers[..at].iter().find(|other| other.layer() == arn.layer()) {
                return Err(HostError::Refused(format!(
                    "Two different versions of the same layer are not allowed to be referenced in \
                     the same function. {other} and {arn} are versions of the same layer."
                )));
            }
            if let Some(bytes) = self.registry.unzipped_bytes(arn)? {
                total += bytes;
            } else {
                let text = format!("Layer version {arn} does not exist.");
                return Err(HostError::Refused(text));
            }
        }
        if total > LAYER_BYTES_MAX {
            return Err(HostError::Refused(format!(
                "Layers consume more than the available size of {LAYER_BYTES_MAX} bytes"
            )));
        }
        Ok(())
    }

    fn set_layers(
        &self,
        function: &mut Function,
        layers: &[LayerVersionArn],
        revision_id: &str,
    ) -> Result<Done, HostError> {
        if function.latest.layers == layers {
            return Ok(Done::Yes);
        }
        if function.revision_id() != revision_id {
            return Ok(Done::Changed);
        }
        self.check_layers(layers)?;
        function.latest.layers = layers.to_vec();
        function.revision += 1;
        Ok(Done::Yes)
    }

    fn step(&self, function: &mut Function, step: &Step) -> Result<Done, HostError> {
        match step {
            Step::Look { .. } | Step::Probe { .. } => Ok(Done::Yes),
            Step::SetLayers { layers, revision_id, .. } => {
                self.set_layers(function, layers, revision_id)
            }
            Step::PublishVersion { code_sha256, revision_id, description, .. } => {
                let published = function.versions.last();
                if published.is_some_and(|version| version.configuration == function.latest) {
                    return Ok(Done::Yes);
                }
                if function.revision_id() != *revision_id
                    || function.latest.code_sha256 != *code_sha256
                {
                    return Ok(Done::Changed);
                }
                function.publish(description);
                Ok(Done::Yes)
            }
            Step::MoveAlias { alias, version, revision_id, .. } => {
                move_alias(function, alias, *version, revision_id)
            }
            Step::RetireVersion { version, .. } => retire(function, *version),
        }
    }
}

fn move_alias(
    function: &mut Function,
    alias: &str,
    version: u64,
    revision_id: &str,
) -> Result<Done, HostError> {
    let mut aliases = function.aliases.iter_mut();
    let Some(alias) = aliases.find(|known| known.name == alias) else {
        return Ok(Done::Changed);
    };
    if alias.version == version {
        return Ok(Done::Yes);
    }
    if alias.revision_id != revision_id {
        return Ok(Done::Changed);
    }
    if !function.versions.iter().any(|known| known.number == version) {
        let text = format!("Function not found: {}:{version}", function.name);
        return Err(HostError::Refused(text));
    }
    alias.version = version;
    alias.revision_id = next_revision(&alias.revision_id);
    Ok(Done::Yes)
}

/// Deletes a published version. Its number is never given to another one, because the newest one stays.
fn retire(function: &mut Function, version: u64) -> Result<Done, HostError> {
    if let Some(alias) = function.aliases.iter().find(|alias| alias.version == version) {
        let (name, alias) = (&function.name, &alias.name);
        let text = format!("version {version} of function {name} is behind alias {alias}");
        return Err(HostError::Refused(text));
    }
    function.versions.retain(|known| known.number != version);
    Ok(Done::Yes)
}

/// Whether a step holds now, or its precondition does not.
enum Done {
    Yes,
    Changed,
}

fn next_revision(revision_id: &str) -> String {
    let number = revision_id.rsplit('-').next().and_then(|number| number.parse::<u64>().ok());
    format!("alias-{}", number.unwrap_or(0) + 1)
}

fn print(function: &Function) -> Vec<u8> {
    serde_json::to_vec_pretty(function).expect("a function holds no map with odd keys")
}

#[async_trait]
impl Fleet for FolderFleet {
    async fn observe(&self, target: &LayerVersionArn) -> Result<Vec<Consumer>, PortError> {
        let tag = format!("freshlayer:{}", target.layer_name());
        let functions = self.list()?.into_iter();
        let consumers = functions
            .filter(|function| function.uses(target.layer()) || function.tags.contains_key(&tag));
        Ok(consumers.map(|function| function.observed()).collect())
    }

    async fn glance(&self, target: &LayerVersionArn) -> Result<Glimpse, PortError> {
        let tag = format!("freshlayer:{}", target.layer_name());
        let mut glimpse = Glimpse::default();
        for function in self.list()? {
            let mut used = function.latest.layers.iter();
            let elsewhere = used.any(|arn| arn.layer() == target.layer() && arn != target);
            glimpse.elsewhere += usize::from(elsewhere);
            if let Some(value) = function.tags.get(&tag) {
                glimpse.tags.insert(function.name.clone(), value.clone());
            }
        }
        Ok(glimpse)
    }

    async fn in_use(
        &self,
        of: &LayerVersionArn,
    ) -> Result<BTreeMap<LayerVersionArn, User>, PortError> {
        let functions = self.list()?;
        let named = functions.iter().flat_map(Function::users);
        Ok(named.filter(|(arn, _)| arn.layer() == of.layer()).collect())
    }

    async fn storage(&self) -> Result<Option<CodeStorage>, PortError> {
        Ok(None)
    }

    async fn call(&self, call: Call<'_>) -> Result<Answer, PortError> {
        let function = self.function(call.function)?;
        let Some(runner) = self.runner.as_ref().filter(|_| !function.program.is_empty()) else {
            return Ok(Answer::NotCallable);
        };
        let layers = function.layers(call.version).ok_or("it has no such version")?;
        runner.call(&function.program, layers, call.payload).await
    }

    async fn apply(&self, step: &Step) -> Result<Consumer, FleetError> {
        let name = step.function().clone();
        let result = self.edit(&name, |function| {
            let done = self.step(function, step)?;
            Ok((done, function.observed()))
        });
        match result {
            Ok((Done::Yes, consumer)) => Ok(consumer),
            Ok((Done::Changed, _)) | Err(HostError::NotFound(_)) => {
                Err(FleetError::Changed { function: name })
            }
            Err(HostError::Refused(reason)) => Err(FleetError::Refused { function: name, reason }),
            Err(error) => Err(FleetError::Other { function: name, source: Box::new(error) }),
        }
    }
}
