use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::aliases::Alias;
use super::layers::Layers;
use super::refusal::refusal;
use super::rules::Rules;
use super::settings::{RunsOn, Settings, Signing};
use super::shown::Shown;
use super::versions::Version;
use super::views::Record;
use super::{Answer, Asked, Place};

/// What ends an update badly, in Lambda's words.
const FAILS_BECAUSE: &str = "Lambda layer conversion failed. For advice on resolving this issue, see the Troubleshoot \
     deployment issues in Lambda page in the Lambda User Guide.";

/// The functions of a place, by name.
#[derive(Clone, Default)]
pub(crate) struct Functions {
    pub(super) all: BTreeMap<String, Function>,
    /// Code of functions and of their versions.
    pub(super) stored_bytes: u64,
    /// What the place may store, where a test says so.
    pub(super) stored_bytes_max: Option<u64>,
}

/// A function.
#[derive(Clone)]
pub(super) struct Function {
    pub(super) place: Place,
    shape: Arc<Shape>,
    /// What it was like, until when: for lists that lag.
    past: Vec<(Instant, Arc<Shape>)>,
    pub(super) born: Instant,
    pub(super) aliases: BTreeMap<String, Alias>,
    pub(super) signing: Signing,
    pub(super) next_update: Ending,
    pub(super) next_version: Ending,
    pub(super) invocations: u64,
    /// Durable executions that run, by version.
    pub(super) durable: BTreeMap<u64, u32>,
    /// Whether its own policy denies everyone to read it.
    pub(super) guarded: bool,
    pub(super) updates: Updates,
}

/// Whether Lambda takes updates of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Updates {
    /// It does.
    Taken,
    /// Its key of KMS is disabled.
    Locked,
    /// A policy denies them.
    Denied,
    /// A policy denies them for its aliases.
    AliasesDenied,
}

impl Updates {
    fn refused(self) -> Option<Answer> {
        match self {
            Self::Taken | Self::AliasesDenied => None,
            Self::Locked => {
                let words = "Lambda was unable to decrypt the environment variables because KMS access was denied. Please \
                             check the function's KMS key settings. KMS Exception: AccessDeniedException";
                Some(Answer::fault(502, "KMSAccessDeniedException", words))
            }
            Self::Denied => Some(denied("UpdateFunctionConfiguration")),
        }
    }

    pub(super) fn refused_of_aliases(self) -> Option<Answer> {
        (self == Self::AliasesDenied).then(|| denied("UpdateAlias"))
    }
}

fn denied(action: &str) -> Answer {
    Answer::denied(&format!(
        "User: arn:aws:sts::123456789012:assumed-role/freshlayer is not authorized to perform: lambda:{action} on resource: * \
         with an explicit deny in a resource-based policy"
    ))
}

/// What lists show of a function.
#[derive(Clone)]
pub(super) struct Shape {
    pub(super) latest: Arc<Config>,
    /// Counts the changes of `$LATEST`; the revision id is made of it.
    revision: u64,
    pub(super) modified: Instant,
    pub(super) update: Option<Update>,
    pub(super) versions: BTreeMap<u64, Version>,
    /// The highest number a version ever had.
    pub(super) made: u64,
    pub(super) tags: BTreeMap<String, String>,
}

/// What a version freezes.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Config {
    pub(super) code: String,
    pub(super) code_bytes: u64,
    pub(super) layers: Vec<String>,
    pub(super) settings: Settings,
    pub(super) host: RunsOn,
}

/// The last update of `$LATEST`.
#[derive(Clone)]
pub(super) struct Update {
    pub(super) ends: Instant,
    pub(super) ending: Ending,
    /// The layers that are served until it ends well.
    before: Vec<String>,
}

/// How something ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Ending {
    #[default]
    Well,
    /// Why it does not.
    Badly(String),
}

impl Shape {
    pub(super) fn new(latest: Config, tags: BTreeMap<String, String>) -> Self {
        Self {
            latest: Arc::new(latest),
            revision: 1,
            modified: Instant::now(),
            update: None,
            versions: BTreeMap::new(),
            made: 0,
            tags,
        }
    }

    /// An update that is over has changed the revision once more.
    pub(super) fn revision_id(&self, at: Instant) -> String {
        let ended = self.update.as_ref().is_some_and(|update| update.ends <= at);
        format!("latest-{}", self.revision + u64::from(ended))
    }

    pub(super) fn is_updating(&self, at: Instant) -> bool {
        self.update.as_ref().is_some_and(|update| update.ends > at)
    }

    /// The layers that callers of `$LATEST` get.
    pub(super) fn served(&self, at: Instant) -> &[String] {
        match &self.update {
            Some(update) if update.ends > at || update.ending != Ending::Well => &update.before,
            _ => &self.latest.layers,
        }
    }

    pub(super) fn touch(&mut self) {
        self.revision += 1;
        self.modified = Instant::now();
    }

    pub(super) fn start_update(&mut self, ends: Instant, ending: Ending, layers: Vec<String>) {
        let now = Instant::now();
        let before = self.served(now).to_vec();
        self.revision += 1 + u64::from(self.update.is_some());
        self.modified = now;
        Arc::make_mut(&mut self.latest).layers = layers;
        self.update = Some(Update { ends, ending, before });
    }
}

impl Function {
    pub(super) fn new(place: Place, shape: Shape, signing: Signing) -> Self {
        Self {
            place,
            shape: Arc::new(shape),
            past: Vec::new(),
            born: Instant::now(),
            aliases: BTreeMap::new(),
            signing,
            next_update: Ending::Well,
            next_version: Ending::Well,
            invocations: 0,
            durable: BTreeMap::new(),
            guarded: false,
            updates: Updates::Taken,
        }
    }

    pub(super) fn shape(&self) -> &Shape {
        &self.shape
    }

    /// What it was like at a moment; `None` before it was made.
    pub(super) fn as_of(&self, then: Instant) -> Option<&Shape> {
        if self.born > then {
            return None;
        }
        let past = self.past.iter().find(|(until, _)| *until > then);
        Some(past.map_or(&*self.shape, |(_, shape)| shape))
    }

    /// Changes it, and keeps what it was like for as long as lists show that.
    pub(super) fn change(&mut self, lag: Duration) -> &mut Shape {
        if !lag.is_zero() {
            let now = Instant::now();
            self.past.retain(|(until, _)| *until + lag > now);
            self.past.push((now, Arc::clone(&self.shape)));
        }
        Arc::make_mut(&mut self.shape)
    }
}

pub(super) fn stale() -> Answer {
    let text = "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to \
                retrieve the latest Revision Id";
    Answer::fault(412, "PreconditionFailedException", text)
}

/// Says that a function, or one of its versions, is not there.
pub(super) fn missing(place: &Place, name: &str) -> Answer {
    Answer::absent(&format!("Function not found: {}", place.function(name)))
}

impl Functions {
    pub(super) fn find(&mut self, asked: &Asked) -> Result<(String, &mut Function), Answer> {
        let name = asked.path[2].clone();
        match self.all.get_mut(&name) {
            Some(function) => Ok((name, function)),
            None => Err(missing(&asked.place, &name)),
        }
    }

    /// Finds a function that no update is in progress for, and that is still as the caller saw it.
    pub(super) fn changeable(&mut self, asked: &Asked) -> Result<(String, &mut Function), Answer> {
        let (name, function) = self.find(asked)?;
        let now = Instant::now();
        if function.shape().is_updating(now) {
            return Err(Answer::conflict(&format!(
                "The operation cannot be performed at this time. An update is in progress for resource: {}",
                asked.place.function(&name)
            )));
        }
        let document = asked.json();
        let seen = document["RevisionId"].as_str();
        if seen.is_some_and(|seen| seen != function.shape().revision_id(now)) {
            Err(stale())
        } else {
            Ok((name, function))
        }
    }

    pub(super) fn update(
        &mut self,
        asked: &Asked,
        layers: &Layers,
        rules: &Rules,
        record: &mut Record,
    ) -> Answer {
        let (name, function) = match self.changeable(asked) {
            Ok(found) => found,
            Err(answer) => return answer,
        };
        if let Some(refused) = function.updates.refused() {
            return refused;
        }
        let document = asked.json();
        record.settings_left_alone(&name, &document);
        let latest = Arc::clone(&function.shape().latest);
        let wanted = match document["Layers"].as_array() {
            Some(wanted) => texts(wanted),
            None => latest.layers.clone(),
        };
        let signing = function.signing;
        let refusal = document["Layers"].as_array().and_then(|_| {
            refusal(latest.code_bytes, signing, &wanted, &asked.place, layers, rules)
        });
        if let Some(refusal) = refusal {
            return refusal;
        }
        let (now, ending) = (Instant::now(), std::mem::take(&mut function.next_update));
        let shape = function.change(rules.lists_lag);
        shape.start_update(now + rules.settles_after, ending, wanted);
        record.moved(&asked.place, &name, None);
        let shown = Shown::of(&name, function, rules).latest(function.shape(), now, None);
        Answer::json(200, &shown)
    }
}

fn texts(array: &[Value]) -> Vec<String> {
    array.iter().filter_map(|text| text.as_str().map(str::to_owned)).collect()
}

impl Ending {
    /// The end that Lambda's own advice speaks of.
    pub(super) fn of_a_conversion() -> Self {
        Self::Badly(FAILS_BECAUSE.to_owned())
    }

    pub(super) fn reason(&self) -> Option<&str> {
        match self {
            Self::Well => None,
            Self::Badly(reason) => Some(reason),
        }
    }
}
