//! Every environment variable that the binary reads. The README's table is held equal to this file.

/// One variable: its name, its default, its meaning.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Variable {
    pub(crate) name: &'static str,
    pub(crate) default: &'static str,
    pub(crate) meaning: &'static str,
}

pub(crate) const LAYERS: Variable = Variable {
    name: "FRESHLAYER_LAYERS",
    default: "layers",
    meaning: "folder of layer definitions; `--layers`",
};
pub(crate) const HOST: Variable = Variable {
    name: "FRESHLAYER_HOST",
    default: ".freshlayer",
    meaning: "folder of the local host: state, layer versions, functions; `--host`",
};
pub(crate) const WORK: Variable = Variable {
    name: "FRESHLAYER_WORK",
    default: "`work` in the host's folder",
    meaning: "folder for temporary files, up to four times the size of a layer; `--work`",
};
pub(crate) const TARGET: Variable = Variable {
    name: "FRESHLAYER_TARGET",
    default: "local",
    meaning: "where layers are published and functions moved: `local` or `aws`; `--target`",
};
pub(crate) const BUCKET: Variable = Variable {
    name: "FRESHLAYER_BUCKET",
    default: "none",
    meaning: "bucket of state and zips, for `--target aws`; `--bucket`",
};
pub(crate) const SIGNING_KEY: Variable = Variable {
    name: "FRESHLAYER_SIGNING_KEY",
    default: "none",
    meaning: "key of KMS (ECC_NIST_P256, by id, alias or ARN) that signs the provenance documents of each release, for `--target aws`",
};
pub(crate) const REGION: Variable = Variable {
    name: "AWS_REGION",
    default: "the profile's",
    meaning: "Region, for `--target aws`; `--region`",
};
pub(crate) const PROFILE: Variable = Variable {
    name: "AWS_PROFILE",
    default: "`default`",
    meaning: "profile with credentials, for `--target aws`; `--profile`. The AWS SDK reads all other `AWS_…` variables",
};
pub(crate) const MAXMIND_ACCOUNT_ID: Variable = Variable {
    name: "MAXMIND_ACCOUNT_ID",
    default: "none",
    meaning: "account for `maxmind` sources",
};
pub(crate) const MAXMIND_LICENSE_KEY: Variable = Variable {
    name: "MAXMIND_LICENSE_KEY",
    default: "none",
    meaning: "licence key of that account; never shown",
};
pub(crate) const MAXMIND_LICENSE_KEY_FILE: Variable = Variable {
    name: "MAXMIND_LICENSE_KEY_FILE",
    default: "none",
    meaning: "file that holds the licence key, instead of the variable",
};
pub(crate) const ROOT: Variable = Variable {
    name: freshlayer_reader::ROOT_VARIABLE,
    default: freshlayer_reader::DEFAULT_ROOT,
    meaning: "where the reader finds layers outside Lambda; `exec` sets it where `/opt` cannot be mounted",
};

pub(crate) const COMPLETE: Variable = Variable {
    name: "FRESHLAYER_COMPLETE",
    default: "none",
    meaning: "set by the script of `freshlayer completions`: the shell whose words are completed",
};

/// All of them, in the order of the README.
pub(crate) const ALL: [Variable; 13] = [
    LAYERS,
    HOST,
    WORK,
    TARGET,
    BUCKET,
    SIGNING_KEY,
    REGION,
    PROFILE,
    MAXMIND_ACCOUNT_ID,
    MAXMIND_LICENSE_KEY,
    MAXMIND_LICENSE_KEY_FILE,
    ROOT,
    COMPLETE,
];

#[expect(clippy::disallowed_methods, reason = "this is the one place that reads it")]
/// Reads a variable; an empty one counts as unset.
pub(crate) fn read(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
