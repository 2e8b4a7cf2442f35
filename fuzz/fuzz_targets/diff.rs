#![no_main]

libfuzzer_sys::fuzz_target!(|both: (&[u8], &[u8])| {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let _difference = freshlayer::fuzzing::diff(both.0, both.1, folder.path());
});
