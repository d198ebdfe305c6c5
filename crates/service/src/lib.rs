//! What stays up: the daemon behind `cadena start`; and the catalog, which shows the repository to whoever asks the database. Both
//! tell what happens as values; the edge puts them into words.

mod backoff;
pub mod catalog;
pub mod daemon;
pub mod health;
pub mod metrics;
pub mod notify;
mod pause;
pub mod replica;
pub mod scheduler;
pub mod services;
pub mod watch;
