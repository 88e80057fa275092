//! SMTP from the other side: the pure session of a server, and the sink.
