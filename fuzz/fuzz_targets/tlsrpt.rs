#![no_main]

use libfuzzer_sys::fuzz_target;
use posthaste_fuzz::bodies;

fuzz_target!(|octets: &[u8]| bodies::tlsrpt(octets));
