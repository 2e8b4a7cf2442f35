//! How people's own deployments take the layer version of freshlayer: the snippets of `docs/deploying.md`.

use std::fs;

use freshlayer_tests::databases::Mmdb;
use freshlayer_tests::sandbox::{block_on, workspace};

use crate::aws::Cloud;
use crate::refresh::GEO;

#[test]
fn the_page_shows_the_files_of_the_examples() {
    let page = fs::read_to_string(workspace().join("docs/deploying.md")).expect("readable");
    let examples = fs::read_dir(workspace().join("examples/deploy")).expect("readable");
    let mut count = 0;
    for example in examples {
        let path = example.expect("readable").path();
        let text = fs::read_to_string(&path).expect("readable");
        assert!(page.contains(&text), "{} stands in docs/deploying.md as it is", path.display());
        count += 1;
    }
    assert_eq!(count, 5);
}

#[test]
fn a_stack_takes_the_promoted_version_and_the_next_one_with_the_same_template() {
    block_on(async {
        let cloud = Cloud::new().await;
        cloud.sandbox.layer("geo", &format!("rollout.roll = 'propose'\n{GEO}"));
        let template = workspace().join("examples/deploy/cloudformation.yaml");
        for version in [1, 2] {
            let ran = cloud.run(&["refresh"]);
            assert_eq!(ran.code, 0, "{ran:?}");
            let outputs = cloud.account.deploy_template(&template, None, &[]);
            let function = outputs["FunctionName"].as_str().expect("an output");
            let layers = cloud.account.layers(function, "$LATEST").await;
            assert_eq!(layers, [cloud.version("geo", version).to_string()]);
            cloud.sandbox.upstream.publish("country.mmdb", &Mmdb::later(3).bytes());
        }
    });
}
