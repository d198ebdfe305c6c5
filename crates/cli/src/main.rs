//! The `cadena` command: reads arguments and configuration, calls the library, prints what it returns.
//!
//! The only room that prints, translates, reads the environment and exits.

mod app;
mod args;
mod commands;
mod config;
mod exit;
mod failure;
mod locale;
mod log;
mod render;
mod signals;

fn main() -> std::process::ExitCode {
    app::main().into()
}
