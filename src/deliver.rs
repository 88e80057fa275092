//! One message over its servers, to a verdict for each recipient.
