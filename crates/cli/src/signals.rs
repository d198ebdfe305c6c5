//! What happens on ^C? The first signal asks the operation to end cleanly, the second ends the process.

use crate::exit::ExitStatus;
use cadena::Cancel;
use std::io::Write;

/// Sets `cancel` on SIGINT or SIGTERM; exits on the second one. What `notice` returns is told on the first.
pub fn install(cancel: &Cancel, notice: Option<impl Fn() -> String + Send + 'static>) {
    let cancel = cancel.clone();
    let handler = move || {
        if cancel.is_cancelled() {
            std::process::exit(i32::from(ExitStatus::Interrupted.code()));
        }
        cancel.cancel();
        if let Some(notice) = &notice {
            // Nothing sensible is left to do when stderr is gone.
            let _ = writeln!(std::io::stderr(), "\n{}", notice());
        }
    };
    if let Err(error) = ctrlc::set_handler(handler) {
        // Without a handler the default action stays: the process ends, and the next backup sweeps up.
        tracing::warn!(%error, "no signal handler");
    }
}
