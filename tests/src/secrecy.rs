//! I10 over the whole suite: what is said and kept is looked through for the secrets of the tests.

use std::fs::{read, read_dir};
use std::path::Path;

use crate::upstream::{AUTHORIZATION, LICENSE_KEY};

/// Every secret of the tests is one of these, or begins with one. The last ones are `user:s3cret`, `Aladdin:s3cret` and `42:s3cret`
/// as Basic authentication writes them.
const MARKS: [&str; 5] = [LICENSE_KEY, AUTHORIZATION, "s3cret", "wave-token-81", "dXNlcjpzM2NyZX"];
/// Zips, and downloads that are not over: data, whatever an upstream put into it.
pub(crate) const DATA: [&str; 2] = ["blobs", "work"];
/// A larger file is data, too.
const TEXT_BYTES_MAX: usize = 1024 * 1024;

/// Looks through a text, unless a test fails already.
///
/// # Panics
/// Where it holds a secret.
pub fn assert_keeps_secrets(whose: &str, text: &str) {
    if std::thread::panicking() {
        return;
    }
    for mark in MARKS {
        assert!(!text.contains(mark), "{whose} tells the secret {mark}: {text}");
    }
}

/// Looks through all that a local host keeps: its state, its functions, the manifests of its layers.
///
/// # Panics
/// Where a file holds a secret.
pub(crate) fn assert_host_keeps_secrets(folder: &Path) {
    for entry in read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if !DATA.iter().any(|name| path.ends_with(name)) {
                assert_host_keeps_secrets(&path);
            }
            continue;
        }
        let bytes = read(&path).unwrap_or_default();
        if bytes.len() <= TEXT_BYTES_MAX
            && let Ok(text) = std::str::from_utf8(&bytes)
        {
            assert_keeps_secrets(&path.display().to_string(), text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "tells the secret s3cret")]
    fn a_kept_secret_is_found() {
        let host = tempfile::tempdir().expect("a temporary folder");
        let folder = host.path().join("state/layers");
        std::fs::create_dir_all(&folder).expect("the folder is new");
        std::fs::write(folder.join("head.json"), "{\"url\": \"https://user:s3cret-x@host\"}")
            .expect("writable");
        assert_host_keeps_secrets(host.path());
    }
}
