//! One line for each recipient and attempt: syslog, journal or file.
