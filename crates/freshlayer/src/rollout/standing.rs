use super::drive::Drive;
use super::survey::Survey;
use crate::names::Place;
use crate::ports::FunctionName;
use crate::report::{ConsumerReport, ConsumerState};

/// Says where every consumer stands, without doing anything; and what could not be asked.
pub(crate) fn standing(survey: Survey) -> (Vec<ConsumerReport>, Vec<(Place, String)>) {
    let (mut consumers, mut unknown) = (Vec::new(), Vec::new());
    for look in survey.looks {
        let found = match look.found {
            Ok(found) => found,
            Err(reason) => {
                unknown.push((look.place, reason));
                continue;
            }
        };
        let steps = found.plan.steps.iter();
        let moving: Vec<FunctionName> = steps.map(|step| step.function().clone()).collect();
        let mut here = Drive::new(look.place, look.fleet, found).finish().consumers;
        for consumer in here.iter_mut().filter(|c| moving.contains(&c.function)) {
            consumer.state = ConsumerState::Behind;
            consumer.reason = Some("the next refresh moves it".to_owned());
        }
        consumers.append(&mut here);
    }
    (consumers, unknown)
}
