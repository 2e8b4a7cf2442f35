//! The simulation itself, through the SDK: what Lambda documents of functions, versions and aliases, in its words.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{
    AliasRoutingConfiguration, FunctionConfiguration, LastUpdateStatus,
    ProvisionedConcurrencyStatusEnum, State,
};
use freshlayer::LayerVersionArn;
use freshlayer::ports::Clock as _;
use freshlayer_tests::clock::EPOCH;
use freshlayer_tests::emulator::a_zip;
use freshlayer_tests::simulated::{BUCKET, NewFunction, Settings, Simulated, SnapStart};
use tokio::time::sleep;

use crate::simulated::block_on;

pub(crate) const MINUTE: Duration = Duration::from_mins(1);

/// Returns the status, code and text of an error.
pub(crate) fn refused<T, E: ProvideErrorMetadata>(result: Result<T, SdkError<E>>) -> String {
    let error = result.err().expect("it is refused");
    let status = error.raw_response().map(|response| response.status().as_u16());
    let (code, text) = (error.code().unwrap_or_default(), error.message().unwrap_or_default());
    format!("{} {code}: {text}", status.unwrap_or_default())
}

pub(crate) fn lambda(aws: &Simulated) -> Client {
    Client::new(&aws.sdk())
}

/// Publishes a layer version at home.
pub(crate) async fn layer(aws: &Simulated, name: &str) -> LayerVersionArn {
    let s3 = aws_sdk_s3::Client::new(&aws.sdk());
    let zip = a_zip(name).into();
    s3.put_object().bucket(BUCKET).key(name).body(zip).send().await.expect("it is stored");
    let content = aws_sdk_lambda::types::LayerVersionContentInput::builder();
    let content = content.s3_bucket(BUCKET).s3_key(name).build();
    let asked = lambda(aws).publish_layer_version().layer_name(name).content(content);
    let published = asked.send().await.expect("it is published");
    let arn = published.layer_version_arn().expect("it has an ARN");
    LayerVersionArn::parse(arn).expect("an ARN")
}

/// Makes a function with an alias `live` on version 1, and a version 2.
pub(crate) fn two_versions(aws: &Simulated, name: &str, new: &NewFunction<'_>) {
    aws.function(name, new);
    aws.deploy(name);
    assert_eq!(aws.release(name), 2);
}

pub(crate) fn aliased() -> NewFunction<'static> {
    NewFunction { aliases: &["live"], code_bytes: 1, ..NewFunction::default() }
}

fn new() -> (Simulated, Client) {
    let aws = Simulated::new();
    let lambda = lambda(&aws);
    (aws, lambda)
}

fn routing(weights: &[(&str, f64)]) -> AliasRoutingConfiguration {
    let own = weights.iter().map(|(version, weight)| ((*version).to_owned(), *weight));
    let weights: HashMap<String, f64> = own.collect();
    AliasRoutingConfiguration::builder().set_additional_version_weights(Some(weights)).build()
}

async fn got(lambda: &Client, name: &str, qualifier: &str) -> FunctionConfiguration {
    let asked = lambda.get_function().function_name(name).qualifier(qualifier);
    asked.send().await.expect("it is there").configuration.expect("it has one")
}

/// Writes weights as `2=0.25`.
fn written<'a>(weights: impl IntoIterator<Item = (&'a String, &'a f64)>) -> Vec<String> {
    weights.into_iter().map(|(version, weight)| format!("{version}={weight}")).collect()
}

fn of(routing: Option<&AliasRoutingConfiguration>) -> Vec<String> {
    let weights = routing.and_then(AliasRoutingConfiguration::additional_version_weights);
    written(weights.into_iter().flatten())
}

async fn weights(lambda: &Client, name: &str) -> Vec<String> {
    let alias = lambda.get_alias().function_name(name).name("live").send().await;
    of(alias.expect("it is there").routing_config())
}

#[test]
fn the_clock_counts_virtual_time() {
    block_on(async {
        let aws = Simulated::new();
        sleep(MINUTE * 90).await;
        assert_eq!(aws.clock().now().to_string(), "2026-11-01T01:30:00Z");
        assert_eq!(aws.copy().clock().elapsed(), MINUTE * 90);
        assert_eq!(EPOCH.to_string(), "2026-11-01T00:00:00Z");
    });
}

#[test]
fn weights_stay_where_they_are_left_out_and_go_where_they_are_empty() {
    block_on(async {
        let (aws, lambda) = new();
        two_versions(&aws, "f", &aliased());
        let ask = || lambda.update_alias().function_name("f").name("live");
        let split = ask().routing_config(routing(&[("2", 0.25)])).send().await;
        split.expect("two versions");
        ask().description("the same").send().await.expect("nothing is wrong");
        assert_eq!(weights(&lambda, "f").await, ["2=0.25"]);
        assert_eq!(written(&aws.shares("f", "live")), ["1=0.75", "2=0.25"]);
        let listed = lambda.list_aliases().function_name("f").send().await.expect("listed");
        assert_eq!(of(listed.aliases()[0].routing_config()), ["2=0.25"]);
        let kept = "400 InvalidParameterValueException: Invalid function version 2. Function version 2 is already \
                    included in routing configuration.";
        assert_eq!(refused(ask().function_version("2").send().await), kept);
        let empty = AliasRoutingConfiguration::builder().build();
        let done = ask().function_version("2").routing_config(empty).send().await;
        done.expect("the weights are cleared");
        assert!(weights(&lambda, "f").await.is_empty());
        aws.weigh("f", "live", 1, 0.5);
        assert_eq!(weights(&lambda, "f").await, ["1=0.5"]);
    });
}

#[test]
fn weights_that_lambda_refuses() {
    block_on(async {
        let (aws, lambda) = new();
        two_versions(&aws, "f", &aliased());
        let cases = [
            (
                "1",
                vec![("2", 0.1), ("3", 0.1)],
                "400 InvalidParameterValueException: Number of items in AdditionalVersionWeights cannot be greater than 1",
            ),
            (
                "$LATEST",
                vec![("2", 0.1)],
                "400 InvalidParameterValueException: $LATEST is not supported for an alias pointing to more than 1 version",
            ),
            (
                "1",
                vec![("1", 0.1)],
                "400 InvalidParameterValueException: Invalid function version 1. Function version 1 is already included \
                 in routing configuration.",
            ),
            (
                "1",
                vec![("9", 0.1)],
                "404 ResourceNotFoundException: Function not found: arn:aws:lambda:eu-west-1:123456789012:function:f:9",
            ),
            (
                "1",
                vec![("2", 1.5)],
                "400 ValidationException: 1 validation error detected: Value '{2=1.5}'",
            ),
        ];
        for (version, weights, words) in cases {
            let asked = lambda.update_alias().function_name("f").name("live");
            let asked = asked.function_version(version).routing_config(routing(&weights));
            let said = refused(asked.send().await);
            assert!(said.starts_with(words), "{said}");
        }
    });
}

#[test]
fn lambda_holds_an_alias_back_until_its_provisioned_concurrency_is_ready() {
    block_on(async {
        let (aws, lambda) = new();
        two_versions(&aws, "f", &aliased());
        let asked =
            || lambda.get_provisioned_concurrency_config().function_name("f").qualifier("live");
        let none = "404 ProvisionedConcurrencyConfigNotFoundException: No Provisioned Concurrency Config found for \
                    this function";
        assert_eq!(refused(asked().send().await), none);
        aws.provision("f", "live", 3);
        aws.provision_after(MINUTE);
        let ask = || lambda.update_alias().function_name("f").name("live");
        let split = ask().routing_config(routing(&[("2", 0.1)])).send().await;
        let words = "400 InvalidParameterValueException: Invalid alias configuration for provisioned concurrency";
        assert_eq!(refused(split), words);
        let moved = ask().function_version("2").send().await.expect("it may be moved");
        assert_eq!(weights(&lambda, "f").await, ["1=1"], "the version before serves");
        let state = asked().send().await.expect("it has some");
        assert_eq!(state.status(), Some(&ProvisionedConcurrencyStatusEnum::InProgress));
        let all = lambda.list_provisioned_concurrency_configs().function_name("f").send().await;
        let all = all.expect("listed").provisioned_concurrency_configs.unwrap_or_default();
        assert!(all[0].function_arn().is_some_and(|arn| arn.ends_with(":function:f:live")));
        sleep(MINUTE).await;
        assert!(weights(&lambda, "f").await.is_empty());
        let state = asked().send().await.expect("it has some");
        assert_eq!(state.status(), Some(&ProvisionedConcurrencyStatusEnum::Ready));
        let lost = ask().revision_id(moved.revision_id().expect("it has one")).send().await;
        assert!(
            refused(lost).starts_with("412 PreconditionFailedException"),
            "Lambda changed it, too"
        );
    });
}

#[test]
fn provisioned_concurrency_that_fails_leaves_its_weights() {
    block_on(async {
        let (aws, lambda) = new();
        two_versions(&aws, "f", &aliased());
        aws.provision("f", "live", 3);
        aws.fail_next_provisioning("f", "live", "FUNCTION_ERROR_INIT_FAILURE");
        let ask = || lambda.update_alias().function_name("f").name("live");
        ask().function_version("2").send().await.expect("it may be moved");
        sleep(MINUTE).await;
        let state =
            lambda.get_provisioned_concurrency_config().function_name("f").qualifier("live");
        let state = state.send().await.expect("it has some");
        assert_eq!(state.status(), Some(&ProvisionedConcurrencyStatusEnum::Failed));
        assert_eq!(state.status_reason(), Some("FUNCTION_ERROR_INIT_FAILURE"));
        assert_eq!(written(&aws.shares("f", "live")), ["1=1"]);
        let stuck = refused(ask().description("the same").send().await);
        assert!(stuck.contains("Invalid alias configuration"), "{stuck}");
        let back = ask().function_version("1").routing_config(routing(&[])).send().await;
        back.expect("the way back is to clear them");
        assert!(weights(&lambda, "f").await.is_empty());
    });
}

#[test]
fn a_pending_version_takes_no_call_and_no_change() {
    block_on(async {
        let (aws, lambda) = new();
        aws.function("f", &aliased());
        aws.deploy("f");
        aws.activate_after(MINUTE);
        let published =
            lambda.publish_version().function_name("f").description("the second").send();
        let published = published.await.expect("it is published");
        assert_eq!(published.state(), Some(&State::Pending));
        let words = "409 ResourceConflictException: The operation cannot be performed at this time. The function is \
                     currently in the following state: Pending";
        let moving = || lambda.update_alias().function_name("f").name("live");
        assert_eq!(refused(moving().function_version("2").send().await), words);
        assert_eq!(refused(moving().routing_config(routing(&[("2", 0.1)])).send().await), words);
        let invoke = lambda.invoke().function_name("f").qualifier("2").send().await;
        assert_eq!(refused(invoke), words);
        let delete = lambda.delete_function().function_name("f").qualifier("2").send().await;
        assert_eq!(refused(delete), words);
        sleep(MINUTE).await;
        let active = got(&lambda, "f", "2").await;
        assert_eq!(
            (active.state(), active.description()),
            (Some(&State::Active), Some("the second"))
        );
        assert_ne!(active.revision_id(), published.revision_id());
        let listed = lambda.list_versions_by_function().function_name("f").send().await;
        let listed = listed.expect("listed").versions.unwrap_or_default();
        let told = listed.iter().map(|one| (one.version(), one.description()));
        let expected = [("$LATEST", ""), ("1", ""), ("2", "the second")];
        let expected = expected.map(|(version, words)| (Some(version), Some(words)));
        assert_eq!(told.collect::<Vec<_>>(), expected);
        moving().function_version("2").send().await.expect("it is active");
    });
}

#[test]
fn a_snapshot_takes_its_time_and_may_fail() {
    block_on(async {
        let (aws, lambda) = new();
        let settings = Settings { snap_start: SnapStart::PublishedVersions, ..Settings::default() };
        aws.function("f", &NewFunction { settings, ..aliased() });
        let published = || lambda.publish_version().function_name("f").send();
        aws.deploy("f");
        published().await.expect("it is published");
        sleep(MINUTE).await;
        assert_eq!(got(&lambda, "f", "2").await.state(), Some(&State::Pending));
        sleep(MINUTE).await;
        assert_eq!(got(&lambda, "f", "2").await.state(), Some(&State::Active));
        aws.configure("f", |settings| settings.memory_mb = 512);
        aws.fail_next_version("f", "no memory for the data");
        published().await.expect("it is published");
        sleep(MINUTE * 2).await;
        let failed = got(&lambda, "f", "3").await;
        assert_eq!(failed.state(), Some(&State::Failed));
        assert_eq!(failed.state_reason(), Some("no memory for the data"));
        let moved = lambda.update_alias().function_name("f").name("live").function_version("3");
        let said = refused(moved.send().await);
        assert!(said.ends_with("currently in the following state: Failed"), "{said}");
    });
}

#[test]
fn after_an_update_that_fails_the_new_layers_are_listed_and_the_old_ones_served() {
    block_on(async {
        let (aws, lambda) = new();
        let (first, second) = (layer(&aws, "geo").await, layer(&aws, "geo").await);
        let new = NewFunction { layers: std::slice::from_ref(&first), ..NewFunction::default() };
        aws.function("f", &new);
        aws.fail_next_update("f");
        let update = || lambda.update_function_configuration().function_name("f");
        let update = || update().layers(second.as_str());
        let begun = update().send().await.expect("it begins well");
        assert_eq!(begun.last_update_status(), Some(&LastUpdateStatus::InProgress));
        let conflict = refused(update().send().await);
        let words = "409 ResourceConflictException: The operation cannot be performed at this time. An update is in \
                     progress for resource: arn:aws:lambda:eu-west-1:123456789012:function:f";
        assert_eq!(conflict, words);
        sleep(MINUTE).await;
        let failed = got(&lambda, "f", "$LATEST").await;
        assert_eq!(failed.last_update_status(), Some(&LastUpdateStatus::Failed));
        let reason = failed.last_update_status_reason().expect("a reason");
        assert!(reason.starts_with("Lambda layer conversion failed."), "{reason}");
        assert_eq!(failed.layers()[0].arn(), Some(second.as_str()));
        assert_ne!(failed.revision_id(), begun.revision_id());
        assert_eq!(aws.serving(), [format!("f [\"{first}\"] []")]);
        update().send().await.expect("the next one begins well");
        sleep(MINUTE).await;
        assert_eq!(aws.serving(), [format!("f [\"{second}\"] []")]);
    });
}

#[test]
fn a_broken_layer_shows_in_calls_and_an_alias_shares_them_out() {
    block_on(async {
        let (aws, lambda) = new();
        let (good, bad) = (layer(&aws, "geo").await, layer(&aws, "geo").await);
        let layers = [good];
        aws.function("f", &NewFunction { layers: &layers, ..aliased() });
        let update = lambda.update_function_configuration().function_name("f");
        update.layers(bad.as_str()).send().await.expect("it may");
        sleep(MINUTE).await;
        assert_eq!(aws.release("f"), 2);
        aws.break_layer(&bad);
        aws.weigh("f", "live", 2, 0.2);
        let mut errors = 0;
        for _ in 0..10 {
            let asked =
                lambda.invoke().function_name("f").qualifier("live").payload(Blob::new("7"));
            let answer = asked.send().await.expect("it is called");
            let (version, error) = (answer.executed_version(), answer.function_error());
            assert_eq!(version == Some("2"), error == Some("Unhandled"));
            errors += u32::from(error.is_some());
        }
        assert_eq!(errors, 2);
    });
}

#[test]
fn a_version_that_an_alias_leads_to_stays_and_a_function_always_does() {
    block_on(async {
        let (aws, lambda) = new();
        two_versions(&aws, "f", &aliased());
        let delete =
            |version: &str| lambda.delete_function().function_name("f").qualifier(version).send();
        let words = "409 ResourceConflictException: Unable to delete version because the following aliases reference \
                     it: [live]";
        assert_eq!(refused(delete("1").await), words);
        aws.weigh("f", "live", 2, 0.1);
        assert_eq!(refused(delete("2").await), words);
        aws.point("f", "live", 2);
        delete("1").await.expect("nothing leads to it");
        assert_eq!(aws.deleted_versions(), [("f".to_owned(), 1)]);
        assert_eq!(aws.versions_of("f").into_keys().collect::<Vec<_>>(), [2]);
        aws.configure("f", |settings| settings.timeout_secs = 9);
        assert_eq!(aws.release("f"), 3, "numbers are never used again");
        let latest = refused(delete("$LATEST").await);
        assert!(latest.contains("$LATEST version cannot be deleted"), "{latest}");
        let whole = lambda.delete_function().function_name("f").send().await;
        assert!(refused(whole).starts_with("403"));
        let update = lambda.update_function_configuration().function_name("f").memory_size(256);
        update.send().await.expect("Lambda does it");
        assert_eq!(aws.violations().len(), 3, "none of them is freshlayer's to do");
    });
}

#[test]
fn what_changed_is_told_with_its_time() {
    block_on(async {
        let (aws, lambda) = new();
        two_versions(&aws, "f", &aliased());
        sleep(MINUTE).await;
        let moved = lambda.update_alias().function_name("f").name("live").function_version("2");
        moved.send().await.expect("it may");
        lambda.update_function_configuration().function_name("f").send().await.expect("it may");
        let moved = aws.moved_at();
        let told = moved.iter().map(|moved| (&*moved.function, moved.alias.as_deref()));
        assert_eq!(told.collect::<Vec<_>>(), [("f", Some("live")), ("f", None)]);
        assert!(moved[0].at >= MINUTE && moved[0].at < MINUTE + Duration::from_secs(1));
        assert_eq!(aws.called_counts()["UpdateAlias"], 1);
        assert_eq!(aws.called(), ["UpdateAlias", "UpdateFunctionConfiguration"]);
        assert!(aws.called_counts().is_empty());
    });
}
