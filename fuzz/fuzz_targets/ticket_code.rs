//! libFuzzer entry point of the target `ticket_code`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tessera_fuzz::ticket_code(data));
