#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let _fate = freshlayer::fuzzing::stream(bytes, folder.path());
});
