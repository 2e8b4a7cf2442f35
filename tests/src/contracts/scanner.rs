//! What every scanner keeps to.

use std::path::Path;

use freshlayer::Digest;
use freshlayer::definition::ScanHook;
use freshlayer::ports::{Opinion, Scanned, Scanner};

use crate::sandbox::layer_name;

/// Scanners of one kind, each with another answer.
#[derive(Debug)]
pub struct Hooks {
    /// Lets a zip pass.
    pub clears: ScanHook,
    /// Refuses it with the word `malware`.
    pub refuses: ScanHook,
    /// Asks to wait with the word `queue`.
    pub waits: ScanHook,
    /// Answers what is none of the three.
    pub unclear: ScanHook,
    /// Is not there.
    pub missing: ScanHook,
}

/// Holds a scanner to its contract.
///
/// # Panics
/// Where it breaks it.
pub async fn scanner(scanner: &dyn Scanner, hooks: &Hooks, zip: &Path) {
    let (layer, sha256) = (layer_name("geo"), Digest::parse(&"0".repeat(64)).expect("a digest"));
    let asked = Scanned { layer: &layer, release: 1, sha256: &sha256, zip };
    let ask = |hook: &ScanHook| {
        let hook = hook.clone();
        async move { scanner.scan(&hook, asked).await }
    };
    for _asked_twice in 0..2 {
        assert_eq!(ask(&hooks.clears).await.expect("an opinion"), Opinion::Proceed);
    }
    match ask(&hooks.refuses).await.expect("an opinion") {
        Opinion::Abort(words) => assert!(words.contains("malware"), "{words}"),
        other => panic!("{other:?}"),
    }
    match ask(&hooks.waits).await.expect("an opinion") {
        Opinion::Wait(words) => assert!(words.contains("queue"), "{words}"),
        other => panic!("{other:?}"),
    }
    ask(&hooks.unclear).await.expect_err("no clear answer");
    ask(&hooks.missing).await.expect_err("no scanner");
}
