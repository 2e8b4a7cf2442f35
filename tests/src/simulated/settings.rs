use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Place;

/// Where a function runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RunsOn {
    /// Where all functions run.
    #[default]
    Lambda,
    /// A capacity provider of the account.
    ManagedInstances,
}

/// Whether a function takes layers without a signature.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Signing {
    /// It does.
    #[default]
    NotAsked,
    /// Its code signing configuration says `Enforce`.
    Enforced,
}

/// Whether calls are traced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tracing {
    /// Where the caller asks for it.
    #[default]
    PassThrough,
    /// Some of them.
    Active,
}

/// What the code is compiled for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Architecture {
    /// `x86_64`.
    #[default]
    X86,
    /// `arm64`.
    Arm,
}

/// Whether versions start from a snapshot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SnapStart {
    /// They do not.
    #[default]
    Off,
    /// They do: a version's snapshot is taken when it is published.
    PublishedVersions,
}

/// What a published version freezes beside code and layers. The defaults are Lambda's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Up to 256 characters.
    pub description: String,
    /// The role's ARN.
    pub role: String,
    /// Environment variables.
    pub variables: BTreeMap<String, String>,
    /// The subnet, where it runs in a VPC.
    pub subnet: Option<String>,
    /// Whether calls are traced.
    pub tracing: Tracing,
    /// Size of `/tmp`.
    pub ephemeral_mb: u32,
    /// Memory.
    pub memory_mb: u32,
    /// How long a call may take.
    pub timeout_secs: u32,
    /// What the code is compiled for.
    pub architecture: Architecture,
    /// Whether versions start from a snapshot.
    pub snap_start: SnapStart,
    /// How long durable executions are kept, where it is a durable function.
    pub durable_days: Option<u32>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            description: String::new(),
            role: "arn:aws:iam::123456789012:role/function".to_owned(),
            variables: BTreeMap::new(),
            subnet: None,
            tracing: Tracing::PassThrough,
            ephemeral_mb: 512,
            memory_mb: 128,
            timeout_secs: 3,
            architecture: Architecture::X86,
            snap_start: SnapStart::Off,
            durable_days: None,
        }
    }
}

impl Settings {
    /// Everything that a function may have, and nothing as it is by default.
    pub fn full() -> Self {
        let variables = [("GREETING", "hello"), ("ANSWER", "42")];
        let own = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        Self {
            description: "a function with everything".to_owned(),
            variables: variables.map(own).into(),
            subnet: Some("subnet-0123456789abcdef0".to_owned()),
            tracing: Tracing::Active,
            ephemeral_mb: 1_024,
            memory_mb: 256,
            timeout_secs: 30,
            architecture: Architecture::Arm,
            snap_start: SnapStart::PublishedVersions,
            durable_days: Some(7),
            ..Self::default()
        }
    }

    /// Writes the fields of `FunctionConfiguration` that are made of the settings.
    pub(super) fn write(&self, shown: &mut Value) {
        let (tracing, architecture) = match (self.tracing, self.architecture) {
            (Tracing::PassThrough, Architecture::X86) => ("PassThrough", "x86_64"),
            (Tracing::PassThrough, Architecture::Arm) => ("PassThrough", "arm64"),
            (Tracing::Active, Architecture::X86) => ("Active", "x86_64"),
            (Tracing::Active, Architecture::Arm) => ("Active", "arm64"),
        };
        let is_latest = shown["Version"] == "$LATEST";
        let (applies, optimised) = match self.snap_start {
            SnapStart::Off => ("None", "Off"),
            SnapStart::PublishedVersions if is_latest => ("PublishedVersions", "Off"),
            SnapStart::PublishedVersions => ("PublishedVersions", "On"),
        };
        shown["Description"] = json!(self.description);
        shown["Role"] = json!(self.role);
        shown["MemorySize"] = json!(self.memory_mb);
        shown["Timeout"] = json!(self.timeout_secs);
        shown["EphemeralStorage"] = json!({"Size": self.ephemeral_mb});
        shown["TracingConfig"] = json!({"Mode": tracing});
        shown["Architectures"] = json!([architecture]);
        shown["SnapStart"] = json!({"ApplyOn": applies, "OptimizationStatus": optimised});
        if !self.variables.is_empty() {
            shown["Environment"] = json!({"Variables": self.variables});
        }
        if let Some(subnet) = &self.subnet {
            shown["VpcConfig"] = json!({
                "SubnetIds": [subnet], "SecurityGroupIds": ["sg-0123456789abcdef0"],
                "VpcId": "vpc-0123456789abcdef0", "Ipv6AllowedForDualStack": false,
            });
        }
        if let Some(days) = self.durable_days {
            shown["DurableConfig"] =
                json!({"RetentionPeriodInDays": days, "ExecutionTimeout": 3_600});
        }
    }
}

impl RunsOn {
    pub(super) fn write(self, place: &Place, shown: &mut Value) {
        if self == Self::ManagedInstances {
            let provider =
                format!("arn:aws:lambda:{}:{}:capacity-provider:ours", place.region, place.account);
            shown["CapacityProviderConfig"] = json!({
                "LambdaManagedInstancesCapacityProviderConfig": {"CapacityProviderArn": provider},
            });
        }
    }
}
