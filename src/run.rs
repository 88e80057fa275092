//! The flow from arguments to exit code, one function for each kind of call.
