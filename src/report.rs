//! What a person reads: errors, transcript, JSON. The only place that prints, but for `main`.
