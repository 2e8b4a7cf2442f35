//! The simulation itself, through the SDK: lists and their pages, code storage, permissions, accounts, Regions.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_config::sts::AssumeRoleProvider;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::types::{FunctionConfiguration, FunctionVersion};
use aws_sdk_resourcegroupstagging::types::TagFilter;
use freshlayer_tests::simulated::{Answering, NewFunction, Outage, RunsOn, Settings, Simulated};
use tokio::time::sleep;

use crate::simulated::block_on;
use crate::simulation::{MINUTE, aliased, lambda, layer, refused, two_versions};

const OTHER: &str = "210987654321";

async fn listed(lambda: &Client) -> Vec<FunctionConfiguration> {
    let asked = lambda.list_functions().function_version(FunctionVersion::All);
    asked.send().await.expect("listed").functions.unwrap_or_default()
}

async fn tagged(aws: &Simulated, key: &str) -> Vec<String> {
    let tagging = aws_sdk_resourcegroupstagging::Client::new(&aws.sdk());
    let mut found = Vec::new();
    let mut token = None;
    loop {
        let asked = tagging.get_resources().tag_filters(TagFilter::builder().key(key).build());
        let page = asked.set_pagination_token(token).send().await.expect("listed");
        let arns = page.resource_tag_mapping_list().iter().filter_map(|one| one.resource_arn());
        found.extend(arns.map(str::to_owned));
        token = page.pagination_token().filter(|token| !token.is_empty()).map(str::to_owned);
        if token.is_none() {
            return found;
        }
    }
}

#[test]
fn lists_show_what_was_so_some_time_ago() {
    block_on(async {
        let aws = Simulated::new();
        let lambda = lambda(&aws);
        aws.function("f", &aliased());
        sleep(MINUTE).await;
        aws.list_functions_after(MINUTE);
        aws.function("new", &NewFunction::default());
        let arn = layer(&aws, "geo").await;
        let update = lambda.update_function_configuration().function_name("f");
        update.layers(arn.as_str()).send().await.expect("it may");
        aws.tag("f", "freshlayer:geo", "hold");
        let lagging = listed(&lambda).await;
        let names: Vec<_> =
            lagging.iter().filter_map(FunctionConfiguration::function_name).collect();
        assert_eq!(names, ["f", "f"], "$LATEST and its version, and not the new function");
        assert!(lagging[0].layers().is_empty());
        assert!(tagged(&aws, "freshlayer:geo").await.is_empty());
        sleep(MINUTE).await;
        let after = listed(&lambda).await;
        assert_eq!(after[0].layers()[0].arn(), Some(arn.as_str()));
        assert_eq!(after.len(), 3);
        assert_eq!(tagged(&aws, "freshlayer:geo").await.len(), 1);
    });
}

#[test]
fn a_list_leaves_out_what_lambda_leaves_out_and_shows_all_else_the_same() {
    block_on(async {
        let aws = Simulated::new();
        let lambda = lambda(&aws);
        let new = NewFunction {
            settings: Settings::full(),
            host: RunsOn::ManagedInstances,
            tags: &[("team", "maps")],
            ..aliased()
        };
        aws.function("f", &new);
        for item in listed(&lambda).await {
            let version = item.version().expect("it has one");
            let asked = lambda.get_function().function_name("f").qualifier(version);
            let whole = asked.send().await.expect("it is there");
            assert!(whole.code().and_then(|code| code.location()).is_some());
            assert_eq!(whole.tags().expect("tags")["team"], "maps");
            let mut whole = whole.configuration.expect("it has one");
            assert!(whole.state.is_some() && whole.last_update_status.is_some());
            assert!(item.state.is_none() && item.last_update_status.is_none());
            assert!(
                whole.runtime_version_config.is_some() && item.runtime_version_config.is_none()
            );
            assert!(whole.durable_config.is_some() && whole.capacity_provider_config.is_some());
            (whole.state, whole.last_update_status, whole.runtime_version_config) =
                Default::default();
            assert_eq!(whole, item, "{version}");
        }
        aws.leave_out(Answering::List, "VpcConfig");
        aws.leave_out(Answering::Get, "Architectures");
        let item = &listed(&lambda).await[0];
        let whole = lambda.get_function().function_name("f").send().await.expect("it is there");
        let whole = whole.configuration().expect("it has one");
        assert!(item.vpc_config().is_none() && whole.vpc_config().is_some());
        assert!(whole.architectures().is_empty() && item.architectures().len() == 1);
    });
}

#[test]
fn twenty_thousand_functions_are_paged_through() {
    const FUNCTIONS: usize = 20_000;
    block_on(async {
        let aws = Simulated::new();
        for number in 0..FUNCTIONS {
            two_versions(&aws, &format!("f{number}"), &aliased());
        }
        aws.tag("f7", "freshlayer:geo", "1");
        let (lambda, mut marker) = (lambda(&aws), None);
        let mut seen = BTreeSet::new();
        loop {
            let asked = lambda.list_functions().function_version(FunctionVersion::All);
            let page = asked.max_items(10_000).set_marker(marker).send().await.expect("listed");
            assert!(page.functions().len() <= 50);
            for item in page.functions() {
                let of = |text: Option<&str>| text.unwrap_or_default().to_owned();
                assert!(seen.insert((of(item.function_name()), of(item.version()))));
            }
            marker = page.next_marker;
            if marker.is_none() {
                break;
            }
            sleep(Duration::from_millis(70)).await;
        }
        assert_eq!(seen.len(), 3 * FUNCTIONS);
        assert_eq!(aws.called().len(), 3 * FUNCTIONS / 50);
        assert_eq!(tagged(&aws, "freshlayer:geo").await.len(), 1);
    });
}

#[test]
fn code_storage_is_counted_and_refused_when_it_is_full() {
    block_on(async {
        let aws = Simulated::new();
        let lambda = lambda(&aws);
        let used = async || {
            let settings = lambda.get_account_settings().send().await.expect("it is told");
            settings.account_usage().expect("usage").total_code_size()
        };
        let most = lambda.get_account_settings().send().await.expect("it is told");
        assert_eq!(most.account_limit().expect("limit").total_code_size(), 300 << 30);
        let new = NewFunction { code_bytes: 1_000, ..aliased() };
        two_versions(&aws, "f", &new);
        assert_eq!(used().await, 3_000, "$LATEST and two versions");
        layer(&aws, "geo").await;
        let unzipped = i64::try_from("geo".len()).expect("it is small");
        assert_eq!(used().await, 3_000 + unzipped);
        aws.leave_room(999);
        let publish = || lambda.publish_version().function_name("f").send();
        assert_eq!(publish().await.expect("nothing changed").version(), Some("2"));
        aws.configure("f", |settings| settings.timeout_secs = 9);
        let full = "400 CodeStorageExceededException: Code storage limit exceeded.";
        assert_eq!(refused(publish().await), full);
        let delete = lambda.delete_function().function_name("f").qualifier("2");
        delete.send().await.expect("nothing leads to it");
        assert_eq!(publish().await.expect("there is room").version(), Some("3"));
    });
}

#[test]
fn durable_executions_are_listed_by_version() {
    block_on(async {
        let aws = Simulated::new();
        two_versions(&aws, "f", &aliased());
        aws.run_durably("f", 1, 2);
        let lambda = lambda(&aws);
        for (version, count) in [("1", 2), ("2", 0)] {
            let asked = lambda.list_durable_executions_by_function().function_name("f");
            let found = asked.qualifier(version).send().await.expect("listed");
            assert_eq!(found.durable_executions().len(), count);
        }
    });
}

#[test]
fn another_account_gets_a_layer_some_time_after_it_is_let_in() {
    block_on(async {
        let (home, other) = (Simulated::new(), OTHER);
        let there = home.at(other, "eu-west-1");
        let arn = layer(&home, "geo").await;
        there.function("f", &NewFunction::default());
        let lambda_there = lambda(&there);
        let update = || {
            let asked = lambda_there.update_function_configuration().function_name("f");
            asked.layers(arn.as_str()).send()
        };
        let denied = format!(
            "403 AccessDeniedException: User: arn:aws:sts::{other}:assumed-role/publisher/run is not authorized to \
             perform: lambda:GetLayerVersion on resource: {arn} because no resource-based policy allows the \
             lambda:GetLayerVersion action"
        );
        assert_eq!(refused(update().await), denied);
        home.permit_after(MINUTE);
        let permit = lambda(&home).add_layer_version_permission().layer_name("geo");
        let permit = permit.version_number(1).statement_id("s").principal("*");
        let permit = permit.action("lambda:GetLayerVersion").organization_id("o-abcdefghij");
        permit.send().await.expect("it is given");
        there.join("o-abcdefghij");
        assert_eq!(refused(update().await), denied, "it spreads");
        sleep(MINUTE).await;
        update().await.expect("it is let in");
        home.deny_layer_for(&arn, MINUTE);
        home.function("f", &NewFunction::default());
        let own = lambda(&home).update_function_configuration().function_name("f");
        let own = own.layers(arn.as_str());
        assert!(refused(own.clone().send().await).starts_with("403 AccessDeniedException"));
        sleep(MINUTE).await;
        own.send().await.expect("the time is over");
    });
}

#[test]
fn a_role_leads_to_another_account_and_each_place_has_its_own_limit() {
    block_on(async {
        let home = Simulated::new();
        let there = home.at(OTHER, "eu-west-1");
        home.function("ours", &NewFunction::default());
        there.function("theirs", &NewFunction::default());
        let assuming = async || {
            let role = format!("arn:aws:iam::{OTHER}:role/freshlayer");
            let role =
                AssumeRoleProvider::builder(role).session_name("tests").configure(&home.sdk());
            let sdk = home.sdk().to_builder();
            let role =
                aws_credential_types::provider::SharedCredentialsProvider::new(role.build().await);
            Client::new(&sdk.credentials_provider(role).build())
        };
        let member = assuming().await;
        assert_eq!(listed(&member).await[0].function_name(), Some("theirs"));
        sleep(MINUTE * 90).await;
        listed(&member).await;
        assert_eq!(home.called_counts()["AssumeRole"], 2, "the first keys ran out");
        assert!(listed(&lambda(&home.at(OTHER, "eu-central-1"))).await.is_empty());
        let lambda = lambda(&home);
        let calls = (0..15).map(|_| listed(&lambda));
        futures_util::future::join_all(calls).await;
        listed(&member).await;
        assert_eq!(home.throttled(), 0);
        there.fail_place(Some(Outage::RoleDenied));
        let refused = assuming().await.list_functions().send().await.expect_err("no role");
        assert!(format!("{refused:?}").contains("sts:AssumeRole"), "{refused:?}");
    });
}

#[test]
fn a_place_fails_alone() {
    block_on(async {
        let home = Simulated::new();
        let there = home.at(OTHER, "eu-west-1");
        there.fail_place(Some(Outage::Denied));
        let said = refused(lambda(&there).list_functions().send().await);
        assert!(
            said.contains("no identity-based policy allows the lambda:ListFunctions"),
            "{said}"
        );
        there.fail_place(Some(Outage::Unreachable));
        assert!(lambda(&there).list_functions().send().await.is_err());
        assert!(listed(&lambda(&home)).await.is_empty());
        there.fail_place(None);
        assert!(listed(&lambda(&there)).await.is_empty());
    });
}

#[test]
fn a_zip_is_copied_from_a_bucket_of_the_region_only() {
    block_on(async {
        let home = Simulated::new();
        layer(&home, "geo").await;
        let content = aws_sdk_lambda::types::LayerVersionContentInput::builder();
        let content = content.s3_bucket("state").s3_key("geo").build();
        let asked = lambda(&home.at("123456789012", "eu-central-1")).publish_layer_version();
        let said = refused(asked.layer_name("geo").content(content).send().await);
        assert!(said.contains("The bucket is in this region: eu-west-1."), "{said}");
    });
}
