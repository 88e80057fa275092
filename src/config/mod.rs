//! Settings: layers of file and environment, resolved once into an [`Account`].

pub mod account;
pub use account::Account;
pub mod secret;
