//! libFuzzer entry point of the target `websocket`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tessera_fuzz::websocket(data));
