//! The network: sockets, TLS, deadlines, and the loop that serves the engine.
