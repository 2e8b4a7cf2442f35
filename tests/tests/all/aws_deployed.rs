//! The template in an account of the emulator: the publisher runs there as a Lambda, and a consumer reads what it
//! published from /opt.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use aws_sdk_lambda::client::Waiters as _;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{Environment, FunctionCode, InvocationType, Runtime};
use freshlayer::LayerVersionArn;
use freshlayer_tests::al2023::bootstrap;
use freshlayer_tests::databases::{KNOWN_ADDRESS, Mmdb};
use freshlayer_tests::emulator::{Account, emulator, python};
use freshlayer_tests::rie::Running;
use freshlayer_tests::sandbox::{Ran, Sandbox, block_on, workspace};
use freshlayer_tests::upstream::Fault;
use serde_json::{Value, json};

use crate::aws::AT_ONCE;
use crate::aws_regions::{FAR, member_role, spread};
use crate::refresh::GEO;

/// Zips a bootstrap with more files beside it. Stored, because debug binaries are large and this is read once.
fn function_zip(bootstrap: &Path, beside: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Stored)
        .unix_permissions(0o755);
    let binary = std::fs::read(bootstrap).expect("it was built");
    for (name, content) in [("bootstrap", &binary[..])].iter().chain(beside) {
        zip.start_file(*name, options).expect("a new entry");
        zip.write_all(content).expect("in memory");
    }
    zip.finish().expect("in memory").into_inner()
}

/// A stack of the shipped template over an upstream of our own.
pub(crate) struct Deployed {
    pub(crate) sandbox: Sandbox,
    pub(crate) account: Account,
    pub(crate) publisher: String,
    /// The function that deletes old releases; empty where the parameters ask for none.
    pub(crate) pruner: String,
    pub(crate) bucket: String,
}

impl Deployed {
    pub(crate) async fn new() -> Self {
        Self::with(&[]).await
    }

    pub(crate) async fn with(parameters: &[&str]) -> Self {
        Self::of(emulator().account().await, parameters, AT_ONCE)
    }

    /// A stack whose layers go to another Region and another account, too.
    async fn spread() -> Self {
        let (account, member) = (emulator().account().await, emulator().account().await);
        let role = member_role(&account, &member);
        let (regions, roles) = (format!("RegionPattern={FAR}"), format!("MemberRoleArn={role}"));
        let terms = format!("{AT_ONCE}{}", spread(&member, &role));
        let deployed = Self::of(account, &[&regions, &roles], &terms);
        let far = deployed.account.in_region(FAR);
        far.make_bucket(&format!("{}-{FAR}", deployed.bucket)).await;
        deployed
    }

    /// `terms` stand at the begin of its layers' definitions.
    pub(crate) fn of(account: Account, parameters: &[&str], terms: &str) -> Self {
        let sandbox = Sandbox::new();
        sandbox.layer("geo", &format!("{terms}{GEO}"));
        sandbox.upstream.publish("country.mmdb", &Mmdb::default().bytes());
        let definition = std::fs::read(sandbox.path("layers/geo.toml")).expect("it was written");
        let code = sandbox.path("publisher.zip");
        let other = String::from_utf8_lossy(&definition).replace("country.mmdb", "other.mmdb");
        let layers =
            [("layers/geo.toml", &definition[..]), ("layers/other.toml", other.as_bytes())];
        sandbox.upstream.publish("other.mmdb", &Mmdb::default().bytes());
        let zip = function_zip(&bootstrap("publisher"), &layers);
        std::fs::write(&code, zip).expect("writable");
        let template = workspace().join("infra/template.yaml");
        let parameters = [&["LayerNames=*", "FunctionsToRoll=*"], parameters].concat();
        let outputs = account.deploy_template(&template, Some(&code), &parameters);
        let output = |name: &str| outputs[name].as_str().expect("an output").to_owned();
        Self {
            publisher: output("PublisherName"),
            pruner: outputs["PrunerName"].as_str().unwrap_or_default().to_owned(),
            bucket: output("StateBucket"),
            sandbox,
            account,
        }
    }

    /// The emulator speaks plain http, which the shipped bucket policy forbids.
    pub(crate) async fn without_tls(self) -> Self {
        let s3 = self.account.s3();
        let removed = s3.delete_bucket_policy().bucket(&self.bucket).send().await;
        removed.expect("the bucket has a policy");
        self
    }

    /// Takes statements out of the publisher's policy, or puts the whole one back; returns all their names.
    pub(crate) async fn permit_all_but(&self, removed: &[&str]) -> Vec<String> {
        self.permit(&self.publisher, removed).await
    }

    /// As [`Self::permit_all_but`], for any function.
    pub(crate) async fn permit(&self, function: &str, removed: &[&str]) -> Vec<String> {
        let kept = self.sandbox.path(&format!("policy-{function}.json"));
        let (role, kept) = (self.role(function).await, kept.to_string_lossy().into_owned());
        self.ask_boto("policy.py", &[&[role.as_str(), kept.as_str()], removed].concat())
    }

    /// Returns the name of a function's role.
    pub(crate) async fn role(&self, function: &str) -> String {
        let asked = self.account.lambda().get_function_configuration();
        let found = asked.function_name(function).send().await.expect("it is deployed");
        found.role().and_then(|arn| arn.rsplit('/').next()).expect("it has a role").to_owned()
    }

    /// Runs one of the scripts beside the emulator; returns the lines that it prints.
    pub(crate) fn ask_boto(&self, script: &str, arguments: &[&str]) -> Vec<String> {
        let done = Command::new(python())
            .arg(workspace().join("tests/emulator").join(script))
            .args(arguments)
            .envs(self.account.environment())
            .env("AWS_DEFAULT_REGION", freshlayer_tests::emulator::REGION)
            .output()
            .expect("python starts");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let lines = String::from_utf8(done.stdout).expect("text");
        lines.lines().map(str::to_owned).collect()
    }

    /// As [`Self::asked`], once no wake-up of an earlier run works on the layer.
    async fn runs_well(&self) -> Result<Value, String> {
        const LOOKS: u32 = 60;
        for _ in 1..LOOKS {
            match self.asked().await {
                Ok(answer) if is_busy(&answer) => tokio::time::sleep(Duration::from_secs(1)).await,
                done => return done,
            }
        }
        self.asked().await
    }

    /// Invokes the publisher; tells whether all went well, and nothing beside it went wrong.
    async fn asked(&self) -> Result<Value, String> {
        let asked = self.account.lambda().invoke().function_name(&self.publisher);
        let event = json!({"command": "refresh", "layers": ["geo", "other"]});
        let payload = Blob::new(event.to_string());
        let answer = asked.payload(payload).send().await.expect("invocable");
        let payload = answer.payload().map(Blob::as_ref).unwrap_or_default();
        let text = String::from_utf8_lossy(payload).into_owned();
        let document: Value = serde_json::from_str(&text).unwrap_or_default();
        let well = answer.function_error().is_none()
            && document["warnings"].is_null()
            && !text.contains("not-retired");
        if well && [json!(0), json!(4)].contains(&document["exit_code"]) {
            Ok(document)
        } else {
            Err(text)
        }
    }

    /// Changes how long the publisher may run.
    async fn timeout_secs(&self, timeout: i32) {
        let lambda = self.account.lambda();
        let asked = lambda.update_function_configuration();
        let asked = asked.function_name(&self.publisher).timeout(timeout);
        asked.send().await.expect("it is deployed");
        // What is invoked while an update is in progress may meet the old process on its way out.
        let settled = lambda.wait_until_function_updated_v2();
        let settled = settled.function_name(&self.publisher);
        settled.wait(Duration::from_mins(1)).await.expect("it settles");
    }

    /// Runs twice: with next to no time, so that layers are handed on and functions left for a wake-up, and with
    /// all the time in the world.
    async fn runs_short_and_long(&self) -> Result<(), String> {
        self.timeout_secs(SHORT_SECS).await;
        let short = self.runs_well().await?;
        self.timeout_secs(900).await;
        let long = self.runs_well().await?;
        let (later, done) = (&short["handed_on"], &long["exit_code"]);
        if *later == json!(["other"]) && *done == json!(0) {
            Ok(())
        } else {
            Err(format!("{short:#} {long:#}"))
        }
    }

    pub(crate) async fn invoke(&self, function: &str, event: &Value) -> Value {
        self.account.invoke(function, event).await
    }

    /// Returns an object of the state.
    pub(crate) async fn stored(&self, key: &str) -> Value {
        let stored = self.account.s3().get_object().bucket(&self.bucket).key(key).send().await;
        let bytes = stored.expect("it is there").body.collect().await.expect("readable");
        serde_json::from_slice(&bytes.into_bytes()).expect("JSON")
    }

    /// Asks a consumer until it answers from a release: its layer moves when another invocation is done.
    async fn answer_of(&self, function: &str, question: &Value, release: u64) -> Value {
        const LOOKS: u32 = 60;
        for _ in 1..LOOKS {
            let answer = self.invoke(function, question).await;
            if answer["release"] == release {
                return answer;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        self.invoke(function, question).await
    }

    /// Asks the publisher until no other invocation works on the layer: the one that moved it still writes that down.
    async fn once_idle(&self, event: &Value) -> Value {
        const LOOKS: u32 = 60;
        for _ in 1..LOOKS {
            let answer = self.invoke(&self.publisher, event).await;
            if !is_busy(&answer) {
                return answer;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        self.invoke(&self.publisher, event).await
    }

    /// Deploys the example consumer on a layer.
    pub(crate) async fn consumer(&self, name: &str, layer: &str) {
        let code = function_zip(&bootstrap("geo-lookup"), &[]);
        let code = FunctionCode::builder().zip_file(Blob::new(code)).build();
        let made = self
            .account
            .lambda()
            .create_function()
            .function_name(name)
            .runtime(Runtime::Providedal2023)
            .handler("bootstrap")
            .role(self.account.role())
            .environment(Environment::builder().variables("LOOKUP_DATASET", "country").build())
            .layers(layer)
            .code(code);
        made.send().await.expect("the function is new");
    }
}

/// Tells whether another invocation works on the layer that was asked for.
fn is_busy(answer: &Value) -> bool {
    answer["layers"][0]["outcome"]["reason"]["why"]["code"] == "busy"
}

/// Asks for one layer, as the schedule's invocation does for each.
pub(crate) fn geo() -> Value {
    json!({"command": "refresh", "layers": ["geo"], "asked_by": "schedule"})
}

#[test]
fn the_deployed_publisher_moves_a_consumer_and_its_answer_changes() {
    block_on(async {
        let deployed = Deployed::new().await.without_tls().await;
        let first = deployed.invoke(&deployed.publisher, &geo()).await;
        assert_eq!(first["exit_code"], 0, "{first:#}");
        let arn = first["layers"][0]["release"]["layer_versions"]
            [freshlayer_tests::emulator::REGION]
            .clone();
        deployed.consumer("lookup", arn.as_str().expect("an ARN")).await;
        let question = json!({"ip": KNOWN_ADDRESS});
        let before = deployed.invoke("lookup", &question).await;
        assert_eq!(
            (&before["release"], &before["record"]["country"]["iso_code"]),
            (&json!(1), &json!("BR"))
        );

        deployed.sandbox.upstream.publish("country.mmdb", &Mmdb::later(3).bytes());
        let event =
            std::fs::read(workspace().join("infra/events/scheduled.json")).expect("it is shipped");
        let event = serde_json::from_slice(&event).expect("JSON");
        // By its whole name: the publisher hands on to itself, which the role allows without a qualifier only.
        let qualified = format!("{}:$LATEST", deployed.publisher);
        let second = deployed.invoke(&qualified, &event).await;
        // One of the two layers is done here, and the other one by an invocation of its own.
        assert_eq!(second["layers"].as_array().map(Vec::len), Some(1), "{second:#}");
        assert_eq!(second["handed_on"].as_array().map(Vec::len), Some(1), "{second:#}");
        let after = deployed.answer_of("lookup", &question, 2).await;
        assert_eq!((&after["release"], &after["version"]), (&json!(2), &json!("1.0.1")));

        let duplicate = deployed.once_idle(&geo()).await;
        assert_eq!(duplicate["layers"][0]["outcome"]["kind"], "unchanged", "{duplicate:#}");
        deployed.sandbox.upstream.publish("country.mmdb", &Mmdb::later(4).bytes());
        let remote = [
            "refresh",
            "geo",
            "--target",
            "aws",
            "--remote",
            &deployed.publisher,
            "--bucket",
            &deployed.bucket,
        ];
        let mut command = deployed.sandbox.command(&remote);
        let output =
            command.envs(deployed.account.environment()).output().expect("the binary starts");
        let ran = Ran::of(&output);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.stdout.contains("geo: refreshed: release 3"), "{ran:?}");
        let answer = deployed.invoke("lookup", &question).await;
        assert_eq!(answer["release"], 3);
        // The function's own layers, pulled to this machine, under AWS's emulator of the runtime interface.
        let running = Running::start(&bootstrap("geo-lookup"), |line| {
            let exec = ["exec", "--target", "aws", "--function", "lookup", "--bucket"];
            let exec = exec.into_iter().chain([&deployed.bucket[..], "--"]);
            let whole: Vec<&str> = exec.chain(line.iter().map(String::as_str)).collect();
            let mut command = deployed.sandbox.command(&whole);
            command.envs(deployed.account.environment()).env("LOOKUP_DATASET", "country");
            command
        });
        let mut same = running.invoke(&question);
        // Seconds may have passed.
        same["age_secs"] = answer["age_secs"].clone();
        assert_eq!(same, answer, "the same zip, the same answer");
        let back = deployed
            .invoke(&deployed.publisher, &json!({"command": "rollback", "layer": "geo", "to": 2}))
            .await;
        assert_eq!(back["exit_code"], 0, "{back:#}");
        assert_eq!(deployed.invoke("lookup", &question).await["release"], 2);
    });
}

/// So short that the publisher sees no time for functions.
const SHORT_SECS: i32 = 60;

/// Statements whose want is not noticed here, and why.
const NOT_NOTICED: [(&str, &str); 6] = [
    ("GoOnLaterAs", "it does not ask whether a role may be passed on"),
    ("ReadLayersOursAndOthers", "it takes GetLayerVersionByArn for ListLayers"),
    ("SendDeadLetters", "Lambda does it, the emulator does it by itself"),
    ("TellMissingFromForbidden", "a missing object is 404 there, whatever the policy says"),
    ("WatchFunctions", "functions move all at once here; `aws_gates` leaves it out"),
    ("WriteLog", "Lambda does it, the emulator does it by itself"),
];

#[test]
fn no_statement_of_the_policy_can_be_left_out() {
    block_on(async {
        let deployed = Deployed::spread().await.without_tls().await;
        deployed.runs_well().await.expect("a first release");
        let arn = format!(
            "arn:aws:lambda:{}:{}:layer:geo:1",
            freshlayer_tests::emulator::REGION,
            deployed.account.id
        );
        let layer = LayerVersionArn::parse(&arn).expect("an ARN");
        let layers = [layer];
        deployed.account.function("aliased", &layers, &["live"], &[]).await;
        let names = deployed.permit_all_but(&[]).await;
        assert!(names.len() > 5, "{names:?}");
        let mut needless = Vec::new();
        let is_noticed = |name: &&String| NOT_NOTICED.iter().all(|(known, _)| known != name);
        let ours = names.iter().filter(is_noticed);
        for (days, name) in (1..).zip(ours) {
            let build = Mmdb::later(days).bytes();
            deployed.sandbox.upstream.publish("country.mmdb", &build);
            deployed.permit_all_but(&[name]).await;
            if deployed.runs_short_and_long().await.is_ok() {
                needless.push(name);
            }
            deployed.permit_all_but(&[]).await;
            let healed = deployed.runs_short_and_long().await;
            assert_eq!(healed, Ok(()), "heals after {name} was missing");
        }
        assert!(needless.is_empty(), "nothing needs {needless:?}");
    });
}

#[test]
fn the_role_deletes_versions_and_never_a_function() {
    block_on(async {
        let deployed = Deployed::new().await;
        let function = format!(
            "arn:aws:lambda:{}:{}:function:lookup",
            freshlayer_tests::emulator::REGION,
            deployed.account.id
        );
        let role = deployed.role(&deployed.publisher).await;
        let version = format!("{function}:3");
        let arguments = [role.as_str(), "lambda:DeleteFunction", &function, &version];
        assert_eq!(deployed.ask_boto("may.py", &arguments), ["implicitDeny", "allowed"]);
        let layer = function.replace("function:lookup", "layer:geo:1");
        let arguments = [role.as_str(), "lambda:DeleteLayerVersion", &layer];
        assert_eq!(deployed.ask_boto("may.py", &arguments), ["implicitDeny"]);
        let zip = format!("arn:aws:s3:::{}/blobs/a.zip", deployed.bucket);
        let arguments = [role.as_str(), "s3:DeleteObject", &zip];
        assert_eq!(deployed.ask_boto("may.py", &arguments), ["implicitDeny"]);
        assert!(deployed.pruner.is_empty(), "nothing is pruned unless it is asked for");
    });
}

#[test]
fn state_is_not_reached_without_tls() {
    block_on(async {
        let deployed = Deployed::new().await;
        let refused = deployed.runs_well().await.expect_err("the emulator speaks plain http");
        assert!(refused.contains("explicit deny in a resource-based policy"), "{refused}");
    });
}

/// `aws_waves` shows that a wake-up fires.
#[test]
fn a_rollout_that_ran_out_of_time_is_to_be_woken() {
    block_on(async {
        let deployed = Deployed::new().await.without_tls().await;
        let first = deployed.invoke(&deployed.publisher, &geo()).await;
        let arn = first["layers"][0]["places"][0]["layer_version"].as_str();
        let old = LayerVersionArn::parse(arn.expect("published")).expect("an ARN");
        let account = &deployed.account;
        account.function("waits", std::slice::from_ref(&old), &[], &[]).await;
        let build = Mmdb::later(3).bytes();
        deployed.sandbox.upstream.publish("country.mmdb", &build);
        deployed.timeout_secs(SHORT_SECS).await;
        let short = deployed.invoke(&deployed.publisher, &geo()).await;
        assert_eq!(short["layers"][0]["consumers"][0]["state"], "behind", "{short:#}");
        assert_eq!(account.layers("waits", "$LATEST").await, [old.to_string()]);
        let queues = deployed.ask_boto("waking.py", &[]);
        assert!(queues.iter().all(|queue| queue.contains("DeadLetters")), "{queues:?}");
        assert_eq!(queues.len(), 1, "one wake-up");
    });
}

#[test]
fn a_schedule_fires() {
    const LOOKS: u32 = 300;
    block_on(async {
        let deployed = Deployed::with(&["Schedule=rate(1 minute)"]).await.without_tls().await;
        for _ in 0..LOOKS {
            let listed = deployed.account.lambda().list_layer_versions().layer_name("geo");
            let listed = listed.send().await.expect("readable");
            if !listed.layer_versions().is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        panic!("no layer version after {LOOKS} s");
    });
}

/// F4: one invocation did all layers one after the other, and ended with the first slow one.
#[test]
fn a_layer_with_a_slow_upstream_keeps_no_other_waiting() {
    const LOOKS: u32 = 90;
    block_on(async {
        let deployed = Deployed::new().await.without_tls().await;
        // At 10 kB a second this takes longer than the test waits.
        deployed.sandbox.upstream.publish("country.mmdb", &vec![7; 3_000_000]);
        deployed.sandbox.upstream.misbehave("country.mmdb", Fault::Trickle(1_024), 9);
        let account = &deployed.account;
        let event = json!({"command": "refresh", "layers": ["geo", "other"]});
        let asked = account.lambda().invoke().function_name(&deployed.publisher);
        let asked = asked.invocation_type(InvocationType::Event);
        asked.payload(Blob::new(event.to_string())).send().await.expect("invocable");
        for _ in 0..LOOKS {
            let listed = account.lambda().list_layer_versions().layer_name("other");
            let listed = listed.send().await.expect("readable");
            if !listed.layer_versions().is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        panic!("`other` is not fresh after {LOOKS} s");
    });
}
