use std::sync::Arc;

use freshlayer::Digest;
use freshlayer::ports::{Created, Etag, Key, Payload, Replaced, Store};

use crate::sandbox::layer_name;

/// How many writers race.
const WRITERS: usize = 8;

/// Holds a store to its contract. The store must be empty; each call of `open` gives one more view of it, as
/// each publisher has its own.
///
/// # Panics
/// Where it breaks the contract.
pub async fn store(open: &(dyn Fn() -> Arc<dyn Store> + Sync)) {
    let store = open();
    creates_once(store.as_ref()).await;
    replaces_only_what_was_seen(store.as_ref()).await;
    keeps_files(store.as_ref()).await;
    deletes(store.as_ref()).await;
    one_writer_wins(open).await;
}

async fn deletes(store: &dyn Store) {
    let key = Key::blob(&Digest::parse(&"cd".repeat(32)).expect("a digest"));
    let created = store.create(&key, Payload::Bytes(b"zip")).await;
    created.expect("writable");
    for _ in 0..2 {
        let deleted = store.delete(&key).await;
        deleted.expect("what is not there is deleted already");
        assert!(store.read(&key).await.expect("readable").is_none());
    }
    let again = store.create(&key, Payload::Bytes(b"zip")).await;
    assert!(matches!(again.expect("writable"), Created::Created(_)));
}

async fn creates_once(store: &dyn Store) {
    let key = Key::release(&layer_name("once"), 1);
    assert!(store.read(&key).await.expect("readable").is_none(), "what is not there is none");
    let first = store.create(&key, Payload::Bytes(b"first")).await.expect("writable");
    assert!(matches!(first, Created::Created(_)));
    let second = store.create(&key, Payload::Bytes(b"second")).await.expect("writable");
    assert_eq!(second, Created::Exists);
    let stored = store.read(&key).await.expect("readable").expect("it is there");
    assert_eq!(stored.bytes, b"first", "a second create changes nothing");
    assert_eq!(first, Created::Created(stored.etag), "create and read give one etag");
}

async fn replaces_only_what_was_seen(store: &dyn Store) {
    let key = Key::head(&layer_name("replaced"));
    let nobody = Etag("of nothing".to_owned());
    let lost = store.replace(&key, &nobody, b"x").await.expect("writable");
    assert_eq!(lost, Replaced::Lost, "what is not there cannot be replaced");
    store.create(&key, Payload::Bytes(b"1")).await.expect("writable");
    let seen = store.read(&key).await.expect("readable").expect("it is there").etag;
    let Replaced::Replaced(next) = store.replace(&key, &seen, b"2").await.expect("writable") else {
        panic!("the etag was the right one");
    };
    let lost = store.replace(&key, &seen, b"3").await.expect("writable");
    assert_eq!(lost, Replaced::Lost, "an old etag replaces nothing");
    let stored = store.read(&key).await.expect("readable").expect("it is there");
    assert_eq!((stored.bytes, stored.etag), (b"2".to_vec(), next));
}

async fn keeps_files(store: &dyn Store) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (source, copy) = (folder.path().join("source"), folder.path().join("copy"));
    let content = vec![7; 3_000_000];
    std::fs::write(&source, &content).expect("writable");
    let key = Key::blob(&Digest::parse(&"ab".repeat(32)).expect("a digest"));
    assert!(!store.read_to_file(&key, &copy).await.expect("readable"));
    let created = store.create(&key, Payload::File(&source)).await.expect("writable");
    assert!(matches!(created, Created::Created(_)));
    std::fs::remove_file(&source).expect("the source is the caller's");
    assert!(store.read_to_file(&key, &copy).await.expect("readable"));
    assert_eq!(std::fs::read(&copy).expect("readable"), content);
    std::fs::write(&copy, b"changed").expect("the copy is the caller's");
    let again = folder.path().join("again");
    store.read_to_file(&key, &again).await.expect("readable");
    assert_eq!(std::fs::read(&again).expect("readable"), content, "a copy is no alias");
}

/// Writers on threads of their own: of those that saw one state, exactly one replaces it.
async fn one_writer_wins(open: &(dyn Fn() -> Arc<dyn Store> + Sync)) {
    let store = open();
    let key = Key::head(&layer_name("raced"));
    store.create(&key, Payload::Bytes(b"start")).await.expect("writable");
    for round in 0..20 {
        let seen = store.read(&key).await.expect("readable").expect("it is there").etag;
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (store, key, seen) = (open(), key.clone(), seen.clone());
                std::thread::spawn(move || {
                    let bytes = format!("round {round}, writer {writer}");
                    let replaced = crate::sandbox::block_on(async {
                        store.replace(&key, &seen, bytes.as_bytes()).await
                    });
                    matches!(replaced.expect("writable"), Replaced::Replaced(_)).then_some(bytes)
                })
            })
            .collect();
        let winners: Vec<String> =
            writers.into_iter().filter_map(|w| w.join().expect("no panic")).collect();
        let stored = store.read(&key).await.expect("readable").expect("it is there");
        assert_eq!(winners, [String::from_utf8_lossy(&stored.bytes)], "one wins, wholly");
    }
}
