//! What this machine and its user are called. All that is peculiar to an operating system stands here.
