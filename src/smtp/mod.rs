//! The SMTP engine.
