use serde_json::json;

use super::functions::{Function, Functions, missing};
use super::rules::Rules;
use super::{Answer, Asked};

impl Function {
    /// Says which version answers a call: of a hundred calls, an alias's weight of them go to the other one.
    fn executed(&mut self, qualifier: &str) -> String {
        self.invocations += 1;
        let before = (self.invocations - 1) as f64;
        let Some(alias) = self.aliases.get_mut(qualifier) else {
            return qualifier.to_owned();
        };
        let alias = alias.settle();
        let mut weights = alias.weights.iter();
        let other = weights
            .find(|(_, weight)| (before * **weight).floor() < ((before + 1.0) * **weight).floor());
        other.map_or_else(|| alias.version.clone(), |(version, _)| version.clone())
    }
}

impl Functions {
    /// A function answers what it is asked. One with a layer that is broken ends while it starts.
    pub(super) fn invoke(&mut self, asked: &Asked, rules: &Rules) -> Answer {
        let (name, function) = match self.find(asked) {
            Ok(found) => found,
            Err(answer) => return answer,
        };
        let version = function.executed(asked.asks("Qualifier").unwrap_or("$LATEST"));
        let Some(layers) = function.layers_of(&version) else {
            return missing(&asked.place, &format!("{name}:{version}"));
        };
        let number = version.parse().ok();
        let published = number.and_then(|number: u64| function.shape().versions.get(&number));
        if let Some(refusal) = published.and_then(super::versions::Version::refusal) {
            return refusal;
        }
        let mut answer = if rules.breaks(layers) {
            let error = json!({
                "errorType": "Runtime.ExitError",
                "errorMessage": "RequestId: 1 Error: Runtime exited with error: exit status 1",
            });
            let mut answer = Answer::json(200, &error);
            answer.headers.push(("x-amz-function-error", "Unhandled".to_owned()));
            answer
        } else {
            Answer { body: asked.body.clone(), ..Answer::json(200, &json!(null)) }
        };
        answer.headers.push(("x-amz-executed-version", version));
        answer
    }
}
