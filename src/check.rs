//! The steps of a connection, reported one by one: `posthaste check`.
