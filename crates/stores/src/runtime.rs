//! The one runtime on which requests run; callers wait for them on threads of their own.

use std::future::Future;
use std::io;
use std::sync::OnceLock;
use tokio::runtime::{Builder, Runtime};

static RUNTIME: OnceLock<Runtime> = OnceLock::new();

/// Starts the runtime if it does not run yet.
///
/// # Errors
/// Those of the system, when it gives no threads.
pub(crate) fn start() -> io::Result<&'static Runtime> {
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    // Two threads that move bytes; what is long (checksums, compression) is done by the callers.
    let made = Builder::new_multi_thread().worker_threads(2).thread_name("cadena-store").enable_all().build()?;
    Ok(RUNTIME.get_or_init(|| made))
}

/// Waits for a request.
pub(crate) fn wait<T>(runtime: &'static Runtime, future: impl Future<Output = T>) -> T {
    runtime.block_on(future)
}
