//! What this machine and its user are called. All that is peculiar to an operating system stands here.
/// x
pub fn full_host_name() -> Option<String> {
    None
}
