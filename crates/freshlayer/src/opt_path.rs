//! Paths below `/opt`, and the modes of the files there.
//!
//! Threats: a name that leaves `/opt` (`..`, absolute, backslash), one that a file system folds or
//! truncates (control characters, over-long parts), one that takes the manifest's place. Defence: a path
//! is parsed into [`OptPath`] or refused; nothing else reaches the packager.

use std::fmt;

use serde::{Deserialize, Serialize};

const PART_BYTES_MAX: usize = 255;
const PATH_BYTES_MAX: usize = 1024;
const ROOT: &str = ".";

/// A relative path below `/opt` with `/` between its parts: no `.`, no `..`, nothing outside. A dataset's own
/// path may be `/opt` itself, written `.`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OptPath(String);

impl OptPath {
    /// Parses a path.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.len() > PATH_BYTES_MAX {
            return Err(format!("expected 1 to {PATH_BYTES_MAX} bytes, found {}", text.len()));
        }
        for part in text.split('/') {
            let fault = match part {
                "" => "an empty part (a leading, doubled or closing slash)",
                "." | ".." => "a `.` or `..` part",
                _ if part.len() > PART_BYTES_MAX => "a part of over 255 bytes",
                _ if part.contains('\\') => "a backslash",
                _ if part.chars().any(char::is_control) => "a control character",
                _ => continue,
            };
            return Err(format!("expected a path inside /opt, found {fault} in {text:?}"));
        }
        Ok(Self(text.to_owned()))
    }

    /// Parses the path of a dataset: as [`OptPath::parse`] does, or `.` for `/opt` itself.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn parse_dataset(text: &str) -> Result<Self, String> {
        if text == ROOT { Ok(Self(ROOT.to_owned())) } else { Self::parse(text) }
    }

    /// Tells whether this is `/opt` itself.
    pub fn is_root(&self) -> bool {
        self.0 == ROOT
    }

    /// Appends a path that is itself a valid one.
    #[must_use]
    pub fn join(&self, below: &Self) -> Self {
        if self.is_root() { below.clone() } else { Self(format!("{}/{}", self.0, below.0)) }
    }

    /// Returns the text of a file's path after its dataset moved; `None` where the file is not the dataset's.
    pub(crate) fn moved(file: &str, from: &Self, to: &Self) -> Option<String> {
        if file == from.0 {
            return Some(to.0.clone());
        }
        let below =
            if from.is_root() { file } else { file.strip_prefix(&from.0)?.strip_prefix('/')? };
        Some(if to.is_root() { below.to_owned() } else { format!("{}/{below}", to.0) })
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Tells whether the path lies in the folder of the manifests.
    pub fn is_reserved(&self) -> bool {
        self.0.split('/').next().is_some_and(|part| part.eq_ignore_ascii_case("freshlayer"))
    }
}

impl TryFrom<String> for OptPath {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse_dataset(&text)
    }
}

impl From<OptPath> for String {
    fn from(path: OptPath) -> Self {
        path.0
    }
}

impl fmt::Display for OptPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The permission bits of a file in a layer. Nothing else survives packaging.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub enum Mode {
    /// It cannot be run.
    #[default]
    #[serde(rename = "0644")]
    Plain,
    /// It can be run.
    #[serde(rename = "0755")]
    Executable,
}

impl Mode {
    /// Keeps of a file's permission bits whether its owner may run it.
    pub fn of_bits(bits: u32) -> Self {
        if bits & 0o100 == 0 { Self::Plain } else { Self::Executable }
    }

    /// Returns the permission bits.
    pub fn bits(self) -> u32 {
        match self {
            Self::Plain => 0o644,
            Self::Executable => 0o755,
        }
    }

    /// Reads the text of a record or a manifest.
    pub(crate) fn recorded(text: &str) -> Self {
        if text == Self::Executable.as_str() { Self::Executable } else { Self::Plain }
    }

    /// Returns the text for a record or a manifest.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "0644",
            Self::Executable => "0755",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dataset(text: &str) -> OptPath {
        OptPath::parse_dataset(text).expect("valid")
    }

    #[test]
    fn the_root_is_a_place_of_datasets_and_not_of_files() {
        assert!(OptPath::parse(".").is_err());
        let bootstrap = OptPath::parse("bootstrap").expect("valid");
        assert_eq!(dataset(".").join(&bootstrap), bootstrap);
        assert_eq!(dataset("a").join(&bootstrap).as_str(), "a/bootstrap");
    }

    #[test]
    fn files_move_with_their_dataset() {
        for (file, from, to, expected) in [
            ("geo/city.mmdb", "geo/city.mmdb", "x.mmdb", Some("x.mmdb")),
            ("tool/bin/run", "tool", "other/tool", Some("other/tool/bin/run")),
            ("tool/bin/run", "tool", ".", Some("bin/run")),
            ("bin/run", ".", "tool", Some("tool/bin/run")),
            ("bin/run", ".", ".", Some("bin/run")),
            ("bin/run", "tool", ".", None),
            ("toolbox/run", "tool", ".", None),
        ] {
            let moved = OptPath::moved(file, &dataset(from), &dataset(to));
            assert_eq!(moved.as_deref(), expected, "{file} from {from} to {to}");
        }
    }
}
