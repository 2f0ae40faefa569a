#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| channels_runtime::fuzzing::offers(data));
