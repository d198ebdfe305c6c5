//! What stays up: the daemon behind `cadena start`. It tells what happens as values; the edge puts them into words.

pub mod daemon;
pub mod health;
pub mod scheduler;
pub mod services;
