use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use freshlayer::definition::RolloutHook;
use freshlayer::ports::{Hook, PortError};
use serde_json::{Value, json};

/// A hook of a story: it counts the questions of a rollout by the state that it is given back.
#[derive(Debug, Default)]
pub struct ScriptedHook {
    says: Mutex<Script>,
}

/// How a hook answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Script {
    /// With a verdict.
    Verdict(String),
    /// With another text.
    Text(String),
    /// Not at all.
    #[default]
    Silent,
}

impl ScriptedHook {
    /// From now on it answers like this.
    pub fn say(&self, script: &Script) {
        script.clone_into(&mut self.says.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

#[async_trait]
impl Hook for ScriptedHook {
    async fn ask(&self, _hook: &RolloutHook, question: &str) -> Result<String, PortError> {
        let question: Value = serde_json::from_str(question)?;
        let asked = question["state"]["asked"].as_u64().unwrap_or(0) + 1;
        let functions = question["functions"].as_object().into_iter().flatten();
        let functions: usize =
            functions.filter_map(|(_, names)| Some(names.as_array()?.len())).sum();
        match self.says.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            Script::Silent => Err("connection refused".into()),
            Script::Text(text) => Ok(text),
            Script::Verdict(verdict) => {
                let reason =
                    format!("question {asked}, wave {}, functions {functions}", question["wave"]);
                Ok(json!({ "verdict": verdict, "reason": reason, "state": { "asked": asked } })
                    .to_string())
            }
        }
    }
}
