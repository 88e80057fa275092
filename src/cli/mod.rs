//! What was asked, verbatim: argv and nothing else becomes an `Invocation`.
