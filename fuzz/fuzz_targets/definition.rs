#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _fate = freshlayer::fuzzing::definition(bytes);
});
